// Generates docs/settings.md, config.schema.json and .env.example from the tables of settings.
//
//   node scripts/settings.ts
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CONFIG_FILE, DEPLOYMENT } from '../src/config/deployment-settings.ts';
import { COMMON, ENVIRONMENT } from '../src/config/environment-settings.ts';
import { jsonSchema } from '../src/config/schema.ts';
import { type Setting, settingsOf, type Table } from '../src/config/setting.ts';
import { projectPath } from '../src/paths.ts';

/** The settings that a first start needs, and those that are set next. */
const FIRST = ['ANTHROPIC_ENVIRONMENT_ID', 'ANTHROPIC_ENVIRONMENT_KEY', 'E2B_API_KEY'];
const NEXT = ['ANTHROPIC_WEBHOOK_SIGNING_KEY', 'TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'TEMPORAL_API_KEY'];

/** The content of the generated files, by path. */
export function generatedFiles(): Record<string, string> {
  return {
    'docs/settings.md': settingsPage(),
    'config.schema.json': `${JSON.stringify(jsonSchema(), undefined, 2)}\n`,
    '.env.example': envExample(),
  };
}

function settingsPage(): string {
  const example = readFileSync(projectPath('docs/managed-agents-router.example.yaml'), 'utf8');
  return `<!-- Made by scripts/settings.ts from src/config/*-settings.ts. Do not edit. -->
# Settings

A deployment is set up by variables, by a file, or by both:

- **Variables** come from the environment and from \`.env\` in the working directory; the environment wins. They are enough
  for one environment.
- **The file** \`managed-agents-router.yaml\` (or \`.yml\`, \`.json\`) is found in the working directory, or by \`--config\` or
  \`${CONFIG_FILE.variable}\`. It can list several environments, each with settings of its own.
  In the container that is \`/app/managed-agents-router.yaml\`.
- A variable wins over the same setting of the file, but not over a setting in an entry of \`environments\`.

\`managed-agents-router config check\` lists every value that is set, where it is set, and every problem: unknown names, wrong
values, values that cannot work together. A start stops at the same problems. Neither ever prints a secret.

## The file

\`\`\`yaml
${example.trim()}
\`\`\`

**References.** \`\${env:NAME}\` stands for the text of a variable (also from \`.env\`), \`\${file:/path}\` for the trimmed text of a
file; a relative path starts at the folder of the configuration file. A reference is always the whole value. Every setting
can be given by reference, and a secret must be, so that you can keep the file with your code. Only the processes that
read a setting look its reference up: the webhook server needs no E2B key.

**Editors** complete and check the file with \`config.schema.json\` of the package: keep the first line of the example, or add
\`"$schema"\` to a JSON file.

## For the whole deployment

${table(DEPLOYMENT)}

Other variables of Temporal's clients (\`TEMPORAL_TLS_CLIENT_CERT_DATA\`, \`TEMPORAL_GRPC_META_*\`, …) work as they do there.

## For all environments, or for one

These settings stand at the top of the file for all environments, or in an entry of \`environments\` for one environment.

${table(COMMON)}

## For one environment

These settings stand in the entries of \`environments\`. Without that list, variables set up the only environment.

${table(ENVIRONMENT)}

## The file itself

${table({ '(none)': CONFIG_FILE })}
`;
}

function table(settings: Table): string {
  const head = '| in the file | variable | meaning | value | default | example | read by |';
  return [head, '| --- '.repeat(7).concat('|'), ...settingsOf(settings).map(row)].join('\n');
}

function row([path, setting]: [string, Setting]): string {
  const { variable, meaning, kind, example, neededBy, required, secret } = setting;
  const readBy = neededBy === 'both' ? 'webhook, worker' : neededBy;
  const cells = [
    path === '(none)' ? path : code(path),
    variable === undefined ? '' : code(variable),
    meaning.replace(/docs\/([\w-]+\.md)/g, '[$1]($1)'),
    kind.what + (secret ? '; secret' : ''),
    setting.default === undefined ? '' : code(setting.default),
    code(example),
    readBy.replace('worker', required ? 'worker (required)' : 'worker'),
  ];
  return `| ${cells.join(' | ')} |`;
}

function code(value: unknown): string {
  return `\`${value}\``;
}

function envExample(): string {
  const settings = settingsOf({ ...DEPLOYMENT, ...ENVIRONMENT }).map(([, setting]) => setting);
  const lines = (names: string[], prefix: string) =>
    names.flatMap((name) => {
      const setting = settings.find(({ variable }) => variable === name);
      if (!setting) throw new Error(`there is no setting ${name}`);
      return [`# ${setting.meaning}`, `${prefix}${name}=${setting.example}`];
    });
  return [
    '# Copy to .env and fill in. docs/settings.md lists every setting.',
    ...lines(FIRST, ''),
    '',
    ...lines(NEXT, '# '),
    '',
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [path, text] of Object.entries(generatedFiles())) writeFileSync(projectPath(path), text);
}
