/** Each route of the API with each kind of wrong request answers the documented error and changes nothing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bringAdder } from './adder-skill.ts';
import { parametersOf, type Route, routesOfTheApi } from './anthropic-routes.ts';
import { BODIES } from './anthropic-sample-bodies.ts';
import { type Fixture, startFixture } from './managed-agents.ts';

const routes = await routesOfTheApi();
/** Nested so deeply that `JSON.parse` accepts it, but the recursive `JSON.stringify` would fail to store it. */
const DEEP = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
const writes = routes.filter(({ method }) => method === 'POST' || method === 'PATCH');

let fixture: Fixture;
/** Ids of existing objects by path parameter. */
let ids: Record<string, string>;
let credentials: Record<string, string>;
let before: unknown;
beforeAll(async () => {
  fixture = await startFixture();
  const { beta } = fixture.organization;
  const store = await beta.memoryStores.create({ name: 'notes' });
  const memory = await beta.memoryStores.memories.create(store.id, { path: '/a', content: 'A' });
  await bringAdder(fixture);
  const [skill] = (await beta.skills.list()).data;
  const sessionOf = async (environment_id: string) =>
    beta.sessions.create({
      agent: fixture.agentId,
      environment_id,
      resources:
        environment_id === fixture.environmentId ? [{ type: 'memory_store', memory_store_id: store.id }] : [],
    });
  const session = await sessionOf(fixture.environmentId);
  const other = await beta.environments.create({ name: 'other', config: { type: 'self_hosted' } });
  const { key } = await fixture.admin('POST', `/environments/${other.id}/keys`);
  const { key: revoked } = await fixture.admin('POST', `/environments/${fixture.environmentId}/keys`);
  await fixture.admin('DELETE', `/environments/${fixture.environmentId}/keys/${revoked}`);
  await sessionOf(other.id);
  const tokenOf = ({ secret }: { secret: string | null }) =>
    JSON.parse(Buffer.from(secret ?? '', 'base64url').toString()).sessions_token as string;
  const expired = tokenOf(await fixture.poll());
  await fixture.admin('POST', '/clock', { advanceMs: 90_000_000 });
  const item = await fixture.poll();
  const foreignWork = fixture.withToken(String(key)).beta.environments.work;
  const foreign = await foreignWork.poll(other.id);
  // Acknowledged, so that neither item is offered again during the test.
  await fixture.environment.beta.environments.work.ack(item.id, { environment_id: fixture.environmentId });
  await foreignWork.ack(foreign?.id ?? '', { environment_id: other.id });
  ids = {
    environment_id: fixture.environmentId,
    work_id: item.id,
    session_id: session.id,
    thread_id: (await beta.sessions.threads.list(session.id)).data[0]?.id ?? '',
    resource_id: store.id,
    agent_id: fixture.agentId,
    skill_id: skill?.id ?? '',
    version: skill?.latest_version_id ?? '',
    memory_store_id: store.id,
    memory_id: memory.id,
    memory_version_id: memory.memory_version_id,
  };
  credentials = {
    organization: fixture.apiKey,
    environment: fixture.environmentKey,
    session: tokenOf(item),
    expired,
    revoked: String(revoked),
    unknown: 'sk-ant-oat01-unknown',
    'of another environment': String(key),
    'of another session': tokenOf({ secret: foreign?.secret ?? null }),
  };
  before = await records();
});
afterAll(() => fixture.close());

/** The whole stored state of the simulator. */
const records = (): Promise<unknown> => fixture.admin('GET', '/state');

interface Request {
  params?: Record<string, string>;
  query?: string;
  key?: string | undefined;
  body?: string;
  type?: string;
}

async function ask(route: Route, { params = {}, query = '', key, body, type }: Request) {
  const url = route.url.replace(/:(\w+)/g, (_, name) => params[name] ?? ids[name] ?? 'missing');
  const response = await fetch(`${fixture.url}${url}${query}`, {
    method: route.method,
    headers: {
      'anthropic-beta': 'managed-agents-2026-04-01',
      ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
    },
    ...(body === undefined ? {} : { body }),
  });
  const answer = (await response.json()) as { type: string; error: { type: string; message: string } };
  const { error } = answer;
  return { status: response.status, kind: error?.type, message: error?.message };
}

const keyFor = ({ accepts }: Route) => credentials[accepts[0] ?? ''];
const goodBody = (route: Route) => {
  const body = BODIES[route.name];
  return body === undefined ? {} : { body: JSON.stringify(body(ids)) };
};

test('the table has a body for every route that reads one', () => {
  const reading = writes.map(({ name }) => name);
  expect(Object.keys(BODIES).filter((name) => !reading.includes(name))).toEqual([]);
  const others = [...new Set(reading.filter((name) => !(name in BODIES)))];
  expect(others.sort()).toEqual([
    'agents.archive',
    'environments.archive',
    'memory_stores.archive',
    'memory_versions.redact',
    'resources.add',
    'resources.update',
    'sessions.archive',
    'skills.create',
    'skills.versions.create',
    'threads.archive',
    'work.ack',
    'work.heartbeat',
  ]);
});

describe.each(routes.map((route) => [`${route.method} ${route.url}`, route] as const))('%s', (_, route) => {
  test('takes its credentials only', async () => {
    const good = goodBody(route);
    const statusWith = async (name: string) => {
      const { status, kind } = await ask(route, { key: credentials[name], ...good });
      return { name, status, kind };
    };
    for (const name of ['none', 'unknown', 'revoked', 'expired']) {
      expect(await statusWith(name)).toEqual({ name, status: 401, kind: 'authentication_error' });
    }
    const refused: string[] = ['organization', 'environment', 'session'].filter(
      (kind) => !route.accepts.includes(kind as never),
    );
    if (/:(environment|session)_id/.test(route.url)) {
      if (route.accepts.includes('environment')) refused.push('of another environment');
      if (route.accepts.includes('session')) refused.push('of another session');
    }
    for (const name of refused) {
      expect(await statusWith(name)).toEqual({ name, status: 403, kind: 'permission_error' });
    }
  });

  test.each(parametersOf(route))('finds no unknown %s', async (name) => {
    const another = name === 'session_id' ? ids.agent_id : ids.session_id;
    for (const id of ['unknown', 'x'.repeat(2000), '__proto__', 'a%2Fb', another ?? '']) {
      const { status, kind, message } = await ask(route, {
        params: { [name]: id },
        key: keyFor(route),
        ...goodBody(route),
      });
      expect({ id, status, kind }, message).toEqual({ id, status: 404, kind: 'not_found_error' });
    }
  });
});

describe.each(writes.map((route) => [`${route.method} ${route.url}`, route] as const))('%s', (_, route) => {
  test('reads no body that is not JSON', async () => {
    const key = keyFor(route);
    for (const body of ['{"a":', '{}}', "{'a': 1}", '\u0000', '[1,]', DEEP]) {
      const { status, kind, message } = await ask(route, { key, body });
      expect({ status, kind }, `${body.slice(0, 20)} ${message}`).toEqual({
        status: 400,
        kind: 'invalid_request_error',
      });
    }
    const text = await ask(route, { key, body: '{}', type: 'text/plain' });
    expect(text).toMatchObject({ status: 415, kind: 'invalid_request_error' });
    const noParts = await ask(route, { key, body: 'x', type: 'multipart/form-data; boundary=b' });
    expect(noParts).toMatchObject({ status: 400, kind: 'invalid_request_error' });
    if (!(route.name in BODIES)) return;
    const part = '--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\nx\r\n--b--\r\n';
    const parts = await ask(route, { key, body: part, type: 'multipart/form-data; boundary=b' });
    expect(parts, parts.message).toMatchObject({ status: 400, kind: 'invalid_request_error' });
  });

  test('refuses a value of another type, wherever it stands', async () => {
    const good = BODIES[route.name];
    if (!good) return;
    for (const { place, body } of withWrongTypes(good(ids))) {
      const text = JSON.stringify(body);
      const { status, kind, message } = await ask(route, { key: keyFor(route), body: text });
      expect({ status, kind }, `${text} ${message}`).toEqual({ status: 400, kind: 'invalid_request_error' });
      expect(message, text).toMatch(new RegExp(`^(body|${place[0] ?? '\\w+'})\\b`));
    }
  });
});

describe.each(routes.filter(({ method }) => method === 'GET').map((route) => [route.url, route] as const))(
  'GET %s',
  (_, route) => {
    test('refuses wrong parameters, and fails at none', async () => {
      const key = keyFor(route);
      const isList = /\.(list|versions|events)$/.test(route.name);
      for (const name of QUERY) {
        for (const value of ['', 'x', '-1', '1e300', '%00', '{}']) {
          if (route.name.endsWith('.stream') && name !== 'event_deltas') continue;
          for (const query of [`?${name}=${value}`, `?${name}=${value}&${name}=1`]) {
            const { status, message } = await ask(route, { key, query }).catch(() => ({
              status: 200,
              message: '',
            }));
            expect(status, `${query} ${message}`).toBeLessThan(500);
            if (isList && name === 'limit') expect(status, `${query} ${message}`).toBe(400);
          }
        }
      }
    });
  },
);

const QUERY = [
  'limit',
  'page',
  'order',
  'types[]',
  'statuses[]',
  'created_at[gt]',
  'include_archived',
  'version',
  'view',
  'depth',
  'path_prefix',
  'memory_id',
  'operation',
  'source',
  'block_ms',
  'reclaim_older_than_ms',
  'event_deltas[]',
];

test('afterwards everything is as it was', async () => {
  expect(await records()).toEqual(before);
  const { data } = await fixture.organization.beta.sessions.list();
  expect(data).toHaveLength(2);
});

/** A value of each type, to replace values of other types; fields that accept several types are in `ALSO`. */
const WRONG: Record<string, unknown[]> = {
  string: [7, true, ['x'], { a: 1 }],
  number: ['x', true, [1], { a: 1 }],
  boolean: ['x', 7, [true], { a: 1 }],
  list: ['x', 7, true, { a: 1 }],
  object: ['x', 7, true, [1]],
};
/** Agents and models may be given as an id string. */
const ALSO: Record<string, string[]> = { agent: ['string'], model: ['string', 'object'] };

function typeOf(value: unknown): string {
  return Array.isArray(value) ? 'list' : typeof value;
}

/** All variants of the value in which one part has another type. */
function* withWrongTypes(
  value: unknown,
  place: string[] = [],
): Generator<{ place: string[]; body: unknown }> {
  for (const wrong of WRONG[typeOf(value)] ?? []) {
    if (!ALSO[place.at(-1) ?? '']?.includes(typeOf(wrong))) yield { place, body: wrong };
  }
  if (typeof value !== 'object' || value === null) return;
  for (const [name, part] of Object.entries(value)) {
    for (const inner of withWrongTypes(part, [...place, name])) {
      const body = Array.isArray(value) ? [...value] : { ...value };
      Object.assign(body, { [name]: inner.body });
      yield { place: inner.place, body };
    }
  }
}
