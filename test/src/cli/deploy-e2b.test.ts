// Refusals of `deploy e2b` that need no service.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runCommand } from './command-line.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'deploy-e2b-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const run = (args: string[], env: Record<string, string>) =>
  runCommand(['deploy', 'e2b', ...args], { HOME: folder, ...env }, '', folder);

const E2B = { E2B_API_KEY: 'e2b_00112233445566778899', E2B_API_URL: 'http://127.0.0.1:9' };
const KEYS = { ANTHROPIC_ENVIRONMENT_ID: 'env_1', ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-not-a-real-key' };

it.each([
  [[], {}, 'E2B_API_KEY is not set'],
  [['status'], E2B, 'ANTHROPIC_ENVIRONMENT_ID is not set'],
  [[], { ...E2B, ANTHROPIC_ENVIRONMENT_ID: 'env_1' }, 'ANTHROPIC_ENVIRONMENT_KEY is not set'],
  [['--memory', '0'], E2B, 'It must be a whole number from 512'],
  [['logs', 'kernel'], E2B, 'Allowed choices are webhook, worker, supervisor, temporal'],
  [['redeploy'], E2B, 'too many arguments'],
])('%s: code 2, and what is missing', async (args, env, said) => {
  expect(await run(args, env)).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) });
});

it('several environments: one is to be chosen', async () => {
  const environment = (id: string) => `  - { id: ${id}, key: "\${env:KEY}" }\n`;
  const file = `environments:\n${environment('env_1')}${environment('env_2')}`;
  writeFileSync(join(folder, 'managed-agents-router.yaml'), file);
  const env = { ...E2B, KEY: KEYS.ANTHROPIC_ENVIRONMENT_KEY };
  expect(await run(['status'], env)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('(env_1, env_2), and a router inside E2B serves one'),
  });
});

it.each([
  [['--yes']],
  [['status']],
  [['logs']],
  [['destroy', '--yes']],
  [['exec', '--', 'sessions', 'list']],
])('%s: code 5 where E2B cannot be reached', async (args) => {
  const { code, stderr } = await run(args, { ...E2B, ...KEYS });
  expect({ code, stderr }).toMatchObject({
    code: 5,
    stderr: expect.stringContaining('E2B cannot be reached'),
  });
});
