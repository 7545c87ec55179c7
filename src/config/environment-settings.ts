// Declares every setting of an environment. The table has the shape of the configuration file; the checks, the messages,
// the file's JSON Schema and docs/settings.md are derived from it. To add a setting, add it here and read its value in
// ../config.ts.
import { agentId, choice, environmentId, environmentKey, flag, number, wholeNumber, word } from './kinds.ts';
import { setting } from './setting.ts';

/** Settings for all environments; an environment in the file may override each of them. */
export const COMMON = {
  sandbox: {
    template: setting(word, {
      variable: 'E2B_TEMPLATE',
      meaning: 'Template that sandboxes are made from (`npm run template` builds the default)',
      default: 'managed-agents-router',
      example: 'managed-agents-router:stable',
      neededBy: 'worker',
    }),
    timeoutSeconds: setting(number(10, 86_400), {
      variable: 'E2B_SANDBOX_TIMEOUT_SECONDS',
      meaning: 'How long after the last contact E2B pauses a sandbox by itself',
      default: 600,
      example: 900,
      neededBy: 'worker',
    }),
    autoResume: setting(flag, {
      variable: 'E2B_AUTO_RESUME',
      meaning: 'Whether inbound traffic resumes a paused sandbox',
      default: true,
      example: false,
      neededBy: 'worker',
    }),
    allowInternetAccess: setting(flag, {
      variable: 'E2B_ALLOW_INTERNET_ACCESS',
      meaning: 'Whether programs in a sandbox can reach the internet',
      default: true,
      example: false,
      neededBy: 'worker',
    }),
  },
  session: {
    routingScope: setting(choice('session', 'agent', 'environment'), {
      variable: 'ROUTING_SCOPE',
      meaning:
        'Which sessions share a sandbox: none (`session`), those of one `agent`, or all in the `environment` (docs/routing-scope.md)',
      default: 'session',
      example: 'agent',
      neededBy: 'both',
    }),
    graceSeconds: setting(number(0, 86_400), {
      variable: 'SESSION_GRACE_SECONDS',
      meaning: 'How long a sandbox stays awake after a turn, so that a follow-up finds it running',
      default: 30,
      example: 120,
      neededBy: 'both',
    }),
    retentionHours: setting(number(0.001, 24 * 365), {
      variable: 'SESSION_RETENTION_HOURS',
      meaning: 'How long an unused session keeps its sandbox and files; fractions are allowed',
      default: 168,
      example: 0.5,
      neededBy: 'both',
    }),
    stuckMinutes: setting(number(0, 10_080), {
      variable: 'SESSION_STUCK_MINUTES',
      meaning:
        'Minutes without progress after which a session that waits for no person counts as stuck and needs attention. 0 = never',
      default: 20,
      example: 45,
      neededBy: 'both',
    }),
    stuckCalls: setting(choice('run', 'answer', 'interrupt'), {
      variable: 'SESSION_STUCK_CALLS',
      meaning:
        'What to do with an orphaned tool call (no work item, no stored result): `run` it, `answer` it with an error, or `interrupt` the turn',
      default: 'run',
      example: 'answer',
      neededBy: 'worker',
    }),
  },
  queue: {
    maxClaimsPerMinute: setting(number(0, 100_000), {
      variable: 'ANTHROPIC_MAX_CLAIMS_PER_MINUTE',
      meaning:
        'Maximum queue polls that webhooks may cause per minute and environment, across all workers. 0 = unlimited',
      default: 0,
      example: 120,
      neededBy: 'both',
    }),
  },
};

/** Settings that belong to one environment. Variables can describe a single environment without a file. */
export const ENVIRONMENT = {
  id: setting(environmentId, {
    variable: 'ANTHROPIC_ENVIRONMENT_ID',
    meaning: 'ID of the self-hosted environment whose sessions are served',
    example: 'env_011CZkZ9X2dpNyB7HsEFoRfW',
    neededBy: 'both',
    required: true,
  }),
  key: setting(environmentKey, {
    variable: 'ANTHROPIC_ENVIRONMENT_KEY',
    meaning: 'Key of the environment, from its page in the Console',
    example: 'sk-ant-oat01-…',
    neededBy: 'worker',
    required: true,
    secret: true,
  }),
  agent: setting(agentId, {
    variable: 'ANTHROPIC_AGENT_ID',
    meaning: 'Agent that `send` opens sessions of',
    example: 'agent_011CZkZ9X2dpNyB7HsEFoRfW',
    neededBy: 'commands',
  }),
  maxRunningSandboxes: setting(wholeNumber(0, 100_000), {
    meaning: 'Maximum number of sandboxes of this environment that run at once. 0 = unlimited',
    default: 0,
    example: 10,
    neededBy: 'both',
  }),
};
