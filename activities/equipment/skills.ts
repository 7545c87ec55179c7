// The skills of a session's agent, installed in its sandbox. Archives are fetched here, where the credentials are, kept
// for the next session, and handed to the toolhost; what the sandbox has already is neither fetched nor installed.
import { basename } from 'node:path';
import type Anthropic from '@anthropic-ai/sdk';
import { Context } from '@temporalio/activity';
import { excerpt } from '../../src/clients/excerpt.ts';
import type { Toolhost } from '../../src/clients/toolhost.ts';
import { scrub } from '../../src/log.ts';
import type { InstalledSkill } from '../../toolhost/protocol.ts';
import type { Deps } from '../deps.ts';
import { classify } from '../errors.ts';
import { sleep } from '../sleep.ts';

export interface SkillWanted {
  skill_id: string;
  /** A version's id, or `latest`. */
  version: string;
}

const MAX_ARCHIVE_BYTES = 50 * 1024 * 1024;
/** Archives that a worker keeps in memory. */
const KEPT_BYTES = 128 * 1024 * 1024;
const ATTEMPTS = 3;
const RETRY_MS = 400;
/** Of the activity: with its pauses, about 15 s. */
const ACTIVITY_ATTEMPTS = 6;

/** Archives by version, the least recently used out first. */
export class SkillArchives {
  readonly #archives = new Map<string, Promise<Uint8Array>>();
  readonly #sizes = new Map<string, number>();

  /** Fetches a version once, however many ask at the same time; a failure is not kept. */
  async get(versionId: string, fetch: () => Promise<Uint8Array>): Promise<Uint8Array> {
    const archive = this.#archives.get(versionId) ?? fetch();
    this.#archives.delete(versionId);
    this.#archives.set(versionId, archive);
    try {
      this.#sizes.set(versionId, (await archive).length);
    } catch (error) {
      this.#archives.delete(versionId);
      throw error;
    }
    let kept = 0;
    for (const id of [...this.#archives.keys()].reverse()) {
      kept += this.#sizes.get(id) ?? 0;
      if (kept <= KEPT_BYTES) continue;
      this.#archives.delete(id);
      this.#sizes.delete(id);
    }
    return archive;
  }
}

/**
 * Brings the sandbox what it lacks. One skill that fails keeps no other from being installed.
 * @returns what went wrong, in words
 */
export async function installSkills(
  { anthropic, log }: Pick<Deps, 'anthropic' | 'log'>,
  archives: SkillArchives,
  toolhost: Toolhost,
  wanted: readonly SkillWanted[],
): Promise<string[]> {
  const problems: string[] = [];
  const there = await toolhost.skills();
  for (const skill of wanted) {
    if (there.some(({ skillId, versionId }) => skillId === skill.skill_id && versionId === skill.version))
      continue;
    try {
      const installed = await install(anthropic.environment, archives, toolhost, skill, there);
      if (installed)
        log.info({ skillId: installed.skillId, version: installed.versionId }, 'skill installed');
    } catch (error) {
      if (needsAnotherAttempt(error)) throw error;
      const reason = excerpt(scrub(error instanceof Error ? error.message : String(error)), 250);
      log.warn({ skillId: skill.skill_id, version: skill.version, reason }, 'skill not installed');
      problems.push(`skill ${skill.skill_id} is not installed: ${reason}`);
    }
  }
  return problems;
}

async function install(
  client: Anthropic,
  archives: SkillArchives,
  toolhost: Toolhost,
  { skill_id: skillId, version }: SkillWanted,
  there: readonly InstalledSkill[],
): Promise<InstalledSkill | null> {
  const { versions } = client.beta.skills;
  // `latest` is resolved by this call alone.
  const resolved = await patiently(() => versions.retrieve(version, { skill_id: skillId }));
  const skill = { name: directoryOf(resolved.name, skillId), skillId, versionId: resolved.id };
  if (there.some((one) => one.skillId === skillId && one.versionId === skill.versionId)) return null;
  const archive = await archives.get(`${skillId} ${skill.versionId}`, () =>
    patiently(async () => bodyOf(await versions.download(skill.versionId, { skill_id: skillId }))),
  );
  await patiently(() => toolhost.installSkill(skill, archive));
  return skill;
}

/** One safe component of a path, as the official worker makes it. */
function directoryOf(name: string, skillId: string): string {
  const base = basename(name.trim());
  return base === '' || base.startsWith('.') ? skillId : base;
}

async function bodyOf(answer: Response): Promise<Uint8Array> {
  const tooLarge = () => new RangeError(`its archive is larger than ${MAX_ARCHIVE_BYTES} bytes`);
  if (Number(answer.headers.get('content-length') ?? 0) > MAX_ARCHIVE_BYTES) {
    await answer.body?.cancel();
    throw tooLarge();
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > MAX_ARCHIVE_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * The next attempt starts the toolhost again, and the service may be back by then. If a skill kills the toolhost every
 * time, or the service stays away, the session goes on without that skill.
 */
function needsAnotherAttempt(error: unknown): boolean {
  return Context.current().info.attempt < ACTIVITY_ATTEMPTS && mayPass(error);
}

function mayPass(error: unknown): boolean {
  return !(error instanceof RangeError) && classify(error).kind === 'retry';
}

/** A single failed request costs the session a moment, not another attempt of the activity. */
async function patiently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!mayPass(error) || attempt >= ATTEMPTS) throw error;
      await sleep(RETRY_MS * attempt, Context.current().cancellationSignal);
    }
  }
}
