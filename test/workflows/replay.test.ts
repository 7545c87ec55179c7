// Every saved history runs through the workflows as they are now: the commands must be the ones of then.
import { Worker } from '@temporalio/worker';
import { describe, expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';
import { readable, readHistory, type SavedHistory } from '../histories/saved-history.ts';
import { quietTemporal } from '../quiet-temporal.ts';

/** One per story; `npm run histories` records them. */
const SESSIONS = [
  'first-turn',
  'follow-up',
  'lost-webhook',
  'killed-worker',
  'post-retried',
  'interrupted',
  'approval',
  'lost-sandbox',
  'renewed',
  'renewed-second-run',
  'ended',
  'other-environment',
  'recalled-watch',
  'overtaken-inspection',
  'shared-session',
  'shared-sandbox',
  'slots',
  'updated-session',
];
const ENVIRONMENTS = [
  'environment',
  'environment-reconciled',
  'environment-watch-failed',
  'environment-drain',
  'environment-drained',
];
const ALL = [...SESSIONS, ...ENVIRONMENTS];

quietTemporal();

const workflowBundle = { codePath: projectPath('bundles/workflows.js') };

async function replay(name: string, history: SavedHistory): Promise<void> {
  try {
    await Worker.runReplayHistory({ workflowBundle }, history);
  } catch (cause) {
    const how = 'the change breaks running sessions: use patched(), see docs/changing-workflows.md';
    throw new Error(`${name} does not replay: ${how}\n${(cause as Error).message}`, { cause });
  }
}

/** Credentials, as the demo looks for them, and what only the recording machine knows. */
const FORBIDDEN =
  /sk-ant-|whsec_|e2b_[0-9a-f]{16}|"sealedSecret":"(?!sealed")|\/(?:tmp|home|root|work|Users)\//;

describe.each(ALL)('the saved history %s', (name) => {
  it('replays with the production bundle', () => replay(name, readHistory(name)));

  it('holds no secret and no path of the machine that recorded it', () => {
    expect(FORBIDDEN.exec(readable(readHistory(name)).replaceAll('\\"', '"'))?.[0]).toBeUndefined();
  });
});

it.each([
  ['a step that the workflow does not take', 'restSession', 'lookElsewhere'],
  ['a step in place of another', 'prepareSandbox', 'pauseSandbox'],
])('a history with %s is told from one that replays', async (_what, was, becomes) => {
  const text = JSON.stringify(readHistory('first-turn'));
  const wrong = text.replace(`"activityType":{"name":"${was}"}`, `"activityType":{"name":"${becomes}"}`);
  expect(wrong).not.toBe(text);
  await expect(replay('this one', JSON.parse(wrong))).rejects.toThrow(
    /this one does not replay: the change breaks running sessions: use patched\(\)/,
  );
});
