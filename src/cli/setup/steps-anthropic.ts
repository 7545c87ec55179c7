// Steps of setup at Anthropic: the organisation's key, environment, agent, the environment's key.
import { basename } from 'node:path';
import { DEPLOYMENT } from '../../config/deployment-settings.ts';
import { ENVIRONMENT } from '../../config/environment-settings.ts';
import { CommandError, EXIT } from '../command.ts';
import { AGENT_NAME, SYSTEM_PROMPT, TOOLS } from './agent-prompt.ts';
import { anthropicClient, askAnthropic, idOf } from './clients.ts';
import { creationMetadata, findCreatedAgent, findCreatedEnvironment } from './created.ts';
import { setEnvironment } from './router-file.ts';
import type { Run } from './run.ts';
import type { Step } from './step.ts';

const KEY = 'ANTHROPIC_API_KEY';
const ENVIRONMENTS_PAGE = 'https://platform.claude.com/workspaces/default/environments';

export const organizationKey: Step = {
  name: 'organisation key',
  plan: async (run) =>
    run.apiKey || !run.needsOrganization
      ? undefined
      : "ask for the organisation's API key, which may be left out",
  bring: async (run) => {
    const { dialog } = run;
    const check = (key: string) =>
      askAnthropic(KEY, 'the list of agents', () =>
        anthropicClient(run.settings, key).beta.agents.list({ limit: 1 }),
      );
    if (run.apiKey) {
      await check(run.apiKey);
      return `Anthropic accepts ${KEY}`;
    }
    if (!run.needsOrganization) return undefined;
    if (!dialog.canAsk) throw run.missing();
    dialog.instruct([
      'With an API key of your organisation, setup creates the environment and the agent and sends a first message.',
      'The router itself never needs it. Keys: https://platform.claude.com/settings/keys',
    ]);
    const key = await run.askForKey(
      'API key of your organisation (empty: do it by hand)',
      DEPLOYMENT.anthropic.apiKey,
      check,
      true,
    );
    if (key === '') return undefined;
    const keep = await dialog.confirm('Keep it in .env, so that send, approvals and teardown find it?');
    if (keep) run.save({ [KEY]: key });
    else run.typedApiKey = key;
    return keep ? 'Anthropic accepts the key; it is in .env' : 'Anthropic accepts the key; it is not kept';
  },
};

export const environment: Step = {
  name: 'environment',
  plan: async (run) => {
    if (run.environment.id) return undefined;
    return run.apiKey
      ? 'create a self-hosted environment'
      : 'create a self-hosted environment, or ask for its id';
  },
  bring: async (run) => {
    const { id } = run.environment;
    if (id) {
      if (run.apiKey) await checkEnvironment(run, id);
      record(run, id);
      return `Environment ${id}`;
    }
    if (run.apiKey) {
      const client = anthropicClient(run.settings, run.apiKey);
      const found = await findCreatedEnvironment(client, process.cwd());
      const created = found ?? (await createEnvironment(run));
      record(run, created);
      return found ? `Environment ${found}, made by an earlier run` : `Environment ${created} is created`;
    }
    if (!run.dialog.canAsk) throw run.missing();
    run.dialog.instruct([
      `1. Open ${ENVIRONMENTS_PAGE}`,
      '2. Create an environment of the type "Self-hosted".',
      '3. Copy its id, which begins with env_.',
    ]);
    const typed = await run.dialog.text('Id of the environment', (text) =>
      /^env_[\w-]{1,124}$/.test(text) ? undefined : 'It must be an id like env_011CZkZ9X2dpNyB7HsEFoRfW',
    );
    record(run, typed);
    return `Environment ${typed}`;
  },
};

async function checkEnvironment(run: Run, id: string): Promise<void> {
  const client = anthropicClient(run.settings, run.apiKey ?? '');
  const { archived_at, config } = await askAnthropic(KEY, `environment ${id}`, () =>
    client.beta.environments.retrieve(id),
  );
  if (archived_at)
    throw new CommandError(
      `Environment ${id} is archived. Remove it from the configuration and run setup again; it creates another`,
      EXIT.refused,
    );
  if (config.type !== 'self_hosted')
    throw new CommandError(
      `Environment ${id} is not self-hosted (${config.type}): its sessions never come here`,
      EXIT.refused,
    );
}

async function createEnvironment(run: Run): Promise<string> {
  run.signal.throwIfAborted();
  const client = anthropicClient(run.settings, run.apiKey ?? '');
  const folder = process.cwd();
  const created = await askAnthropic(KEY, 'a new environment', () =>
    // A retry could create a second one; a repeated run finds what was created.
    client.beta.environments.create(
      {
        name: `managed-agents-router ${basename(folder)}`.trim().slice(0, 100),
        description: 'Tool calls run in E2B sandboxes through managed-agents-router.',
        config: { type: 'self_hosted' },
        // teardown removes a template only if it was built for the environment.
        metadata: {
          ...creationMetadata(folder),
          ...(run.result.template?.built ? { built_template: run.result.template.name } : {}),
        },
      },
      { maxRetries: 0 },
    ),
  );
  return idOf(created, 'a new environment');
}

/** Writes environment and agent down: in `.env` if variables describe the environment, otherwise in the file. */
function record(run: Run, id: string, agent?: string): void {
  run.signal.throwIfAborted();
  const known = run.settings.environments.find((each) => each.id === id);
  if (run.environment.byVariables) {
    if (agent && known?.agent !== agent) run.save({ ANTHROPIC_AGENT_ID: agent });
  } else if (!known || (agent && known.agent !== agent)) {
    setEnvironment(run.configFile, { id, ...(agent ? { agent } : {}) }, 'ANTHROPIC_ENVIRONMENT_KEY');
    run.reload();
  }
  run.result.environmentId = id;
  if (agent) run.result.agentId = agent;
}

export const agent: Step = {
  name: 'agent',
  plan: async (run) => {
    if (run.options.agent ?? run.environment.agent) return undefined;
    return run.apiKey ? 'create an agent' : 'create an agent, or ask for its id';
  },
  bring: async (run) => {
    const { id = '', agent: configured } = run.environment;
    const known = run.options.agent ?? configured;
    if (!run.apiKey) {
      if (known) record(run, id, known);
      return known ? `Agent ${known}` : undefined;
    }
    const client = anthropicClient(run.settings, run.apiKey);
    if (known) {
      const { archived_at } = await askAnthropic(KEY, `agent ${known}`, () =>
        client.beta.agents.retrieve(known),
      );
      if (archived_at)
        throw new CommandError(`Agent ${known} is archived: name another with --agent ID`, EXIT.refused);
      record(run, id, known);
      return `Agent ${known}`;
    }
    const found = await findCreatedAgent(client, process.cwd());
    if (found) {
      record(run, id, found);
      return `Agent ${found}, made by an earlier run`;
    }
    run.signal.throwIfAborted();
    const created = await askAnthropic(KEY, `a new agent with model ${run.options.model}`, () =>
      client.beta.agents.create(
        {
          name: AGENT_NAME,
          model: run.options.model,
          system: SYSTEM_PROMPT,
          tools: TOOLS,
          metadata: creationMetadata(process.cwd()),
        },
        { maxRetries: 0 },
      ),
    );
    const createdId = idOf(created, 'a new agent');
    record(run, id, createdId);
    return `Agent ${createdId} is created (${run.options.model})`;
  },
};

export const environmentKey: Step = {
  name: 'environment key',
  plan: async (run) =>
    run.environment.key ? undefined : "wait for the environment's key, which only the Console can make",
  bring: async (run) => {
    const { id = '', key } = run.environment;
    const variable = run.keyVariable;
    const check = (candidate: string) =>
      askAnthropic(variable, `environment ${id}`, () =>
        anthropicClient(run.settings, candidate).beta.environments.work.stats(id),
      );
    if (key) {
      await check(key);
      return `Anthropic accepts the key of environment ${id}`;
    }
    const clicks = [
      `1. Open ${ENVIRONMENTS_PAGE}`,
      `2. Click the environment ${id}.`,
      '3. Click "Generate environment key" and copy the key. It is shown once.',
    ];
    run.dialog.instruct(["Only the Console can make the environment's key:", ...clicks]);
    if (!run.dialog.canAsk) throw run.missing();
    const typed = await run.askForKey('Key of the environment', ENVIRONMENT.key, check);
    run.save({ [variable]: typed });
    return `Anthropic accepts the key of environment ${id}; it is in .env`;
  },
};
