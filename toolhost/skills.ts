// The session's skills, one directory each below `skills/`, unpacked from archives that the router brings. A marker in
// the directory names the version: whoever asks later finds what is there and brings nothing again.
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { unpack } from './archive.ts';
import { ArchiveError } from './archive-member.ts';
import type { Log } from './call-log.ts';
import type { InstalledSkill as Skill } from './protocol.ts';

/** Of an archive as it comes, and of what it unpacks to. */
const MAX_ARCHIVE_BYTES = 50 * 1024 * 1024;
const LIMITS = { members: 10_000, bytes: 500 * 1024 * 1024 };

const MARKER = '.skill.json';
const STAGE = '.stage-';

export class Skills {
  readonly #root: string;
  readonly #log: Log;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(workdir: string, log: Log) {
    this.#root = join(workdir, 'skills');
    this.#log = log;
  }

  /** What is installed; directories without a marker are not ours. */
  async list(): Promise<Skill[]> {
    const entries = await readdir(this.#root, { withFileTypes: true }).catch(() => []);
    const skills: Skill[] = [];
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith(STAGE)) continue;
      const skill = await marked(join(this.#root, entry.name));
      if (skill) skills.push({ ...skill, name: entry.name });
    }
    return skills;
  }

  /**
   * Installs a version in place of any other one of the same skill, whole or not at all.
   * @throws ArchiveError that says what is wrong with the archive
   */
  install(skill: Skill, archive: AsyncIterable<Buffer>): Promise<Skill & { files: number; bytes: number }> {
    const installed = this.#queue.then(() => this.#install(skill, archive));
    this.#queue = installed.catch(() => {});
    return installed;
  }

  async #install(skill: Skill, archive: AsyncIterable<Buffer>) {
    await this.#clearStages();
    const holder = (await this.list()).find(({ name }) => name === skill.name);
    if (holder && holder.skillId !== skill.skillId)
      throw new ArchiveError(`the directory "${skill.name}" belongs to skill ${holder.skillId}`);
    await mkdir(this.#root, { recursive: true });
    const stage = await mkdtemp(join(this.#root, STAGE));
    try {
      const file = join(stage, 'archive');
      await pipeline(archive, capped, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
      const tree = join(stage, 'tree');
      await mkdir(tree, { mode: 0o700 });
      const { files, bytes, wrapper } = await unpack(file, tree, LIMITS);
      const content = join(tree, wrapper);
      const { skillId, versionId } = skill;
      await rm(join(content, MARKER), { recursive: true, force: true });
      await writeFile(join(content, MARKER), JSON.stringify({ skillId, versionId }), { mode: 0o600 });
      await this.#promote(content, skill, stage);
      this.#log('skill installed', { ...skill, files, bytes });
      return { ...skill, files, bytes };
    } finally {
      await rm(stage, { recursive: true, force: true });
    }
  }

  /** Two renames apart, the directory is missing: whoever looks then installs it again. */
  async #promote(content: string, skill: Skill, stage: string): Promise<void> {
    const target = join(this.#root, skill.name);
    const old = (await this.list()).filter(({ skillId }) => skillId === skill.skillId);
    for (const [index, { name }] of old.entries())
      await rename(join(this.#root, name), join(stage, `old-${index}`));
    // A directory that somebody made by hand is moved aside like any other.
    await rename(target, join(stage, 'unmarked')).catch(() => {});
    await rename(content, target);
  }

  async #clearStages(): Promise<void> {
    for (const name of await readdir(this.#root).catch(() => []))
      if (name.startsWith(STAGE)) await rm(join(this.#root, name), { recursive: true, force: true });
  }
}

async function marked(dir: string): Promise<Omit<Skill, 'name'> | undefined> {
  try {
    const { skillId, versionId } = JSON.parse(await readFile(join(dir, MARKER), 'utf8'));
    return typeof skillId === 'string' && typeof versionId === 'string' ? { skillId, versionId } : undefined;
  } catch {
    return undefined;
  }
}

/** What is too large is read to its end, and dropped, so that its sender is there to read the refusal. */
async function* capped(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of archive) {
    size += chunk.length;
    if (size <= MAX_ARCHIVE_BYTES) yield chunk;
    else if (size > 2 * MAX_ARCHIVE_BYTES) break;
  }
  if (size > MAX_ARCHIVE_BYTES) throw new ArchiveError(`it is larger than ${MAX_ARCHIVE_BYTES} bytes`);
}
