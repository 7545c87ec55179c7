/** Workers of the official SDKs, from the first release that had one to the newest: each serves two turns. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bringAdder } from '../../../simulators/test/adder-skill.ts';
import {
  bash,
  ended,
  type Fixture,
  message,
  said,
  script,
  startFixture,
} from '../../../simulators/test/managed-agents.ts';
import { beside, npmPackage, python, type Running, run } from '../programs.ts';

// Versions in which the worker, or the API that it uses, changed.
const TYPESCRIPT =
  '0.97.1 0.104.2 0.111.0 0.118.0 0.120.0 0.125.0 0.130.0 0.137.0 1.0.0 1.5.0 1.10.0 1.14.0'.split(' ');
const PYTHON = '0.103.1 0.112.0 0.120.2 0.125.0 1.0.0 1.17.0 2.0.0'.split(' ');

let it: Fixture;
let workdir: string;
let worker: Running | undefined;
beforeEach(async () => {
  it = await startFixture();
  workdir = await mkdtemp(join(tmpdir(), 'foreign-worker-'));
});
afterEach(async () => {
  await worker?.end();
  worker = undefined;
  await it.close();
  await rm(workdir, { recursive: true, force: true });
});

async function serves(program: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  await bringAdder(it);
  const { url, environmentId, environmentKey } = it;
  worker = run(program, args, {
    ANTHROPIC_BASE_URL: url,
    ENVIRONMENT_ID: environmentId,
    ENVIRONMENT_KEY: environmentKey,
    WORKDIR: workdir,
    ...env,
  });
  await worker.says('polling');
  const session = await it.say(
    script(
      [{ name: 'write', input: { file_path: 'file', content: 'one\n' } }, bash('echo two >> file')],
      [bash('tail -n 1 skills/adder/SKILL.md; cat file')],
    ),
  );
  const events = await it.eventsUntil(session, ended);
  for (const word of ['Use awk.', 'one', 'two']) expect(said(events)[0], worker.output()).toContain(word);
  const items = () => it.environment.beta.environments.work.list(it.environmentId);
  await expect
    .poll(async () => (await items()).data.every((item) => item.state === 'stopped'), { timeout: 20_000 })
    .toBe(true);

  await it.send(session, message('Use bash to echo three >> file.'));
  await expect
    .poll(async () => said(await it.eventsUntil(session, ended)).length, { timeout: 20_000 })
    .toBe(2);
  expect(await readFile(join(workdir, 'file'), 'utf8')).toBe('one\ntwo\nthree\n');
}

test.each(TYPESCRIPT)('npm @anthropic-ai/sdk %s', async (version) => {
  const SDK = await npmPackage(`@anthropic-ai/sdk@${version}`);
  await serves(process.execPath, [beside('managed-agents/worker.cjs')], { SDK });
});

test.each(PYTHON)('PyPI anthropic %s', async (version) => {
  const interpreter = await python(`anthropic==${version}`);
  await serves(interpreter, [beside('managed-agents/worker.py')]);
});
