/** The command line of `npm run simulate`. */
import { parseArgs } from 'node:util';
import { SWITCHES as ANTHROPIC_SWITCHES } from './anthropic/switches.ts';
import { SWITCHES as E2B_SWITCHES } from './e2b/switches.ts';

export const HELP = `Usage: npm run --silent simulate -- [options]

Runs local simulators of Claude Managed Agents and of E2B. When they are ready, they print one JSON line with their
URLs and credentials on standard output; logs go to standard error. SIGINT or SIGTERM ends them.

  --anthropic-port N    port of the Managed Agents simulator; default: the port of the last start, or a free one
  --e2b-port N          port of the E2B simulator; default: the port of the last start, or a free one
  --state DIR           keep the state in this folder for a later start; default: a temporary folder, removed at exit
  --webhook URL         URL of the predefined webhook endpoint
  --template FILE.json  manifest of a sandbox template; may be repeated
  --model-url URL       a Messages API endpoint that answers user messages without a script; default: scripted answers
  --model-name NAME     the model to request from it; default: the agent's model
  --model-key-file FILE file with the API key for it; default: the variable SIMULATE_MODEL_KEY, or no key
  --set SWITCH=VALUE    set a switch of either simulator, see docs/switches.md; may be repeated
  --only anthropic|e2b  run only this simulator
  --keep-sandboxes      leave the sandboxes running at exit, for a later start with the same --state
  --log-level LEVEL     trace, debug, info, warn, error, fatal or silent; default: info
  --help                show this text
`;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

export interface Options {
  anthropicPort: number | undefined;
  e2bPort: number | undefined;
  state: string | undefined;
  webhook: string | undefined;
  model: { url: string; name: string | undefined; keyFile: string | undefined } | undefined;
  templates: string[];
  switches: { anthropic: Record<string, string>; e2b: Record<string, string> };
  only: 'anthropic' | 'e2b' | undefined;
  keepSandboxes: boolean;
  logLevel: string;
}

/** Throws an `Error` that names the option and the values it takes. */
export function parseOptions(args: string[]): Options | 'help' {
  const { values } = parseArgs({
    args,
    options: {
      'anthropic-port': { type: 'string' },
      'e2b-port': { type: 'string' },
      state: { type: 'string' },
      webhook: { type: 'string' },
      'model-url': { type: 'string' },
      'model-name': { type: 'string' },
      'model-key-file': { type: 'string' },
      template: { type: 'string', multiple: true },
      set: { type: 'string', multiple: true },
      only: { type: 'string' },
      'keep-sandboxes': { type: 'boolean' },
      'log-level': { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return 'help';
  const { only, webhook, state, 'log-level': logLevel = 'info' } = values;
  if (only !== undefined && only !== 'anthropic' && only !== 'e2b') {
    throw new Error('--only takes anthropic or e2b');
  }
  if (webhook !== undefined && !/^https?:/.test(webhook))
    throw new Error('--webhook takes an http or https URL');
  if (!LOG_LEVELS.includes(logLevel)) throw new Error(`--log-level takes one of ${LOG_LEVELS.join(', ')}`);
  if (values['keep-sandboxes'] && state === undefined) throw new Error('--keep-sandboxes needs --state');
  return {
    anthropicPort: port('--anthropic-port', values['anthropic-port']),
    e2bPort: port('--e2b-port', values['e2b-port']),
    state,
    webhook,
    model: model(values['model-url'], values['model-name'], values['model-key-file']),
    templates: values.template ?? [],
    switches: assign(values.set ?? []),
    only,
    keepSandboxes: values['keep-sandboxes'] ?? false,
    logLevel,
  };
}

function model(
  url: string | undefined,
  name: string | undefined,
  keyFile: string | undefined,
): Options['model'] {
  if (url === undefined) {
    if (name !== undefined || keyFile !== undefined) {
      throw new Error(`${name === undefined ? '--model-key-file' : '--model-name'} needs --model-url`);
    }
    return undefined;
  }
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    throw new Error('--model-url takes an http or https URL');
  }
  return { url, name, keyFile };
}

function port(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0 && value <= 65_535) return value;
  throw new Error(`${option} takes a port number, not ${text}`);
}

/** Sorts the switches by the simulator that they belong to. */
function assign(settings: string[]): Options['switches'] {
  const switches: Options['switches'] = { anthropic: {}, e2b: {} };
  for (const setting of settings) {
    const [name = '', ...value] = setting.split('=');
    if (value.length === 0) throw new Error(`--set takes SWITCH=VALUE, not ${setting}`);
    if (Object.hasOwn(ANTHROPIC_SWITCHES, name)) switches.anthropic[name] = value.join('=');
    else if (Object.hasOwn(E2B_SWITCHES, name)) switches.e2b[name] = value.join('=');
    else {
      const names = [...Object.keys(ANTHROPIC_SWITCHES), ...Object.keys(E2B_SWITCHES)];
      throw new Error(`--set: unknown switch ${name}; known switches: ${names.join(', ')}`);
    }
  }
  return switches;
}
