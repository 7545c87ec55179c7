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

it.each([
  [['setup', '--plan'], '"setup" is about keys and files of this machine'],
  [['--json', '--config', 'a.yaml', 'teardown'], '"teardown" is about keys and files'],
  [['-c', 'a.yaml', 'start'], '"start" would start another server in the sandbox'],
  [['codec-server'], 'whose ports the internet reaches'],
  [['deploy', 'e2b', 'status'], 'run it without "deploy e2b exec"'],
  [['sessions', 'files', 'put', 'sesn_1', 'h.txt'], "the router's sandbox, not this machine"],
  [['sessions', 'files', 'get', '--wake', 'sesn_1', 'h.txt'], 'With "-" as its last argument it prints'],
])('exec refuses %s, which would do something else in the sandbox', async (args, said) => {
  const { code, stderr } = await run(['exec', '--', ...args], { ...E2B, ...KEYS });
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining(said) });
});

it.each([[['sessions', 'files', 'get', 'sesn_1', 'h.txt', '-']], [['sessions', 'show', 'setup']]])(
  'exec runs %s',
  async (args) => {
    const { code } = await run(['exec', '--', ...args], { ...E2B, ...KEYS });
    expect(code).toBe(5);
  },
);
