import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Fixture, startFixture } from './managed-agents.ts';

let fixture: Fixture;
let ids: string[];
beforeAll(async () => {
  fixture = await startFixture();
  const session = await fixture.startSession('Use bash to true.');
  await fixture.calls(session, 1);
  ids = [
    fixture.environmentId,
    fixture.agentId,
    session,
    (await fixture.poll()).id,
    'nope',
    '__proto__',
    '%00',
    '..',
    '%F0%9F',
  ];
});
afterAll(() => fixture.close());

const ROUTES = [
  'GET /v1/sessions',
  'POST /v1/sessions',
  'GET /v1/sessions/@',
  'POST /v1/sessions/@',
  'GET /v1/sessions/@/events',
  'POST /v1/sessions/@/events',
  'GET /v1/sessions/@/threads/@',
  'POST /v1/sessions/@/archive',
  'POST /v1/agents',
  'POST /v1/agents/@',
  'GET /v1/agents/@/versions',
  'POST /v1/environments',
  'POST /v1/environments/@',
  'GET /v1/environments/@/work',
  'GET /v1/environments/@/work/poll',
  'POST /v1/environments/@/work/@',
  'POST /v1/environments/@/work/@/ack',
  'POST /v1/environments/@/work/@/heartbeat',
  'GET /v1/environments/@/work/stats',
];
const SCALARS = [
  null,
  true,
  0,
  -1,
  1e300,
  '',
  'text',
  '\u0000',
  'user.tool_result',
  'self_hosted',
  'x'.repeat(3000),
];
const NAMES = [
  'type',
  'events',
  'content',
  'agent',
  'environment_id',
  'metadata',
  'tools',
  'name',
  'model',
  'config',
];
const MORE_NAMES = [
  'initial_events',
  'skills',
  'text',
  'id',
  'tool_use_id',
  'version',
  'force',
  '__proto__',
  'source',
];
const QUERY = [
  'limit',
  'page',
  'order',
  'types[]',
  'created_at[gt]',
  'block_ms',
  'reclaim_older_than_ms',
  'statuses',
];

test('no request, however malformed, makes it fail', async () => {
  const random = seeded(7);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const value = (depth: number): unknown => {
    if (depth === 0 || random() < 0.3) return random() < 0.4 ? pick(ids) : pick(SCALARS);
    if (random() < 0.4) return Array.from({ length: Math.floor(random() * 3) }, () => value(depth - 1));
    const names = Array.from({ length: Math.floor(random() * 5) }, () => pick([...NAMES, ...MORE_NAMES]));
    return Object.fromEntries(names.map((name) => [name, value(depth - 1)]));
  };
  const query = () => {
    const pairs = Array.from({ length: Math.floor(random() * 3) }, () => [
      pick(QUERY),
      String(pick(SCALARS)),
    ]);
    return new URLSearchParams(pairs as [string, string][]).toString();
  };
  const seen = new Set<number>();
  for (let count = 0; count < 1500; count += 1) {
    const [method, path] = pick(ROUTES).split(' ') as [string, string];
    const url = `${fixture.url}${path.replaceAll('@', () => pick(ids))}?${query()}`;
    const whole = JSON.stringify(value(5)) ?? '';
    const body = random() < 0.2 ? whole.slice(0, Math.floor(random() * whole.length)) : whole;
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${pick([fixture.apiKey, fixture.environmentKey])}`,
        'anthropic-beta': 'managed-agents-2026-04-01',
        'content-type': pick(['application/json', 'application/json', 'application/json', 'text/plain']),
      },
      ...(method === 'POST' ? { body } : {}),
    });
    const text = await response.text();
    seen.add(response.status);
    expect(response.status === 501 ? 200 : response.status, `${method} ${url} ${body} ${text}`).toBeLessThan(
      500,
    );
  }
  expect([...seen]).toEqual(expect.arrayContaining([200, 400, 403, 404, 415]));
});

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
