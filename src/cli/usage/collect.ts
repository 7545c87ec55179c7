// Joins what Temporal, E2B and Anthropic know of the use of sessions. Each of them may fail: the rest is given all the same.
import { type CommandSettings, loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError } from '../command.ts';
import { counted } from '../counted.ts';
import { serviceError } from '../service-error.ts';
import { withTemporal } from '../temporal.ts';
import { costOf, type Prices } from './prices.ts';
import type { Progress } from './progress.ts';
import { type Figures, type Group, type Measure, type Row, Rows } from './rows.ts';
import type { Window } from './running-time.ts';
import { eventsReach } from './sandbox-events.ts';
import { type SandboxUse, useOfSandboxes } from './sandboxes.ts';
import { type KnownSession, listSessions } from './sessions.ts';
import { type Source, SourceFailed } from './source.ts';
import { NO_TOKENS, TokenReader, type Tokens } from './tokens.ts';

export interface UsageRequest {
  window: Window;
  by: Group;
  prices?: Prices;
  /** Whether Anthropic is asked for tokens. */
  tokens: boolean;
}

export interface Usage {
  rows: Row[];
  sources: Source[];
  /** Whether any source that names sessions answered. */
  answered: boolean;
}

/** Sessions that Anthropic is asked for between two lines of progress. */
const BATCH = 100;

/** @throws ConfigError */
export async function collectUsage(
  context: CommandContext,
  request: UsageRequest,
  progress: Progress,
): Promise<Usage> {
  const settings = loadCommandSettings(context.environment());
  const collector = new Collector(settings, request, progress);
  const e2b = await collector.readSandboxes();
  const temporal = await collector.readSessions(context);
  await collector.addOtherSandboxes();
  return {
    rows: collector.rows.all(),
    sources: [temporal.source, e2b.source, collector.anthropic()],
    answered: temporal.answered || e2b.answered,
  };
}

type Answer = { source: Source; answered: boolean };

class Collector {
  readonly rows = new Rows();
  readonly #settings: CommandSettings;
  readonly #request: UsageRequest;
  readonly #progress: Progress;
  readonly #tokens: TokenReader;
  readonly #seen = new Set<string>();
  readonly #environments: Set<string>;
  readonly #bySession = new Map<string, SandboxUse[]>();
  readonly #shared: SandboxUse[] = [];
  #sandboxesRead = false;

  constructor(settings: CommandSettings, request: UsageRequest, progress: Progress) {
    this.#settings = settings;
    this.#request = request;
    this.#progress = progress;
    this.#tokens = new TokenReader(settings);
    this.#environments = new Set(settings.environments.flatMap(({ id }) => id ?? []));
  }

  async readSandboxes(): Promise<Answer> {
    const { window } = this.#request;
    const source: Source = {
      name: 'E2B',
      complete: true,
      reach: 'running seconds in the time asked for, from sandbox events, which E2B keeps for 7 days',
      missing: [],
    };
    if (window.since < eventsReach()) source.missing.push('sandbox seconds from before the last 7 days');
    try {
      const onEvents = (count: number) => this.#progress.say(`${counted(count, 'sandbox event')} read`);
      const { sandboxes, listed } = await useOfSandboxes(this.#settings.e2b, window, onEvents);
      for (const sandbox of sandboxes) {
        const { session, shared } = sandbox.metadata;
        if (session) this.#bySession.set(session, [...(this.#bySession.get(session) ?? []), sandbox]);
        else if (shared) this.#shared.push(sandbox);
      }
      this.#sandboxesRead = true;
      if (!listed) source.missing.push('which sandboxes run now: E2B does not list them');
      return { source: finish(source), answered: true };
    } catch (error) {
      source.missing = [`sandbox seconds: ${reasonOf(error)}`];
      return { source: finish(source), answered: false };
    }
  }

  async readSessions(context: CommandContext): Promise<Answer> {
    const source: Source = {
      name: 'Temporal',
      complete: true,
      reach:
        "turns, calls and outputs of a session's whole workflow, as of the end of its last turn; of ended ones while " +
        'the namespace keeps them (its retention)',
      missing: [],
    };
    let pages = 0;
    try {
      await withTemporal(context, async (temporal) => {
        for await (const page of listSessions(temporal, this.#request.window)) {
          pages += 1;
          for (const { environmentId } of page) if (environmentId) this.#environments.add(environmentId);
          for (let at = 0; at < page.length; at += BATCH) await this.#addSessions(page.slice(at, at + BATCH));
        }
      });
    } catch (error) {
      const part = pages === 0 ? 'turns, calls and outputs' : 'the sessions after the first ones';
      source.missing.push(`${part}: ${reasonOf(error)}`);
    }
    return { source: finish(source), answered: pages > 0 };
  }

  /** Sandboxes whose sessions Temporal has not named: it no longer keeps their workflows, or did not answer. */
  async addOtherSandboxes(): Promise<void> {
    const ours = ({ metadata }: SandboxUse) =>
      this.#environments.size === 0 || this.#environments.has(metadata.environment ?? '');
    const others = [...this.#bySession]
      .filter(([sessionId, [sandbox]]) => !this.#seen.has(sessionId) && sandbox && ours(sandbox))
      .map(([sessionId, [sandbox]]) => ({
        sessionId,
        running: null,
        agentId: null,
        environmentId: sandbox?.metadata.environment ?? null,
      }));
    for (let at = 0; at < others.length; at += BATCH) await this.#addSessions(others.slice(at, at + BATCH));
    for (const sandbox of this.#shared.filter(ours)) {
      const id =
        this.#request.by === 'environment'
          ? (sandbox.metadata.environment ?? '')
          : `shared sandbox of ${sandbox.metadata.shared}`;
      this.rows.add(id, this.#sandboxFigures([sandbox]));
    }
  }

  anthropic(): Source {
    const { read, deleted, failed, why } = this.#tokens;
    const source: Source = {
      name: 'Anthropic',
      complete: true,
      reach: `tokens and list cost over the whole life of each session, until it is deleted; ${counted(read, 'session')} read`,
      missing: [],
    };
    if (!this.#request.tokens) source.missing.push('tokens: not asked for (--no-tokens)');
    if (deleted > 0)
      source.missing.push(`tokens of ${counted(deleted, 'session')} that Anthropic does not know (deleted)`);
    if (failed > 0) source.missing.push(`tokens of ${counted(failed, 'session')}: ${why}`);
    return finish(source);
  }

  async #addSessions(
    sessions: (Omit<KnownSession, 'running' | 'startedAt'> & { running: boolean | null })[],
  ): Promise<void> {
    const fresh = sessions.filter(({ sessionId }) => !this.#seen.has(sessionId));
    const tokens = this.#request.tokens ? await this.#tokens.of(fresh) : new Map<string, Tokens>();
    for (const session of sessions) {
      const { sessionId, environmentId, agentId, use, running } = session;
      const first = !this.#seen.has(sessionId);
      this.#seen.add(sessionId);
      const known = tokens.get(sessionId);
      const { agentId: agentOfTokens, ...counts } = known ?? NO_TOKENS;
      const figures: Figures = {
        turns: use?.turns ?? null,
        calls: use?.calls ?? null,
        outputsBytes: use?.outputsBytes ?? null,
        // A session may have had several workflows: its sandboxes and tokens count once.
        ...(first
          ? { ...this.#sandboxFigures(this.#bySession.get(sessionId) ?? [], session), ...counts }
          : {}),
      };
      if (use?.outputsComplete === false) figures.atLeast = [...(figures.atLeast ?? []), 'outputsBytes'];
      const id = {
        session: sessionId,
        agent: agentId ?? agentOfTokens ?? '',
        environment: environmentId ?? '',
      }[this.#request.by];
      this.rows.add(id, figures, first ? 1 : 0, running);
    }
    this.#progress.say(`${counted(this.#seen.size, 'session')} read`);
  }

  #sandboxFigures(
    sandboxes: readonly SandboxUse[],
    session?: { environmentId: string | null },
  ): Pick<Figures, 'sandboxSeconds' | 'sandboxCost' | 'atLeast'> {
    const reached = this.#request.window.since >= eventsReach();
    const shared = this.#shared.some(({ metadata }) => metadata.environment === session?.environmentId);
    if (
      !this.#sandboxesRead ||
      (sandboxes.length === 0 && (!reached || (shared && this.#request.by === 'session')))
    )
      return { sandboxSeconds: null, sandboxCost: null };
    const costs = sandboxes.map((sandbox) => costOf(sandbox, this.#request.prices));
    const known = costs.filter((cost) => cost !== null);
    const incomplete = sandboxes.some(({ complete }) => !complete);
    const measures: Measure[] = ['sandboxSeconds', 'sandboxCost'];
    return {
      sandboxSeconds: sandboxes.reduce((sum, { seconds }) => sum + seconds, 0),
      sandboxCost: known.length < costs.length || !this.#request.prices ? null : sum(known),
      ...(incomplete ? { atLeast: measures } : {}),
    };
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function finish(source: Source): Source {
  return { ...source, complete: source.missing.length === 0 };
}

function reasonOf(error: unknown): string {
  if (error instanceof SourceFailed) return error.message;
  const known = serviceError(error);
  if (known instanceof CommandError) return known.message;
  throw error;
}
