// Finds what setup made and how each thing is removed.
import { BadRequestError, ConflictError, NotFoundError } from '@anthropic-ai/sdk';
import type { BetaEnvironment } from '@anthropic-ai/sdk/resources/beta/environments/environments';
import type { CommandSettings } from '../../config.ts';
import { ROUTER_MARK } from '../../inside-e2b/layout.ts';
import { routerCommand } from '../../program-name.ts';
import { counted } from '../counted.ts';
import { anthropicClient, askAnthropic } from './clients.ts';
import { isCreated } from './created.ts';
import { type E2BAccess, findTemplate, killSandbox, removeTemplate, sandboxesWith } from './templates.ts';

export interface Removal {
  /** For people: what it is, with its id. */
  what: string;
  /** Removes it; no error if it is gone meanwhile. @returns how: `removed` or `archived` */
  run(): Promise<string>;
}

export interface Removals {
  /** In the order in which they are removed. */
  removals: Removal[];
  /** What stays and why. */
  kept: string[];
  /** What only a person can remove, in order. */
  byHand: string[];
}

interface Target {
  id?: string;
  agent?: string;
  template?: string;
}

const KEY = 'ANTHROPIC_API_KEY';
/** Metadata of all sandboxes of the router. */
const OURS = { managed_by: 'managed-agents-router' };

export async function findRemovals(
  settings: CommandSettings,
  target: Target,
  removeTemplate: boolean | undefined,
): Promise<Removals> {
  const all: Removals = { removals: [], kept: [], byHand: [] };
  if (target.id) all.byHand.push('stop the router wherever it runs, so that it makes no new sandboxes');
  if (settings.webhook.configured)
    all.byHand.push(
      'remove the webhook in the Console, before anything else: Manage › Webhooks at https://platform.claude.com',
    );
  if (!target.id) return all;
  const found = await findEnvironment(settings, target.id);
  const template = target.template ?? settings.template;
  const built = isCreated(found?.metadata) && found?.metadata.built_template === template;
  await addSandboxes(all, settings, { id: target.id, template }, removeTemplate ?? built);
  await addAgent(all, settings, target);
  addEnvironment(all, settings, target.id, found);
  return all;
}

async function addSandboxes(
  { removals, kept, byHand }: Removals,
  settings: CommandSettings,
  { id, template }: { id: string; template: string },
  removesTemplate: boolean,
): Promise<void> {
  const { apiKey } = settings.e2b;
  if (!apiKey) {
    kept.push('Sandboxes and template: E2B_API_KEY is not set');
    return;
  }
  const e2b: E2BAccess = { ...settings.e2b, apiKey };
  const routers = await sandboxesWith(e2b, { managed_by: ROUTER_MARK, environment: id });
  for (const { sandboxId, state, metadata } of routers)
    byHand.push(
      `${routerCommand(`deploy e2b destroy --environment ${id}`)}: the router itself runs in the sandbox ${sandboxId} ` +
        `(${state}, deployment ${metadata.deployment}), which teardown leaves`,
    );
  const sandboxes = await sandboxesWith(e2b, OURS);
  const own = sandboxes.filter(({ metadata }) => metadata.environment === id);
  for (const { sandboxId, state } of own)
    removals.push({
      what: `sandbox ${sandboxId} (${state})`,
      run: async () => {
        await killSandbox(e2b, sandboxId);
        return 'removed';
      },
    });
  const found = await findTemplate(e2b, template);
  if (!found) return;
  const others = sandboxes.filter((each) => !own.includes(each) && each.templateId === found.id);
  if (!removesTemplate)
    kept.push(`Template ${template} stays: other environments may use it. --template removes it`);
  else if (others.length > 0)
    kept.push(
      `Template ${template} stays: used by ${counted(others.length, 'sandbox', 'sandboxes')} of other environments`,
    );
  else
    removals.push({
      what: `template ${template}`,
      run: async () => {
        await removeTemplate(e2b, found.id);
        return 'removed';
      },
    });
}

async function addAgent(
  { removals, kept, byHand }: Removals,
  settings: CommandSettings,
  { agent }: Target,
): Promise<void> {
  if (!agent) return;
  if (!settings.apiKey) {
    byHand.push(`archive agent ${agent} in the Console (or set ${KEY} and run teardown again)`);
    return;
  }
  const client = anthropicClient(settings, settings.apiKey);
  const found = await orUndefined(() => client.beta.agents.retrieve(agent), `agent ${agent}`);
  if (!found || found.archived_at) return;
  if (!isCreated(found.metadata)) {
    kept.push(`Agent ${agent} stays: setup did not create it`);
    return;
  }
  removals.push({
    what: `agent ${agent}`,
    run: async () => {
      await askAnthropic(KEY, `agent ${agent}`, () => client.beta.agents.archive(agent));
      return 'archived';
    },
  });
}

async function findEnvironment(settings: CommandSettings, id: string): Promise<BetaEnvironment | undefined> {
  if (!settings.apiKey) return undefined;
  const client = anthropicClient(settings, settings.apiKey);
  return orUndefined(() => client.beta.environments.retrieve(id), `environment ${id}`);
}

function addEnvironment(
  { removals, kept, byHand }: Removals,
  settings: CommandSettings,
  id: string,
  found: BetaEnvironment | undefined,
): void {
  if (!settings.apiKey) {
    byHand.push(`archive environment ${id} in the Console (or set ${KEY} and run teardown again)`);
    return;
  }
  const client = anthropicClient(settings, settings.apiKey);
  if (!found || found.archived_at) return;
  if (!isCreated(found.metadata)) {
    kept.push(`Environment ${id} stays: setup did not create it. Revoke its key in the Console`);
    return;
  }
  removals.push({
    what: `environment ${id} with its key`,
    run: async () => {
      try {
        await client.beta.environments.delete(id);
        return 'removed';
      } catch (error) {
        // An environment with sessions cannot be deleted.
        if (
          !(
            error instanceof BadRequestError ||
            error instanceof ConflictError ||
            error instanceof NotFoundError
          )
        )
          return askAnthropic(KEY, `environment ${id}`, () => Promise.reject(error));
        if (error instanceof NotFoundError) return 'removed';
        await askAnthropic(KEY, `environment ${id}`, () => client.beta.environments.archive(id));
        return 'archived, because it has sessions';
      }
    },
  });
}

async function orUndefined<T>(request: () => PromiseLike<T>, what: string): Promise<T | undefined> {
  return askAnthropic(KEY, what, async () => {
    try {
      return await request();
    } catch (error) {
      if (error instanceof NotFoundError) return undefined;
      throw error;
    }
  });
}
