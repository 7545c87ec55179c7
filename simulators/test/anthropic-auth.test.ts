import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Fixture, startFixture, statusOf } from './managed-agents.ts';

const BETA = { 'anthropic-beta': 'managed-agents-2026-04-01' };

let fixture: Fixture;
let ids: Record<string, string>;
let credentials: Record<string, string>;
beforeAll(async () => {
  fixture = await startFixture();
  const session = await fixture.startSession('Use bash to true.');
  const work = await fixture.poll();
  const tokenOf = (secret: string | null) =>
    JSON.parse(Buffer.from(secret ?? '', 'base64url').toString()).sessions_token as string;
  const token = tokenOf(work.secret);
  await fixture.startSession('another');
  const otherToken = tokenOf((await fixture.poll(60_000)).secret);
  const other = await fixture.organization.beta.environments.create({
    name: 'b',
    config: { type: 'self_hosted' },
  });
  const { key: otherKey } = await fixture.admin('POST', `/environments/${other.id}/keys`);
  ids = { env: fixture.environmentId, work: work.id, session, agent: fixture.agentId };
  credentials = {
    organization: fixture.apiKey,
    environment: fixture.environmentKey,
    token,
    otherKey: String(otherKey),
    otherToken,
    none: 'sk-ant-api03-unknown',
  };
});
afterAll(() => fixture.close());

async function call(route: string, headers: Record<string, string>): Promise<number> {
  const [method, path] = route.split(' ') as [string, string];
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? '');
  const controller = new AbortController();
  const response = await fetch(fixture.url + filled, {
    method,
    headers: { ...BETA, ...headers, ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) },
    signal: controller.signal,
  });
  controller.abort();
  return response.status;
}

// Which callers pass the authorisation; later errors (400, 404, 409) count as passed.
describe.each([
  ['GET /v1/environments/{env}/work/poll', 'environment'],
  ['POST /v1/environments/{env}/work/{work}/ack', 'environment token'],
  ['POST /v1/environments/{env}/work/{work}/heartbeat', 'environment token'],
  ['GET /v1/environments/{env}/work', 'environment'],
  ['GET /v1/environments/{env}/work/{work}', 'organization'],
  ['POST /v1/environments/{env}/work/{work}', 'organization'],
  ['GET /v1/environments/{env}/work/stats', 'organization environment'],
  ['GET /v1/sessions/{session}', 'organization environment token'],
  ['GET /v1/sessions/{session}/events', 'organization environment token'],
  ['POST /v1/sessions/{session}/events', 'organization environment token'],
  ['GET /v1/sessions/{session}/events/stream', 'organization environment token'],
  ['POST /v1/sessions', 'organization'],
  ['GET /v1/sessions', 'organization'],
  ['POST /v1/sessions/{session}', 'organization'],
  ['GET /v1/sessions/{session}/threads', 'organization'],
  ['GET /v1/environments/{env}', 'organization'],
  ['GET /v1/agents/{agent}', 'organization'],
  ['POST /v1/environments/{env}/work/{work}/stop', 'organization environment token'],
])('%s', (route, accepted) => {
  test.each(['organization', 'environment', 'token', 'otherKey', 'otherToken', 'none'])(
    'with %s',
    async (name) => {
      const expected = name === 'none' ? 401 : accepted.split(' ').includes(name) ? 200 : 403;
      for (const headers of [
        { authorization: `Bearer ${credentials[name]}` },
        { 'x-api-key': credentials[name] ?? '' },
      ]) {
        const status = await call(route, headers);
        expect(status === 401 || status === 403 ? status : 200).toBe(expected);
      }
    },
  );
});

test('nothing, or both headers on the stream, is refused', async () => {
  expect(await call('GET /v1/sessions', {})).toBe(401);
  const both = { authorization: `Bearer ${fixture.apiKey}`, 'x-api-key': fixture.apiKey };
  expect(await call('GET /v1/sessions/{session}/events/stream', both)).toBe(401);
  expect(await call('GET /v1/sessions/{session}', both)).toBe(200);
});

test('without the beta header nothing is found, unless the switch accepts it', async () => {
  const authorization = `Bearer ${fixture.apiKey}`;
  const bare = { authorization, 'anthropic-beta': 'something-else' };
  expect(await call('GET /v1/sessions', bare)).toBe(404);
  expect(await call('GET /v1/sessions?beta=true', { authorization, 'anthropic-version': '2023-06-01' })).toBe(
    200,
  );
  await fixture.set({ 'missing-beta-header': 'accept' });
  expect(await call('GET /v1/sessions', bare)).toBe(200);
  await fixture.set({ 'missing-beta-header': '404' });
});

test('errors come in the envelope, with the id of the request', async () => {
  const response = await fetch(`${fixture.url}/v1/sessions/nope`, {
    headers: { ...BETA, authorization: `Bearer ${fixture.apiKey}` },
  });
  const body = (await response.json()) as { request_id: string };
  expect(body).toMatchObject({ type: 'error', error: { type: 'not_found_error' } });
  expect(response.headers.get('request-id')).toBe(body.request_id);
});

test('a key made in the console works until it is revoked', async () => {
  const { key } = await fixture.admin('POST', `/environments/${fixture.environmentId}/keys`);
  const poll = () => fixture.withToken(String(key)).beta.environments.work.poll(fixture.environmentId);
  expect(await statusOf(poll())).toBe(200);
  await fixture.admin('DELETE', `/environments/${fixture.environmentId}/keys/${key}`);
  expect(await statusOf(poll())).toBe(401);
});

test('the admin interface takes its own token only', async () => {
  for (const token of [fixture.apiKey, fixture.environmentKey, '']) {
    const response = await fetch(`${fixture.url}/_admin/state`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(response.status).toBe(401);
  }
});

test('body-cap: 4 MiB or 32 MB', async () => {
  const session = await fixture.startSession('Use bash to true.');
  const [open] = await fixture.calls(session, 1);
  const large = fixture.result(open?.id ?? '', 'x'.repeat(5 * 1024 * 1024));
  await fixture.set({ 'body-cap': '4MiB' });
  expect(await statusOf(fixture.send(session, large))).toBe(413);
  await fixture.set({ 'body-cap': '32MB' });
  expect(await statusOf(fixture.send(session, large))).toBe(200);
});
