// `deploy e2b`: creates the router's sandbox, or writes the keys of this machine into the one that exists.
import { Sandbox } from 'e2b';
import { buildRouterTemplate } from '../../../template/build-router-template.ts';
import { DEPLOYMENT } from '../../config/deployment-settings.ts';
import { HOME_FOLDER, WEBHOOK_PORT } from '../../inside-e2b/layout.ts';
import { routerCommand } from '../../program-name.ts';
import { VERSION } from '../../version.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { countPolling, describeOthers, STOP_OTHERS } from '../other-workers.ts';
import { Dialog } from '../setup/dialog.ts';
import { writeEnvFile } from '../setup/env-file.ts';
import { ENV_FILE } from '../setup/run.ts';
import { EVENT_TYPES } from '../setup/steps-files.ts';
import { connection, explainE2BError, findTemplate } from '../setup/templates.ts';
import { keyFilesOf, writeKeyFiles } from './key-files.ts';
import { packRelease } from './release.ts';
import {
  askHealth,
  connectRouter,
  findRouters,
  metadataOf,
  TEMPLATE_NAME,
  tooMany,
  webhookUrl,
} from './router-sandbox.ts';
import { isServing, type RouterState, readState, startAgain, untilState, whyNotServing } from './state.ts';
import { type Target, type TargetOptions, targetOf } from './target.ts';

export interface DeployOptions extends TargetOptions {
  cpus: number;
  memory: number;
  sleepAfter: number;
  package?: string;
  yes?: boolean;
}

/** What `--json` prints. */
interface DeployResult {
  sandboxId: string;
  created: boolean;
  release: string;
  webhookUrl: string;
  signingKey: 'written' | 'missing';
  /** Files of the sandbox that are wrong, processes that have ended, other workers at the same queue. */
  warnings: string[];
}

/** Packages, the Temporal server and the worker start one after the other. */
const SERVES_WITHIN_MS = 90_000;
const MINUTE_MS = 60_000;

export async function deploy(
  context: CommandContext,
  options: DeployOptions,
  signal: AbortSignal,
): Promise<void> {
  const output = context.output();
  const dialog = new Dialog(output, options.yes === true);
  const target = targetOf(context, options);
  const keys = keyFilesOf(context.environment(), target.environmentId);
  dialog.begin('managed-agents-router deploy e2b');
  for (const path of keys.left)
    dialog.warn(`${path} is not taken over: only a configuration file in the sandbox can set it`);
  const polling = await countPolling({ ...keys.queue, id: target.environmentId });
  const { sandbox, created } = await findOrCreate(target, options, dialog, signal);
  await writeKeyFiles(sandbox, keys.files);
  dialog.done(
    `Files of the sandbox hold ${counted(Object.keys(keys.files).length, 'key or setting', 'keys and settings')}`,
  );
  const before = await readState(sandbox);
  if (before && !before.lives) dialog.warn('Its processes have ended, and are started again');
  if (!before?.lives) await startAgain(sandbox);
  dialog.begins('Waiting until the router serves the environment');
  const state = await untilState(sandbox, isServing, SERVES_WITHIN_MS, signal);
  const url = webhookUrl(target, sandbox.sandboxId, sandbox.getHost(WEBHOOK_PORT));
  if (!state || !isServing(state) || !(await askHealth(sandbox, target))) throw notServing(state);
  dialog.done(`The router ${state.version} serves ${target.environmentId}`);
  // The files just written are right, but the state may tell of what they have replaced.
  const warnings = state.problems.filter(
    (problem) => !Object.keys(keys.files).some((name) => problem.startsWith(`The file ${name} `)),
  );
  const others = describeOthers(target.environmentId, polling ?? 0, created ? 0 : 1);
  if (others) warnings.push(`Shared environment: ${others}. Cure: ${STOP_OTHERS}`);
  for (const warning of warnings) dialog.warn(warning);
  if (state.version !== VERSION)
    dialog.warn(
      `This command is ${VERSION}. To bring the router there: ${routerCommand('deploy e2b update')}`,
    );
  const signingKey = keys.hasSigningKey || (await askForSigningKey(dialog, sandbox, url));
  dialog.end(signingKey ? `Webhook: ${url}` : withoutSigningKey(url));
  const result: DeployResult = {
    sandboxId: sandbox.sandboxId,
    created,
    release: state.release,
    webhookUrl: url,
    signingKey: signingKey ? 'written' : 'missing',
    warnings,
  };
  if (output.json) output.result(result, () => '');
}

async function findOrCreate(
  target: Target,
  options: DeployOptions,
  dialog: Dialog,
  signal: AbortSignal,
): Promise<{ sandbox: Sandbox; created: boolean }> {
  const routers = await findRouters(target);
  const [router, ...others] = routers;
  if (others.length > 0) throw tooMany(target, routers);
  if (router) {
    const sandbox = await connectRouter(target, router.sandboxId, options.sleepAfter * MINUTE_MS);
    dialog.done(`The sandbox ${router.sandboxId} is there`);
    return { sandbox, created: false };
  }
  const release = await packRelease(options.package, (line) => dialog.begins(line), signal);
  dialog.begins(`Building the template ${TEMPLATE_NAME}:${release.id} unless it is there`);
  const { e2b } = target;
  try {
    await buildRouterTemplate({
      name: TEMPLATE_NAME,
      release,
      folder: HOME_FOLDER,
      templateId: (await findTemplate(e2b, TEMPLATE_NAME))?.id,
      e2b,
      cpuCount: options.cpus,
      memoryMB: options.memory,
      onLog: ({ message, level }) => {
        if (level !== 'debug') dialog.detail(message.trimEnd());
      },
    });
    signal.throwIfAborted();
    const sandbox = await Sandbox.create(`${TEMPLATE_NAME}:${release.id}`, {
      ...connection(e2b),
      timeoutMs: options.sleepAfter * MINUTE_MS,
      // Asleep when all is quiet; a webhook wakes it.
      lifecycle: { onTimeout: 'pause', autoResume: true },
      // Senders of webhooks cannot send E2B's access token; each delivery is signed.
      network: { allowPublicTraffic: true },
      metadata: { ...metadataOf(target), release: release.id },
    });
    dialog.done(`The sandbox ${sandbox.sandboxId} is made`);
    return { sandbox, created: true };
  } catch (error) {
    signal.throwIfAborted();
    throw explainE2BError(error);
  }
}

function notServing(state: RouterState | undefined): CommandError {
  const causes = whyNotServing(state);
  if (causes.length === 0) causes.push('The webhook server does not answer: see deploy e2b logs webhook');
  const why = [...causes, ...(state?.problems ?? [])].join('\n');
  return new CommandError(
    `The router does not serve yet:\n${why}\nWhat it says of itself: ${routerCommand('deploy e2b status')}, and deploy e2b logs`,
    EXIT.failed,
  );
}

/** The Console shows the signing key only after the address is registered. @returns whether it was given */
async function askForSigningKey(dialog: Dialog, sandbox: Sandbox, url: string): Promise<boolean> {
  if (!dialog.canAsk) return false;
  dialog.instruct(registration(url));
  const { what, schema } = DEPLOYMENT.webhook.signingKey.kind;
  const key = await dialog.secret('Signing key (empty: later)', (text) =>
    text === '' || schema.safeParse(text).success ? undefined : `It must be ${what}`,
  );
  if (key === '') return false;
  await writeKeyFiles(sandbox, { 'anthropic-webhook-signing-key': `${key}\n` });
  writeEnvFile(ENV_FILE, { ANTHROPIC_WEBHOOK_SIGNING_KEY: key });
  dialog.done('The signing key is in the sandbox, and in .env for the next time');
  return true;
}

function registration(url: string): string[] {
  return [
    'Only the Console can register a webhook:',
    '1. Open https://platform.claude.com and go to Manage › Webhooks.',
    `2. Add the address ${url}`,
    `3. Choose the events ${EVENT_TYPES.join(', ')}.`,
    '4. Copy the signing key, which begins with whsec_. It is shown once.',
  ];
}

function withoutSigningKey(url: string): string {
  const last = '5. Set ANTHROPIC_WEBHOOK_SIGNING_KEY, for example in .env, and run deploy e2b again.';
  return [
    ...registration(url),
    last,
    'Until then deliveries get 503, and the queue is watched while it is awake.',
  ].join('\n');
}
