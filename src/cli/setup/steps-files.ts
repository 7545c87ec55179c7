// Steps of setup that write down what is needed for later starts: the webhook's key, addresses, keys of this shell.
import { DEPLOYMENT } from '../../config/deployment-settings.ts';
import { setMissing } from './router-file.ts';
import type { Run } from './run.ts';
import type { Step } from './step.ts';

export const EVENT_TYPES = [
  'session.status_run_started',
  'session.status_idled',
  'session.status_terminated',
  'session.archived',
  'session.deleted',
];
const SIGNING_KEY = 'ANTHROPIC_WEBHOOK_SIGNING_KEY';

export const webhook: Step = {
  name: 'webhook',
  plan: async ({ settings }) =>
    settings.webhook.configured ? undefined : 'offer to register a webhook; it can be put off',
  bring: async (run) => {
    run.result.webhook = run.settings.webhook.configured ? 'configured' : 'later';
    if (run.settings.webhook.configured) return 'The signing key of the webhook is set';
    const { dialog, options } = run;
    const wanted =
      dialog.canAsk &&
      (await dialog.confirm(
        'Register a webhook now? It needs a public https:// address; without it the queue is watched',
        options.webhookUrl !== undefined,
      ));
    if (!wanted) return 'No webhook: work is found by watching the queue. Run setup again to add one';
    dialog.instruct([
      'Only the Console can register a webhook:',
      '1. Open https://platform.claude.com and go to Manage › Webhooks.',
      `2. Add the address ${options.webhookUrl ?? 'https://YOUR-HOST'}/webhook. It has to lead to port ${run.settings.webhook.port} here.`,
      `3. Choose the events ${EVENT_TYPES.join(', ')}.`,
      '4. Copy the signing key, which begins with whsec_. It is shown once.',
    ]);
    const key = await run.askForKey(
      'Signing key (empty: later)',
      DEPLOYMENT.webhook.signingKey,
      async () => true,
      true,
    );
    if (key === '') return 'No webhook: work is found by watching the queue. Run setup again to add one';
    run.save({ [SIGNING_KEY]: key });
    run.result.webhook = 'configured';
    return 'The signing key of the webhook is in .env';
  },
};

/** Settings that are no secrets and that `start` needs as they were here, by their paths in the file. */
const NOT_SECRET: Record<string, string> = {
  'anthropic.baseUrl': 'ANTHROPIC_BASE_URL',
  'e2b.domain': 'E2B_DOMAIN',
  'e2b.apiUrl': 'E2B_API_URL',
  'e2b.sandboxUrl': 'E2B_SANDBOX_URL',
  'sandbox.template': 'E2B_TEMPLATE',
  'temporal.address': 'TEMPORAL_ADDRESS',
  'temporal.namespace': 'TEMPORAL_NAMESPACE',
  'temporal.deployment': 'ROUTER_DEPLOYMENT',
};

export const files: Step = {
  name: 'files',
  plan: async (run) => {
    const keys = shellKeys(run);
    const parts = [
      run.settings.configFile ? '' : `write ${run.configFile}`,
      keys.length > 0 ? `save ${keys.join(', ')} to .env` : '',
    ];
    return parts.filter(Boolean).join('; ') || undefined;
  },
  bring: async (run) => {
    run.signal.throwIfAborted();
    const values = Object.entries(NOT_SECRET).flatMap(([path, variable]) => {
      const value = run.isInShellOnly(variable) ? run.env[variable]?.trim() : undefined;
      return value ? [[path, value]] : [];
    });
    const reference = run.env.E2B_API_KEY?.trim() ? [['e2b.apiKey', `\${env:E2B_API_KEY}`]] : [];
    setMissing(run.configFile, Object.fromEntries([...values, ...reference]));
    run.reload();
    const keys = shellKeys(run);
    if (keys.length > 0)
      run.save(Object.fromEntries(keys.map((name) => [name, run.env[name]?.trim() ?? ''])));
    run.result.configFile = run.configFile;
    return `${run.configFile} and .env hold what start needs`;
  },
};

/** What `start` needs and only this shell knows. */
function shellKeys(run: Run): string[] {
  if (!run.options.saveKeys) return [];
  const names = ['E2B_API_KEY', run.keyVariable, SIGNING_KEY, 'ANTHROPIC_ENVIRONMENT_ID', 'TEMPORAL_API_KEY'];
  return names.filter((name) => run.isInShellOnly(name));
}
