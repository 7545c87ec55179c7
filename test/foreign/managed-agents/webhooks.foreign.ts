/** The reference library of Standard Webhooks verifies the simulator's deliveries. */
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture } from '../../../simulators/test/managed-agents.ts';
import { beside, python, type Running, run } from '../programs.ts';

let interpreter: string;
let fixture: Fixture;
let receiver: Running;
beforeAll(async () => {
  interpreter = await python('standardwebhooks==1.1.0');
});
beforeEach(async () => {
  fixture = await startFixture();
});
afterEach(async () => {
  await receiver.end();
  await fixture.close();
});

/** Starts a receiver with this key and sends the predefined webhook to it. */
async function receive(key: string): Promise<void> {
  receiver = run(interpreter, [beside('managed-agents/webhooks.py')], { SIGNING_KEY: key });
  await receiver.says('.\n');
  const port = /listening on (\d+)\./.exec(receiver.output())?.[1];
  const { data } = (await fixture.admin('GET', '/webhooks')) as unknown as { data: { id: string }[] };
  await fixture.admin('PATCH', `/webhooks/${data[0]?.id}`, {
    url: `http://127.0.0.1:${port}/`,
    types: ['*'],
  });
}

test('standardwebhooks accepts every delivery of a turn', async () => {
  await receive(fixture.webhookSigningKey);
  const session = await fixture.startSession('Hello.');
  await receiver.says('verified: session.status_run_started');
  await receiver.says('verified: session.status_idled');
  await fixture.organization.beta.sessions.delete(session);
  await receiver.says('verified: session.deleted');
  expect(receiver.output()).not.toContain('refused');
});

test('standardwebhooks refuses what another key has signed', async () => {
  await receive(`whsec_${Buffer.alloc(32, 7).toString('base64')}`);
  await fixture.startSession('Hello.');
  await receiver.says('refused: ');
  expect(receiver.output()).not.toContain('verified');
});
