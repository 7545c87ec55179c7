// `sessions list` with the Temporal settings alone and no worker.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { until } from '../../../harness/until.ts';
import { registerSearchAttributes } from '../../../src/clients/search-attributes.ts';

import {
  EnvironmentIdAttribute,
  SESSION_WORKFLOW,
  SessionPhaseAttribute,
  sessionWorkflowId,
  TASK_QUEUE,
} from '../../../workflows/messages.ts';
import { newNamespace, type TestNamespace } from '../../temporal-namespace.ts';
import { recordedLog } from '../recorded-log.ts';
import { runCommand } from './command-line.ts';

let namespace: TestNamespace;
let env: Record<string, string>;
beforeAll(async () => {
  namespace = await newNamespace();
  const { connectionOptions, namespace: name } = namespace.config;
  env = { TEMPORAL_ADDRESS: connectionOptions.address as string, TEMPORAL_NAMESPACE: name };
  await until('the attributes are registered', () =>
    registerSearchAttributes(namespace.connection, name, recordedLog().log),
  );
  for (const [id, phase, queue] of [
    ['sesn_1', 'working', TASK_QUEUE],
    ['sesn_2', 'paused', TASK_QUEUE],
    ['sesn_3', 'waiting for approval', TASK_QUEUE],
    ['sesn_ended', 'paused', TASK_QUEUE],
    ['sesn_other', 'working', 'another-deployment'],
  ] as const)
    await namespace.client.workflow.start(SESSION_WORKFLOW, {
      workflowId: sessionWorkflowId(id),
      taskQueue: queue,
      args: [],
      typedSearchAttributes: [
        { key: SessionPhaseAttribute, value: phase },
        { key: EnvironmentIdAttribute, value: 'env_1' },
      ],
    });
  await namespace.client.workflow.getHandle(sessionWorkflowId('sesn_ended')).terminate();
  await until('visibility has all of them', async () => (await ids('--all')).length === 4);
});
afterAll(() => namespace?.close());

const list = (...args: string[]) => runCommand(['sessions', 'list', ...args], env);
async function ids(...args: string[]): Promise<string[]> {
  const { stdout } = await list('--json', ...args);
  return JSON.parse(stdout).sessions.map(({ sessionId }: { sessionId: string }) => sessionId);
}

it('lists the running sessions of its deployment, as a table and by filters', async () => {
  const { stdout, code } = await list();
  expect(code).toBe(0);
  expect(stdout).toMatch(/^SESSION +PHASE +STARTED$/m);
  expect(stdout).toMatch(/^sesn_3 +waiting for approval +\S.*$/m);
  expect(stdout).not.toContain('sesn_ended');
  expect(stdout).not.toContain('sesn_other');
  expect(await ids('--phase', 'waiting for approval')).toEqual(['sesn_3']);
  expect(await ids('--environment', 'env_2')).toEqual([]);
  expect(await ids('--older-than', '1h')).toEqual([]);
  expect((await ids('--newer-than', '1h')).sort()).toEqual(['sesn_1', 'sesn_2', 'sesn_3']);
});

it('lists in pages', async () => {
  const first = JSON.parse((await list('--json', '--limit', '2')).stdout);
  const second = JSON.parse((await list('--json', '--limit', '2', '--page', first.nextPage)).stdout);
  const all = [...first.sessions, ...second.sessions].map(({ sessionId }) => sessionId);
  expect(all.sort()).toEqual(['sesn_1', 'sesn_2', 'sesn_3']);
});

it('refuses a wrong command line, and says when Temporal does not answer', async () => {
  const wrong = await list('--older-than', 'soon');
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toContain('15m');
  expect(await list('--phase', "x' OR true")).toMatchObject({ code: 2 });
  const away = await runCommand(['sessions', 'list'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(away.code).toBe(5);
  expect(away.stderr).toContain('TEMPORAL_ADDRESS');
  // The last command alone waits 20 seconds for Temporal.
}, 90_000);
