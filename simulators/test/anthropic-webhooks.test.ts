import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Fixture, startFixture, turnEnded } from './managed-agents.ts';

interface Delivery {
  headers: Record<string, string>;
  body: string;
  id: string;
  type: string;
}

let fixture: Fixture;
let receiver: Server;
let received: Delivery[];
/** The receiver's answers to the next attempts; 204 after that. */
let answers: number[];
const requests: string[] = [];

beforeEach(async () => {
  received = [];
  answers = [];
  requests.length = 0;
  receiver = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    requests.push(String(request.url));
    const event = JSON.parse(body);
    received.push({
      headers: request.headers as Record<string, string>,
      body,
      id: event.id,
      type: event.data.type,
    });
    response.writeHead(answers.shift() ?? 204, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const webhookUrl = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/webhook`;
  fixture = await startFixture({ webhookUrl });
});
afterEach(async () => {
  await fixture.close();
  receiver.closeAllConnections();
  receiver.close();
});

/** Waits until all deliveries are finished; with `hurry`, advances the clock over the pauses between attempts. */
const settled = async (hurry = false) => {
  for (let attempt = 0; attempt < 300; attempt += 1) {
    const { deliveries } = (await fixture.admin('GET', '/state')) as {
      deliveries?: Record<string, { state: string }>;
    };
    if (Object.values(deliveries ?? {}).every((delivery) => delivery.state !== 'pending')) return;
    if (hurry) await fixture.admin('POST', '/clock', { advanceMs: 120_000 });
    await delay(20);
  }
  throw new Error('deliveries are still pending');
};
const turn = async () => {
  const session = await fixture.startSession('hello');
  await fixture.eventsUntil(session, turnEnded);
  return session;
};
const types = () => received.map((delivery) => delivery.type);

test('a signed delivery for each change of status, which the SDK unwraps', async () => {
  const session = await turn();
  await fixture.organization.beta.sessions.archive(session);
  await fixture.organization.beta.sessions.delete(session);
  await settled();
  expect(types().sort()).toEqual([
    'session.archived',
    'session.deleted',
    'session.status_idled',
    'session.status_run_started',
    'session.status_terminated',
  ]);
  for (const { headers, body, id } of received) {
    const event = fixture.organization.beta.webhooks.unwrap(body, {
      headers,
      key: fixture.webhookSigningKey,
    });
    expect(event.data).toMatchObject({ id: session, organization_id: expect.any(String) });
    expect([headers['webhook-id'], event.id]).toEqual([id, id]);
    const forged = () =>
      fixture.organization.beta.webhooks.unwrap(`${body} `, { headers, key: fixture.webhookSigningKey });
    expect(forged).toThrow();
  }
});

test('a host name of a local sandbox, below localhost, is this machine', async () => {
  const { port } = receiver.address() as AddressInfo;
  const url = `http://8000-isandbox.localhost:${port}/webhook`;
  await fixture.admin('PATCH', `/webhooks/${await endpoint()}`, { url });
  await turn();
  await settled();
  expect(received[0]?.headers.host).toBe(`8000-isandbox.localhost:${port}`);
});

test('three attempts, then it is given up; the id stays, the time is stamped anew', async () => {
  answers = [500, 404, 503, 204];
  await fixture.admin('PATCH', `/webhooks/${await endpoint()}`, { types: ['session.status_run_started'] });
  await turn();
  await settled(true);
  expect(received).toHaveLength(3);
  expect(new Set(received.map((delivery) => delivery.headers['webhook-id'])).size).toBe(1);
  for (const { headers, body } of received) {
    fixture.organization.beta.webhooks.unwrap(body, { headers, key: fixture.webhookSigningKey });
  }
});

test('a redirect is not followed and disables the endpoint until it is enabled again', async () => {
  answers = [302];
  await turn();
  await settled();
  expect(requests).not.toContain('/elsewhere');
  const before = received.length;
  await turn();
  await settled();
  expect(received).toHaveLength(before);
  const [{ disabled }] = (await fixture.admin('GET', '/webhooks')).data as unknown as [{ disabled: string }];
  expect(disabled).toContain('302');
  await fixture.admin('PATCH', `/webhooks/${await endpoint()}`, { disabled: false });
  await turn();
  await settled();
  expect(received.length).toBeGreaterThan(before);
});

test.each([
  ['lost', 0],
  ['duplicated', 2],
])('the fault %s', async (kind, count) => {
  await fixture.admin('POST', '/faults', { route: 'webhook.deliver', match: 'status_run_started', kind });
  await turn();
  await settled();
  const started = received.filter((delivery) => delivery.type === 'session.status_run_started');
  expect(started).toHaveLength(count);
  expect(new Set(started.map((delivery) => delivery.id)).size).toBe(Math.min(count, 1));
  expect(types()).toContain('session.status_idled');
});

test.each([
  ['drop', 1],
  ['commit-then-drop', 2],
])('the fault %s has the delivery tried again', async (kind, count) => {
  await fixture.admin('POST', '/faults', {
    route: 'webhook.deliver',
    match: 'status_run_started',
    kind,
    times: 1,
  });
  const started = () => types().filter((type) => type === 'session.status_run_started');
  await turn();
  await settled(true);
  expect(started()).toHaveLength(count);
});

test('the fault late lets a later event overtake', async () => {
  await fixture.admin('POST', '/faults', {
    route: 'webhook.deliver',
    match: 'status_run_started',
    kind: 'late',
    latencyMs: 60_000,
  });
  await turn();
  await expect.poll(types).toEqual(['session.status_idled']);
  await fixture.admin('POST', '/clock', { advanceMs: 60_000 });
  await expect.poll(types).toEqual(['session.status_idled', 'session.status_run_started']);
});

test('another webhook has its own secret and its own types', async () => {
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/second`;
  const { id, secret } = await fixture.admin('POST', '/webhooks', { url, types: ['session.updated'] });
  const { id: session } = await fixture.organization.beta.sessions.create({
    agent: fixture.agentId,
    environment_id: fixture.environmentId,
  });
  await fixture.organization.beta.sessions.update(session, { title: 'x' });
  await settled();
  expect(requests).toEqual(['/second']);
  const { body, headers } = received[0] as Delivery;
  fixture.organization.beta.webhooks.unwrap(body, { headers, key: String(secret) });
  await fixture.admin('DELETE', `/webhooks/${id}`);
  await fixture.organization.beta.sessions.update(session, { title: 'y' });
  await settled();
  expect(received).toHaveLength(1);
  await expect(fixture.admin('POST', '/webhooks', { url: 'ftp://x' })).rejects.toThrow('url must be');
});

async function endpoint(): Promise<string> {
  const { data } = (await fixture.admin('GET', '/webhooks')) as unknown as { data: { id: string }[] };
  return data[0]?.id ?? '';
}
