// Generates malformed deliveries from a seed: valid deliveries, each broken in one way that a sender or attacker might.
import { gzipSync } from 'node:zlib';
import { eventBody, newSigningKey, type SignedRequest, signed } from './signed-delivery.ts';

export interface Corrupted extends SignedRequest {
  /** How it was broken, for the message of a test that fails. */
  how: string;
  method: string;
}

/** A whole number from 0 up to, not including, `below`. */
type Random = (below: number) => number;

type Corrupt = (key: string, random: Random) => Partial<SignedRequest> & { method?: string };

const valid = (key: string): SignedRequest => signed(key, eventBody('session.status_run_started', 'whe_1'));
const pick = <T>(random: Random, values: readonly T[]): T => values[random(values.length)] as T;
const bytes = (random: Random, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random(256)));
const text = (random: Random, length: number): string =>
  Array.from({ length }, () => String.fromCharCode(33 + random(94))).join('');
const without = (headers: Record<string, string>, name: string): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name));

/** Bodies that are not events, to be signed correctly. */
const JUNK: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  '',
  'x'.repeat(5_000),
  [],
  [[]],
  {},
  { toString: 1 },
  ['whe_1'],
  '../x',
  'a b',
  '\u0000',
  '𝒳',
];

/** A valid event with one of its parts replaced by junk. */
function junkEvent(random: Random): string {
  const event = JSON.parse(eventBody('session.status_run_started', 'whe_1'));
  const part = pick(random, ['type', 'id', 'data', 'data.type', 'data.id']);
  const junk = pick(random, JUNK);
  if (part.startsWith('data.')) event.data[part.slice('data.'.length)] = junk;
  else event[part] = junk;
  return JSON.stringify(event);
}

const WAYS: Record<string, Corrupt> = {
  'a bit of the body flipped': (key, random) => {
    const { payload } = valid(key);
    const at = random(payload.length);
    payload[at] = (payload[at] as number) ^ (1 << random(8));
    return { payload };
  },
  'body truncated': (key, random) => {
    const { payload } = valid(key);
    return { payload: payload.subarray(0, random(payload.length)) };
  },
  'bytes appended': (key, random) => ({
    payload: Buffer.concat([valid(key).payload, bytes(random, 1 + random(64))]),
  }),
  'signature changed': (key, random) => {
    const { headers } = valid(key);
    const signature = headers['webhook-signature'] as string;
    // Not in the last characters of the base64, because some of their bits are unused.
    const at = 3 + random(signature.length - 8);
    const other = signature[at] === 'A' ? 'B' : 'A';
    return {
      headers: { ...headers, 'webhook-signature': signature.slice(0, at) + other + signature.slice(at + 1) },
    };
  },
  'signature of another form': (key, random) => {
    const forms = [
      '',
      'v1',
      'v1,',
      'v2,AAAA',
      ',',
      `v1,${text(random, 44)}`,
      'v1,AAAA '.repeat(200),
      text(random, 2_000),
    ];
    return { headers: { ...valid(key).headers, 'webhook-signature': pick(random, forms) } };
  },
  'signed with another key': () => valid(newSigningKey()),
  'a header missing': (key, random) => {
    const names = ['webhook-id', 'webhook-timestamp', 'webhook-signature', 'content-type'];
    return { headers: without(valid(key).headers, pick(random, names)) };
  },
  'too old or too new': (key, random) => {
    const now = Math.floor(Date.now() / 1000);
    const age = 400 + random(1_000_000);
    return signed(key, eventBody('session.status_run_started', 'whe_1'), {
      at: now + (random(2) ? age : -age),
    });
  },
  'a timestamp that is none': (key, random) => {
    const odd = ['', 'now', 'NaN', '-1', '1e400', '0x10', '9'.repeat(400), text(random, 12)];
    return { headers: { ...valid(key).headers, 'webhook-timestamp': pick(random, odd) } };
  },
  'signed, but the id in the header is another': (key, random) => {
    return signed(key, eventBody('session.status_run_started', 'whe_1'), { id: `whe_${random(1e9)}x` });
  },
  'signed bytes that are no JSON': (key, random) => signed(key, bytes(random, random(300))),
  'signed JSON that is cut': (key, random) => {
    const body = eventBody('session.status_run_started', 'whe_1');
    return signed(key, body.slice(0, random(body.length)));
  },
  'signed JSON of the wrong shape': (key, random) => signed(key, junkEvent(random)),
  'signed and nested deeply': (key, random) => {
    const depth = 1_000 + random(100_000);
    return signed(key, random(2) ? `${'['.repeat(depth)}${']'.repeat(depth)}` : '{"data":'.repeat(depth));
  },
  'signed in another encoding': (key, random) => {
    const body = eventBody('session.status_run_started', 'whe_1');
    return signed(
      key,
      pick(random, [Buffer.from(body, 'utf16le'), Buffer.from(`\ufeff\ufeff${body}`), gzipSync(body)]),
    );
  },
  compressed: (key, random) => ({
    headers: { ...valid(key).headers, 'content-encoding': pick(random, ['gzip', 'br', 'deflate', 'zstd']) },
  }),
  'another content type': (key, random) => {
    const types = [
      'text/plain',
      'text/json',
      'application/xml',
      'multipart/form-data',
      '/',
      text(random, 20),
    ];
    return { headers: { ...valid(key).headers, 'content-type': pick(random, types) } };
  },
  oversized: (key, random) => signed(key, Buffer.alloc(1024 * 1024 + 1 + random(100_000), 0x20)),
  'headers beyond all measure': (key, random) => ({
    headers: { ...valid(key).headers, 'x-filler': 'x'.repeat(20_000 + random(20_000)) },
  }),
  'another method': (_key, random) => ({ method: pick(random, ['PUT', 'PATCH', 'DELETE']) }),
};

/** Endless malformed deliveries; equal seeds give equal deliveries, apart from time stamps. */
export function* corruptedDeliveries(key: string, seed: number): Generator<Corrupted, never> {
  const random = mulberry32(seed);
  for (;;) {
    const [how, corrupt] = pick(random, Object.entries(WAYS));
    yield { how, method: 'POST', ...valid(key), ...corrupt(key, random) };
  }
}

/** A small seeded generator, random enough to pick test cases. */
function mulberry32(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
