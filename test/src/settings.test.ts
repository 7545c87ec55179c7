// Every setting is declared once, and documents, schema and code agree with the tables.
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { generatedFiles } from '../../scripts/settings.ts';
import { CONFIG_FILE } from '../../src/config/deployment-settings.ts';
import { ENVIRONMENT_TABLE, exampleInFile, FILE_TABLE } from '../../src/config/file.ts';
import { jsonSchema } from '../../src/config/schema.ts';
import { type Setting, settingsOf } from '../../src/config/setting.ts';
import { ConfigError, loadConfig, loadWebhookConfig } from '../../src/config.ts';
import { projectPath } from '../../src/paths.ts';

const required = {
  ANTHROPIC_ENVIRONMENT_ID: 'env_1',
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-environment',
  E2B_API_KEY: 'e2b_0123456789abcdef',
};
/** All settings by path, those for environments included. */
const settings = new Map(settingsOf({ ...ENVIRONMENT_TABLE, ...FILE_TABLE }));
const variables = [...settings.values(), CONFIG_FILE as Setting].flatMap(({ variable }) => variable ?? []);

/** Settings that are valid only together with another one. */
const COMPANIONS: Record<string, Record<string, string>> = {
  HOOK_URL: { HOOK_SECRET: `whsec_${'c'.repeat(32)}` },
  OUTPUTS_S3_ENDPOINT: { OUTPUTS_TARGET: 's3://my-bucket/agents' },
  TEMPORAL_CONFIG_FILE: {},
};
/** Settings whose examples name files and folders that do not exist here. */
const NAMES_A_FILE =
  /^(ROUTER_(CONFIG_FILE|DATA_FOLDER)|TEMPORAL_(CLI|CONFIG_FILE|ENCRYPTION_KEY_FOLDER|PROFILE|TLS_\w+_PATH))$/;

let dir: string;
let file: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'settings-'));
  file = join(dir, 'router.yaml');
  const { example } = settings.get('temporal.encryption.keyId') as Setting;
  writeFileSync(join(dir, `${example}.key`), Buffer.alloc(32).toString('base64'));
  COMPANIONS.TEMPORAL_ENCRYPTION_KEY_ID = { TEMPORAL_ENCRYPTION_KEY_FOLDER: dir };
});
afterAll(() => rmSync(dir, { recursive: true }));

function problemsOf(env: Record<string, string>): string[] {
  try {
    loadConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('what is made from the tables', () => {
  it.each(Object.keys(generatedFiles()))('%s is what `npm run settings` writes', (path) => {
    expect(readFileSync(projectPath(path), 'utf8')).toBe(generatedFiles()[path]);
  });

  it('names every setting in docs/settings.md, once', () => {
    const page = generatedFiles()['docs/settings.md'] ?? '';
    for (const name of variables) expect(page.split(`| \`${name}\` |`), name).toHaveLength(2);
    for (const path of settings.keys()) expect(page.split(`\n| \`${path}\` |`), path).toHaveLength(2);
  });

  it('shows an example file that is valid', () => {
    const example = readFileSync(projectPath('docs/managed-agents-router.example.yaml'), 'utf8');
    writeFileSync(join(dir, 'temporal-api-key'), 'temporal-key');
    writeFileSync(file, example.replaceAll('/run/secrets/', `${dir}/`));
    const keys = { SUPPORT_ENVIRONMENT_KEY: 'sk-ant-oat01-1', RESEARCH_ENVIRONMENT_KEY: 'sk-ant-oat01-2' };
    const config = loadConfig({ ...keys, E2B_API_KEY: required.E2B_API_KEY, ROUTER_CONFIG_FILE: file });
    expect(config.environments).toMatchObject([
      { session: { graceMs: 60_000 } },
      { session: { graceMs: 300_000, scope: 'agent' }, e2b: { template: 'research' } },
    ]);
  });
});

describe('the code', () => {
  const files = globSync('{src,activities,workflows,template}/**/*.ts', { cwd: projectPath('.') });
  const sources = files.map((path) => [path, readFileSync(projectPath(path), 'utf8')] as const);

  it('reads environment variables in one module, apart from the folder of crash tests', () => {
    const readers = sources.filter(([, text]) => /\bprocess\.env\b/.test(text)).map(([path]) => path);
    expect(readers.sort()).toEqual(['src/config/variables.ts', 'src/serve.ts']);
    expect(sources.find(([path]) => path === 'src/serve.ts')?.[1].match(/process\.env\S*/g)).toEqual([
      'process.env.FAILPOINTS);',
    ]);
  });

  it('reads and names only variables that are settings', () => {
    const read = /\benv(?:\.|\[['"])([A-Z][A-Z0-9_]+)/g;
    const named =
      /\b((?:ANTHROPIC|E2B|TEMPORAL|WEBHOOK|OUTPUTS|ROUTER|ROUTING|RECONCILE|LOG|AWS)_[A-Z0-9_]*[A-Z0-9])\b(?!\*)/g;
    for (const [path, text] of sources) {
      const quoted = (text.match(/(['"`])(?:\\.|(?!\1).)*\1/g) ?? []).join('\n');
      const names = [...text.matchAll(read), ...quoted.matchAll(named)].map(([, name]) => name ?? '');
      // The latter is a file of E2B's.
      const others = ['FAILPOINTS', 'E2B_SANDBOX_ID'];
      for (const name of names.filter((each) => !others.includes(each))) {
        expect(variables, `${path} names ${name}`).toContain(name);
      }
    }
  });

  const documents = globSync(['*.md', 'docs/*.md', 'docker-compose.yml'], { cwd: projectPath('.') })
    // They name variables of other repositories, and Temporal's own.
    .filter((path) => !['docs/foreign-programs.md', 'docs/settings.md'].includes(path));

  it.each(documents)('%s names no variable that is not a setting', (path) => {
    const text = readFileSync(projectPath(path), 'utf8');
    const families = new Set([...variables].map((name) => name.split('_')[0]));
    families.delete('OTEL');
    const names = text.match(new RegExp(`\\b(?:${[...families].join('|')})_[A-Z0-9_]*[A-Z0-9]\\b`, 'g'));
    // Variables of the set-up script, of Temporal's UI and of Anthropic's SDK.
    const others = ['TEMPORAL_CLI', 'TEMPORAL_CORS_ORIGINS', 'ANTHROPIC_OPEN_TELEMETRY_PROPAGATION'];
    for (const name of new Set(names)) expect([...variables, ...others]).toContain(name);
  });
});

describe('every setting', () => {
  it('has a variable and a meaning of its own', () => {
    expect(new Set(variables).size).toBe(variables.length);
    for (const { meaning } of settings.values()) expect(meaning).toMatch(/^[A-Z].*[^.]$/);
  });

  it.each([...settings].filter(([, { variable }]) => variable))(
    '%s has an example that is accepted',
    (path, setting) => {
      const { variable = '', example, secret, kind } = setting;
      if (String(example).includes('…') || NAMES_A_FILE.test(variable)) return;
      const companions = COMPANIONS[variable] ?? {};
      expect(problemsOf({ ...required, ...companions, [variable]: String(example) })).toEqual([]);
      const atTheTop = settingsOf(FILE_TABLE).some(([each]) => each === path);
      if (variable in required || secret || !atTheTop) return;
      // The same value in the file, where it is not text but a YAML value.
      expect(kind.schema.safeParse(example).success).toBe(true);
      const [name = '', ...groups] = path.split('.').reverse();
      const text = groups.reduce(
        (inner, group) => `${group}: { ${inner} }`,
        exampleInFile(name, setting).replace(/: (.*)$/, ': "$1"'),
      );
      writeFileSync(file, typeof example === 'string' ? text : text.replaceAll('"', ''));
      expect(problemsOf({ ...required, ...companions, ROUTER_CONFIG_FILE: file })).toEqual([]);
    },
  );

  it.each([...settings].filter(([, setting]) => setting.default !== undefined))(
    '%s has a valid default',
    (_path, setting) => {
      expect(setting.kind.schema.safeParse(setting.default).success).toBe(true);
      expect(setting.kind.fromText(String(setting.default))).toBe(setting.default);
    },
  );

  it('is read by the webhook server only if its table says so', () => {
    const { ANTHROPIC_ENVIRONMENT_KEY: _, E2B_API_KEY: __, ...base } = required;
    for (const [path, { variable, neededBy, example, secret }] of settings) {
      if (variable === undefined || secret || NAMES_A_FILE.test(variable)) continue;
      const others = { ...base, ...COMPANIONS[variable] };
      const config = loadWebhookConfig({ ...others, [variable]: String(example) });
      const isRead = !isDeepStrictEqual(config, loadWebhookConfig(others));
      expect([path, isRead]).toEqual([path, neededBy === 'webhook' || neededBy === 'both']);
    }
  });

  it('that is secret never appears in a message', () => {
    const secrets = [...settings].filter(([, { secret }]) => secret);
    expect(secrets.length).toBeGreaterThan(5);
    for (const [path, { variable = '' }] of secrets) {
      const broken = problemsOf({
        ...required,
        OUTPUTS_TARGET: 's3://bucket',
        [variable]: 'marker with spaces',
      });
      const inFile = path
        .split('.')
        .reduceRight((inner, name) => `{ ${name}: ${inner} }`, '"marker-in-a-file"');
      writeFileSync(file, path.includes('.') ? inFile : `environments: [ ${inFile} ]`);
      const literal = problemsOf({ ...required, ROUTER_CONFIG_FILE: file });
      for (const problems of [broken, literal]) {
        expect(problems, path).not.toEqual([]);
        expect(problems.join()).not.toContain('marker');
      }
    }
  });
});

describe('the JSON Schema', () => {
  const schema = z.fromJSONSchema(JSON.parse(JSON.stringify(jsonSchema())));

  it.each([
    ['nothing', {}, true],
    ['a group without settings', { session: null }, true],
    ['values', { session: { graceSeconds: 5 }, webhook: { port: 80 }, log: { level: 'debug' } }, true],
    ['a reference for a number', { session: { graceSeconds: '${env:GRACE}' } }, true],
    ['a misspelt name', { session: { graceSecond: 5 } }, false],
    ['an unknown group', { sesion: {} }, false],
    ['a number out of range', { session: { graceSeconds: -1 } }, false],
    ['a text for a number', { session: { graceSeconds: '5' } }, false],
    ['half a number for a whole one', { webhook: { port: 80.5 } }, false],
    ['a word that is no choice', { log: { level: 'loud' } }, false],
    ['a literal key', { e2b: { apiKey: 'e2b_0123456789abcdef' } }, false],
    ['an empty list of environments', { environments: [] }, false],
    ['a setting of the deployment in an environment', { environments: [{ worker: {} }] }, false],
  ])('agrees with the router about %s', (_what, content, valid) => {
    expect(schema.safeParse(content).success).toBe(valid);
    writeFileSync(file, JSON.stringify(content));
    expect(problemsOf({ ...required, ROUTER_CONFIG_FILE: file, GRACE: '5' }).length === 0).toBe(valid);
  });
});
