// Installs skills from archives that the router sends, each in a directory of its own below `skills/`. A marker file in
// the directory names the installed version, so that the router does not send it again.
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { unpack } from './archive.ts';
import { ArchiveError } from './archive-member.ts';
import type { Log } from './log.ts';
import type { InstalledSkill as Skill } from './protocol.ts';

/** Limits for an archive as it arrives, and for what it unpacks to. */
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

  /** The installed skills; directories without a marker were not installed by the toolhost. */
  async list(): Promise<Skill[]> {
    const entries = await readdir(this.#root, { withFileTypes: true }).catch(() => []);
    const skills: Skill[] = [];
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith(STAGE)) continue;
      const skill = await readMarker(join(this.#root, entry.name));
      if (skill) skills.push({ ...skill, name: entry.name });
    }
    return skills;
  }

  /**
   * Installs one version of a skill and removes any other version of it. A failure leaves the installed version alone.
   * @throws ArchiveError that says what is wrong with the archive
   */
  install(skill: Skill, archive: AsyncIterable<Buffer>): Promise<Skill & { files: number; bytes: number }> {
    const installed = this.#queue.then(() => this.#install(skill, archive));
    this.#queue = installed.catch(() => {});
    return installed;
  }

  async #install(skill: Skill, archive: AsyncIterable<Buffer>) {
    await this.#clearStages();
    const present = (await this.list()).find(({ name }) => name === skill.name);
    if (present && present.skillId !== skill.skillId)
      throw new ArchiveError(`the directory "${skill.name}" belongs to skill ${present.skillId}`);
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

  /** Between the two renames the directory is missing; if the toolhost dies there, the router installs the skill again. */
  async #promote(content: string, skill: Skill, stage: string): Promise<void> {
    const target = join(this.#root, skill.name);
    const old = (await this.list()).filter(({ skillId }) => skillId === skill.skillId);
    for (const [index, { name }] of old.entries())
      await rename(join(this.#root, name), join(stage, `old-${index}`));
    // A directory that the toolhost did not install is moved away as well.
    await rename(target, join(stage, 'unmarked')).catch(() => {});
    await rename(content, target);
  }

  async #clearStages(): Promise<void> {
    for (const name of await readdir(this.#root).catch(() => []))
      if (name.startsWith(STAGE)) await rm(join(this.#root, name), { recursive: true, force: true });
  }
}

async function readMarker(dir: string): Promise<Omit<Skill, 'name'> | undefined> {
  try {
    const { skillId, versionId } = JSON.parse(await readFile(join(dir, MARKER), 'utf8'));
    return typeof skillId === 'string' && typeof versionId === 'string' ? { skillId, versionId } : undefined;
  } catch {
    return undefined;
  }
}

/** An archive that is too large is still read, because its sender reads the refusal only after sending it. */
async function* capped(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let size = 0;
  for await (const chunk of archive) {
    size += chunk.length;
    if (size <= MAX_ARCHIVE_BYTES) yield chunk;
    else if (size > 2 * MAX_ARCHIVE_BYTES) break;
  }
  if (size > MAX_ARCHIVE_BYTES) throw new ArchiveError(`it is larger than ${MAX_ARCHIVE_BYTES} bytes`);
}
