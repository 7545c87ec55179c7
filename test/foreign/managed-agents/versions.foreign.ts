/** Workers of the official SDKs, from the first release with a worker to the newest: each serves two turns. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bringAdder } from '../../../simulators/test/adder-skill.ts';
import {
  agentMessages,
  bash,
  type Fixture,
  message,
  script,
  startFixture,
  turnEnded,
} from '../../../simulators/test/managed-agents.ts';
import { beside, npmPackage, python, type Running, run } from '../programs.ts';

// Releases in which the worker or its API has changed.
const TYPESCRIPT =
  '0.97.1 0.104.2 0.111.0 0.118.0 0.120.0 0.125.0 0.130.0 0.137.0 1.0.0 1.5.0 1.10.0 1.14.0'.split(' ');
const PYTHON = '0.103.1 0.112.0 0.120.2 0.125.0 1.0.0 1.17.0 2.0.0'.split(' ');

let fixture: Fixture;
let workdir: string;
let worker: Running | undefined;
beforeEach(async () => {
  fixture = await startFixture();
  workdir = await mkdtemp(join(tmpdir(), 'foreign-worker-'));
});
afterEach(async () => {
  await worker?.end();
  worker = undefined;
  await fixture.close();
  await rm(workdir, { recursive: true, force: true });
});

async function serves(program: string, args: string[], env: Record<string, string> = {}): Promise<void> {
  await bringAdder(fixture);
  const { url, environmentId, environmentKey } = fixture;
  worker = run(program, args, {
    ANTHROPIC_BASE_URL: url,
    ENVIRONMENT_ID: environmentId,
    ENVIRONMENT_KEY: environmentKey,
    WORKDIR: workdir,
    ...env,
  });
  await worker.says('polling');
  const session = await fixture.startSession(
    script(
      [{ name: 'write', input: { file_path: 'file', content: 'one\n' } }, bash('echo two >> file')],
      [bash('tail -n 1 skills/adder/SKILL.md; cat file')],
    ),
  );
  const events = await fixture.eventsUntil(session, turnEnded);
  for (const word of ['Use awk.', 'one', 'two'])
    expect(agentMessages(events)[0], worker.output()).toContain(word);
  const items = () => fixture.environment.beta.environments.work.list(fixture.environmentId);
  await expect
    .poll(async () => (await items()).data.every((item) => item.state === 'stopped'), { timeout: 20_000 })
    .toBe(true);

  await fixture.send(session, message('Use bash to echo three >> file.'));
  await expect
    .poll(async () => agentMessages(await fixture.eventsUntil(session, turnEnded)).length, {
      timeout: 20_000,
    })
    .toBe(2);
  expect(await readFile(join(workdir, 'file'), 'utf8')).toBe('one\ntwo\nthree\n');
}

// Packages are installed outside of the tests: a download takes as long as it takes.
describe.each(TYPESCRIPT)('npm @anthropic-ai/sdk %s', (version) => {
  let SDK: string;
  beforeAll(async () => {
    SDK = await npmPackage(`@anthropic-ai/sdk@${version}`);
  });
  test('serves two turns', () => serves(process.execPath, [beside('managed-agents/worker.cjs')], { SDK }));
});

describe.each(PYTHON)('PyPI anthropic %s', (version) => {
  let interpreter: string;
  beforeAll(async () => {
    interpreter = await python(`anthropic==${version}`);
  });
  test('serves two turns', () => serves(interpreter, [beside('managed-agents/worker.py')]));
});
