// `deploy e2b status`: the sandbox, the router in it, its address. A router that sleeps is not woken.
import type { Sandbox, SandboxInfo } from 'e2b';
import { WEBHOOK_PORT } from '../../inside-e2b/layout.ts';
import { VERSION } from '../../version.ts';
import { type CommandContext, EXIT } from '../command.ts';
import type { Output } from '../output.ts';
import { relative } from '../times.ts';
import { askHealth, connectRouter, findRouters, LAYOUT, oneRouter, webhookUrl } from './router-sandbox.ts';
import { type RouterState, readState, whyNotServing } from './state.ts';
import { type Target, type TargetOptions, targetOf } from './target.ts';

export interface StatusOptions extends TargetOptions {
  sandbox?: string;
  wake?: boolean;
}

export interface Status {
  sandboxId: string;
  environmentId: string;
  state: 'running' | 'paused';
  /** RFC 3339. */
  startedAt: string;
  /** When it falls asleep unless something happens before; absent while it sleeps. */
  sleepsAt?: string;
  webhookUrl: string;
  /** What the sandbox was made from; an update changes `release` alone. */
  madeFrom: string | null;
  /** What follows is known while it is awake. */
  release?: string | null;
  version?: string | null;
  healthy?: boolean;
  signingKeySet?: boolean | null;
  webhook?: string | null;
  worker?: string | null;
  disk?: { freeMiB: number; totalMiB: number };
  /** It does not serve, or will not for long. Then the exit code is 1. */
  problems: string[];
  /** It serves, and something should be put right. */
  warnings: string[];
}

/** Less room than this is a problem: Temporal's database must be able to grow. */
const LEAST_FREE_MIB = 256;

export async function showStatus(
  context: CommandContext,
  options: StatusOptions,
  signal: AbortSignal,
): Promise<void> {
  const target = targetOf(context, options);
  const output = context.output();
  const all = await findRouters(target);
  const router = await oneRouter(target, options.sandbox ?? all[0]?.sandboxId);
  const status = statusOf(target, router);
  if (all.length > 1)
    status.problems.push(
      `${all.length} sandboxes run a router for this environment (${all.map(({ sandboxId }) => sandboxId).join(', ')}): keep one`,
    );
  if (router.state === 'running' || options.wake) await lookInside(target, status, signal);
  output.result(status, () => describe(status, output));
  if (status.problems.length > 0) context.end(EXIT.failed);
}

function statusOf(target: Target, router: SandboxInfo): Status {
  const isRunning = router.state === 'running';
  return {
    sandboxId: router.sandboxId,
    environmentId: target.environmentId,
    state: router.state,
    startedAt: router.startedAt.toISOString(),
    ...(isRunning ? { sleepsAt: router.endAt.toISOString() } : {}),
    webhookUrl: webhookUrl(target, router.sandboxId),
    madeFrom: router.metadata.release ?? null,
    problems: [],
    warnings: [],
  };
}

async function lookInside(target: Target, status: Status, signal: AbortSignal): Promise<void> {
  const sandbox = await connectRouter(target, status.sandboxId);
  signal.throwIfAborted();
  const [info, state, health, disk] = await Promise.all([
    sandbox.getInfo(),
    readState(sandbox),
    askHealth(sandbox, target),
    diskOf(sandbox),
  ]);
  status.state = 'running';
  status.startedAt = info.startedAt.toISOString();
  status.sleepsAt = info.endAt.toISOString();
  status.webhookUrl = webhookUrl(target, status.sandboxId, sandbox.getHost(WEBHOOK_PORT));
  status.release = state?.release ?? null;
  status.version = state?.version ?? null;
  status.healthy = health?.ok === true;
  status.signingKeySet = health?.signingKeySet ?? null;
  status.webhook = processOf(state, 'webhook');
  status.worker = processOf(state, 'worker');
  status.problems.push(...whyNotServing(state));
  if (state?.lives) status.warnings.push(...state.problems);
  if (!health && state?.lives)
    status.problems.push('The webhook server does not answer: see deploy e2b logs webhook');
  if (health?.signingKeySet === false)
    status.warnings.push(
      'There is no signing key, and deliveries get 503: set ANTHROPIC_WEBHOOK_SIGNING_KEY and run deploy e2b again',
    );
  if (disk) status.disk = disk;
  if (disk && disk.freeMiB < LEAST_FREE_MIB)
    status.problems.push(
      `The disk is almost full (${disk.freeMiB} MiB free): the Temporal server cannot write, and deliveries get 503`,
    );
  if (state && state.version !== VERSION)
    status.warnings.push(
      `The router in the sandbox is ${state.version}, this command is ${VERSION}: run deploy e2b update`,
    );
}

/** What is known of a process whose supervisor has ended is how it was. */
function processOf(state: RouterState | undefined, name: 'webhook' | 'worker'): string | null {
  if (!state) return null;
  return state.lives ? state[name] : 'has ended';
}

async function diskOf(sandbox: Sandbox): Promise<Status['disk']> {
  try {
    const { stdout } = await sandbox.commands.run(`df -Pk ${LAYOUT.data} | tail -1`);
    const [, total, , free] = stdout.trim().split(/\s+/).map(Number);
    if (!total || free === undefined) return undefined;
    return { freeMiB: Math.floor(free / 1024), totalMiB: Math.floor(total / 1024) };
  } catch {
    return undefined;
  }
}

function describe(status: Status, output: Output): string {
  const lines: [string, string][] = [
    ['Sandbox', `${status.sandboxId}, for ${status.environmentId}`],
    [
      'State',
      status.sleepsAt
        ? `running since ${relative(new Date(status.startedAt))}; sleeps ${relative(new Date(status.sleepsAt))} unless there is work`
        : 'sleeps; a webhook wakes it',
    ],
    ['Webhook', status.webhookUrl],
    ['Made from', status.madeFrom ?? 'unknown'],
  ];
  if (status.healthy !== undefined) {
    lines.push(['Health', status.healthy ? output.style('green', 'ok') : output.style('red', 'no answer')]);
    lines.push(['Release', status.release ?? 'unknown']);
    const { webhook, worker, signingKeySet } = status;
    lines.push(['Processes', `webhook server ${webhook ?? 'unknown'}, worker ${worker ?? 'unknown'}`]);
    const key = signingKeySet ? 'there' : output.style('yellow', 'missing');
    lines.push(['Signing key', signingKeySet === null ? 'unknown' : key]);
    if (status.disk) lines.push(['Disk', `${status.disk.freeMiB} of ${status.disk.totalMiB} MiB free`]);
  } else lines.push(['Inside', 'not looked at, because that would wake it: add --wake']);
  for (const problem of status.problems) lines.push(['Problem', output.style('red', problem)]);
  for (const warning of status.warnings) lines.push(['Warning', output.style('yellow', warning)]);
  return lines.map(([title, text]) => `${title.padEnd(13)}${text}`).join('\n');
}
