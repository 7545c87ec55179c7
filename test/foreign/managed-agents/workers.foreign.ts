/** The workers of the official SDKs in other languages: each serves a session from its first call to its answer. */
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
import { beside, goProgram, python, type Running, run } from '../programs.ts';

type Command = [program: string, ...args: string[]];
const WORKERS: Record<string, () => Promise<Command>> = {
  'Python: anthropic 2.14.0': async () => [
    await python('anthropic==2.14.0'),
    beside('managed-agents/worker.py'),
  ],
  'Go: anthropic-sdk-go 1.84.0': async () => [await goProgram('managed-agents/go-worker')],
};

const CHOICES = [
  {},
  { 'tool-rounds': 'running', 'work-item-at': 'tool', 'starting-reoffer': '30s' },
  { 'work-secret': 'off', 'reoffer-id': 'new', 'ack-twice': '409', 'lease-ttl-seconds': '30' },
];

describe.each(Object.keys(WORKERS))('%s', (name) => {
  let command: Command;
  let fixture: Fixture;
  let workdir: string;
  let worker: Running | undefined;
  beforeAll(async () => {
    command = await (WORKERS[name] as () => Promise<Command>)();
  });
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

  async function start(): Promise<void> {
    const [program, ...args] = command;
    worker = run(program, args, {
      ANTHROPIC_BASE_URL: fixture.url,
      BASE_URL: fixture.url,
      ENVIRONMENT_ID: fixture.environmentId,
      ENVIRONMENT_KEY: fixture.environmentKey,
      WORKDIR: workdir,
    });
    await worker.says('polling');
  }

  test.each(CHOICES)('serves a session of two turns with %j', async (switches) => {
    await fixture.set(switches as Record<string, string>);
    await bringAdder(fixture);
    await start();
    const session = await fixture.startSession(
      script(
        [
          { name: 'write', input: { file_path: 'numbers', content: '3\n4\n5\n' } },
          bash('tail -n 1 skills/adder/SKILL.md'),
        ],
        [bash("awk '{ sum += $1 } END { print sum }' numbers > sum; cat sum", { permission: 'ask' })],
        [{ name: 'read', input: { file_path: 'sum' } }, bash('cd / && pwd')],
      ),
    );
    const held = await fixture.calls(session, 3);
    await fixture.send(session, {
      type: 'user.tool_confirmation',
      tool_use_id: held[2]?.id ?? '',
      result: 'allow',
    });
    const answer = agentMessages(await fixture.eventsUntil(session, turnEnded))[0];
    expect(answer?.split(/\s+/).filter(Boolean), worker?.output()).toEqual(['12', '/']);
    expect(await readFile(join(workdir, 'numbers'), 'utf8')).toBe('3\n4\n5\n');

    await fixture.send(session, message('Use bash to cat numbers | wc -l; exit 3.'));
    await expect
      .poll(async () => agentMessages(await fixture.eventsUntil(session, turnEnded)).length, {
        timeout: 20_000,
      })
      .toBe(2);
    const items = () => fixture.environment.beta.environments.work.list(fixture.environmentId);
    await expect
      .poll(async () => (await items()).data.every((item) => item.state === 'stopped'), { timeout: 20_000 })
      .toBe(true);
  });
});
