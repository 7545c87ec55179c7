// Histories are encrypted: turned on under a running session, with keys that are rotated and lost.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { Child } from '../../harness/child.ts';
import { historyText } from '../../harness/secrets.ts';
import { workflowOf } from '../../harness/session-workflow.ts';
import { commands, openSession, sendMessage, takeTurn } from '../../harness/turns.ts';
import { until } from '../../harness/until.ts';
import type { World } from '../../harness/world.ts';
import { lazyTemporal, type Temporal } from '../../src/clients/temporal.ts';
import { replayHistory } from '../../src/replay.ts';
import { drainUpdate, resumeUpdate, statusQuery } from '../../workflows/messages.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { runCommand } from '../src/cli/command-line.ts';
import { startTestWorld } from '../test-world.ts';

quietTemporal();

vi.setConfig({ testTimeout: 120_000 });

const keyFolder = mkdtempSync(join(tmpdir(), 'history-keys-'));
const addKey = (id: string, key: Buffer) =>
  writeFileSync(join(keyFolder, `${id}.key`), key.toString('base64'));
const first = randomBytes(32);

let world: World;
let worker: Child;
/** Has the keys; the world's own client has not. */
let reader: Temporal;
let sessionId: string;

beforeAll(async () => {
  addKey('first', first);
  world = await startTestWorld({
    graceSeconds: 1,
    settings: async () => ({ TEMPORAL_ENCRYPTION_KEY_FOLDER: keyFolder }),
  });
  worker = world.workers[0] as Child;
  reader = lazyTemporal({
    connectionOptions: { address: world.temporal.connection.options.address },
    namespace: 'default',
    encryption: { keyFolder },
  });
});
afterAll(async () => {
  await reader?.connection.close();
  await world?.close();
  rmSync(keyFolder, { recursive: true });
});

/** Goes on with a worker that encrypts with this key. */
async function workerWith(keyId: string): Promise<void> {
  const next = await world.addWorker({ TEMPORAL_ENCRYPTION_KEY_ID: keyId });
  await worker.stop();
  worker = next;
}

const statusOf = (id: string) =>
  reader.client.workflow.getHandle(world.names.sessionWorkflowId(id)).query(statusQuery);

/** What a person without keys can read. */
const clearText = async (id: string) => historyText(await workflowOf(world, id).fetchHistory());

it('a session goes on when the encryption is turned on under it; what was written before stays readable', async () => {
  sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands('echo before-it > file'));
  expect(await clearText(sessionId)).toContain('before-it');

  await workerWith('first');
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat file; echo after-it'));
  expect(answer).toContain('before-it');
  expect(await clearText(sessionId)).not.toContain('after-it');
});

it('nothing that a session and its activities exchange is readable without the key, not even a failure', async () => {
  await world.admin('e2b', 'POST', 'faults', { route: 'sandbox.create', kind: 'status', status: 401 });
  const id = await openSession(world);
  await takeTurn(world.anthropic, id, commands('echo inner-secret'));
  await world.admin('e2b', 'DELETE', 'faults');
  await takeTurn(world.anthropic, id, commands('echo inner-secret'));
  const text = await clearText(id);
  expect(text).toContain('Encoded failure');
  for (const secret of ['inner-secret', 'E2B', '/mnt/session', 'bash'])
    expect(text.includes(secret), secret).toBe(false);
  expect(await statusOf(id)).toMatchObject({ turns: 2 });
});

it('an encrypted history replays with the keys, also as downloaded, and not without', async () => {
  const history = await workflowOf(world, sessionId).fetchHistory();
  const downloaded = JSON.parse(historyToJSON(history));
  await replayHistory(history, { keyFolder });
  await replayHistory(downloaded, { keyFolder, keyId: 'first' });
  await expect(replayHistory(downloaded)).rejects.toThrow();
});

it('commands without the keys say so, and show what is not encrypted', async () => {
  const settings = {
    TEMPORAL_ADDRESS: String(world.temporal.connection.options.address),
    ROUTER_DEPLOYMENT: world.names.taskQueue,
  };
  const keys = { TEMPORAL_ENCRYPTION_KEY_FOLDER: keyFolder };
  const { environmentId } = world.simulators.anthropic;
  // Its memo is encrypted, too.
  const update = { args: [{ by: 'ann@host' }] as [{ by: string }] };
  const environment = reader.client.workflow.getHandle(world.names.environmentWorkflowId(environmentId));
  await environment.executeUpdate(drainUpdate, update);

  const shown = await runCommand(['sessions', 'show', sessionId], settings);
  expect(shown).toMatchObject({ code: 0, stderr: '' });
  expect(shown.stdout).toContain('its history is encrypted, and no folder of keys is set');
  expect(shown.stdout).toMatch(/^To move it {4}Set TEMPORAL_ENCRYPTION_KEY_FOLDER/m);
  expect((await runCommand(['sessions', 'show', sessionId], { ...settings, ...keys })).stdout).toMatch(
    /^Waiting for {3}work from the queue: a person has drained/,
  );
  for (const args of [
    ['sessions', 'list'],
    ['approvals', 'list'],
    ['environments', 'show', environmentId],
    ['usage', '--no-tokens'],
  ]) {
    const ran = await runCommand(args, settings);
    expect(ran, args.join(' ')).toMatchObject({ code: 0 });
    expect(ran.stdout + ran.stderr, args.join(' ')).not.toMatch(/after-it|Error|\bat .*\.[jt]s:/);
  }
  const history = await runCommand(['sessions', 'history', 'export', sessionId, '-o', '-'], settings);
  expect(history).toMatchObject({ code: 0, stderr: '' });
  await environment.executeUpdate(resumeUpdate, update);
});

it('after a rotation, old payloads are read with the old key', async () => {
  addKey('second', randomBytes(32));
  await workerWith('second');
  const { answer } = await takeTurn(world.anthropic, sessionId, commands('cat file'));
  expect(answer).toContain('before-it');
});

it('a session whose keys are lost waits, the log names a key, and it goes on when they are back', async () => {
  // Its history may have been renewed since the rotation, and then needs the second key alone.
  const lost = ['first', 'second'].map((id) => join(keyFolder, `${id}.key`));
  for (const file of lost) renameSync(file, `${file}.lost`);
  addKey('third', randomBytes(32));
  await workerWith('third');
  await sendMessage(world.anthropic, sessionId, commands('echo found-again'));
  // Its memo cannot be read either, and does not hide the rest.
  await until('its workflow task is tried again', async () => {
    const { pendingWorkflowTask: task } = (await workflowOf(world, sessionId).describe()).raw;
    return Number(task?.attempt) > 0;
  });
  await until('the log names a key', async () =>
    /there is no key (first|second)\.key/.test(readFileSync(worker.logFile, 'utf8')),
  );

  for (const file of lost) renameSync(`${file}.lost`, file);
  await until('the call is done', async () => (await statusOf(sessionId)).callsDone === 4, 60_000);
});
