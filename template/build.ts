// `npm run template`: builds the template of the sandboxes on E2B.
import { parseArgs } from 'node:util';
import { AuthenticationError, defaultBuildLogger } from 'e2b';
import { loadE2BSettings } from '../src/config.ts';
import { buildTemplate, CPU_COUNT, MEMORY_MB } from './build-template.ts';
import { DEFINITION } from './definition.ts';

const HELP = `Builds the template of the sandboxes on E2B: Node, common tools, and the toolhost as start command.

Usage: npm run template [-- options]

  --name NAME[:TAG]  name of the template (default: E2B_TEMPLATE, or ${DEFINITION.name})
  --cpus N           virtual CPUs of a sandbox (default: ${CPU_COUNT})
  --memory MIB       memory of a sandbox (default: ${MEMORY_MB})
  --no-cache         run every step again
  --help             show this text

Reads E2B_API_KEY, E2B_TEMPLATE, E2B_DOMAIN and E2B_API_URL like the router: from variables, .env and the configuration
file.
`;

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      name: { type: 'string' },
      cpus: { type: 'string', default: String(CPU_COUNT) },
      memory: { type: 'string', default: String(MEMORY_MB) },
      'no-cache': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const { e2b, sandbox } = loadE2BSettings();
  const name = values.name ?? sandbox.template;

  process.stdout.write(`Building the template ${name}\n`);
  const build = await buildTemplate({
    name,
    e2b,
    cpuCount: positive('--cpus', values.cpus),
    memoryMB: positive('--memory', values.memory),
    skipCache: values['no-cache'],
    onLog: defaultBuildLogger(),
  });
  process.stdout.write(`Built ${build.name} (template ${build.templateId}, build ${build.buildId}).\n`);
  if (name !== sandbox.template) process.stdout.write(`Set E2B_TEMPLATE=${name} to use it.\n`);
}

function positive(option: string, value: string): number {
  if (!/^[1-9]\d*$/.test(value)) throw new Error(`${option} must be a positive number, not "${value}"`);
  return Number(value);
}

main(process.argv.slice(2)).catch((error: Error) => {
  const refused = error instanceof AuthenticationError;
  process.stderr.write(`${refused ? 'E2B refuses E2B_API_KEY: ' : ''}${error.message}\n`);
  process.exitCode = 1;
});
