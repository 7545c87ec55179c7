// What the model may put on a port of its sandbox: a server that answers to do harm. It imports nothing of ours, so that
// a command in a sandbox can write it down and start it:
//
//   node server.mjs PORT ATTACK [CANARY_URL [PATHS]]
//
// ATTACK: one of those below. CANARY_URL: where redirects lead. PATHS: which paths are attacked, as a regular expression;
// the others are answered like a toolhost would.
import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';

const [port, attack = 'null', canary = 'http://127.0.0.1:1/', paths = '.'] = process.argv.slice(2);
const attacked = new RegExp(paths);
const MIB = 1024 * 1024;
const BIDI = '\u202e\u0007\ud800 \u001b[31mtext of the sandbox';

const json = (response, value) => raw(response, JSON.stringify(value));
const raw = (response, text, headers = {}) => {
  response.writeHead(200, { 'content-type': 'application/json', ...headers });
  response.end(text);
};
const refuse = (status) => (response) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ code: 'x', message: BIDI.repeat(200) }));
};
const redirect = (status) => (response) => {
  response.writeHead(status, { location: canary });
  response.end();
};
/** Writes the same again and again, as fast as it is taken. */
const pour = (response, chunk, times) => {
  const write = () => {
    for (; times > 0 && !response.destroyed; times -= 1)
      if (!response.write(chunk)) return response.once('drain', write);
    response.end();
  };
  write();
};
/** 0.7 MB that become 700 MiB. */
let members;
const bomb = () => {
  members ??= Buffer.concat(Array(11).fill(gzipSync(Buffer.alloc(64 * MIB, 32))));
  return members;
};
const opening = (id) => `{"id":"${id}","state":"finished","bootId":"b","result":{"isError":false,"content":[`;
const finished = (id, content) => ({
  id,
  state: 'finished',
  bootId: 'b',
  result: { isError: false, content },
});

export const ATTACKS = {
  'redirect-301': redirect(301),
  'redirect-302': redirect(302),
  'redirect-303': redirect(303),
  'redirect-307': redirect(307),
  'redirect-308': redirect(308),
  /** 1,500 MiB of one string. */
  huge: (response, id) => {
    response.write(`${opening(id)}{"type":"text","text":"`);
    pour(response, 'x'.repeat(MIB), 1500);
  },
  /** A small text that would become large objects. */
  values: (response, id) => {
    response.write(`{"id":"${id}","state":"finished","result":[`);
    pour(response, '{},'.repeat(20_000), 130);
  },
  'tiny-chunks': (response) => pour(response, ' ', 4 * MIB),
  'gzip-bomb': (response) => raw(response, bomb(), { 'content-encoding': 'gzip' }),
  drip: (response) => {
    response.write('{');
    const timer = setInterval(() => response.write(' '), 1000);
    response.once('close', () => clearInterval(timer));
  },
  silent: () => undefined,
  close: (response) => response.socket.destroy(),
  headers: (response) => {
    response.socket.write('HTTP/1.1 200 OK\r\n');
    const pourOn = () => {
      while (
        !response.socket?.destroyed &&
        response.socket.write(`x-${Math.random()}: ${'y'.repeat(1000)}\r\n`)
      );
      response.socket?.once('drain', pourOn);
    };
    pourOn();
  },
  information: (response) => {
    const timer = setInterval(() => response.writeProcessing(), 1);
    response.once('close', () => clearInterval(timer));
  },
  /** A result of the largest size, which is a correct one in all but its sum. */
  large: (response, id) =>
    json(
      response,
      finished(
        id,
        Array.from({ length: 7 }, () => ({ type: 'text', text: 'é'.repeat(MIB / 2) })),
      ),
    ),
  'not-json': (response) => raw(response, BIDI),
  null: (response) => json(response, null),
  'empty-result': (response, id) => json(response, { id, state: 'finished', bootId: 'b', result: {} }),
  'wrong-types': (response, id) =>
    json(response, {
      id,
      version: {},
      files: { 7: 7 },
      state: 7,
      result: [],
      path: 7,
      skills: 7,
      outcomes: 7,
      count: '1',
    }),
  'wrong-id': (response) => json(response, finished('another', [{ type: 'text', text: 'stolen' }])),
  'huge-numbers': (response, id) =>
    json(response, {
      ...finished(id, []),
      version: 1e300,
      killed: -1,
      revision: 1e300,
      outputs: { files: [], count: 1e300, bytes: -1, complete: true },
    }),
  running: (response, id) => json(response, { id, state: 'running', bootId: 'b' }),
  'status-401': refuse(401),
  'status-404': refuse(404),
  'status-500': refuse(500),
};

const ANSWERS = [
  [/^\/health/, () => ({ ok: true, version: '999999', bootId: 'b' })],
  [/^\/skills$/, () => ({ skills: [] })],
  [
    /^\/outputs$/,
    () => ({
      files: [{ path: 'a', size: 1, modifiedAt: '2026-11-28T00:00:00Z' }],
      count: 1,
      bytes: 1,
      complete: true,
    }),
  ],
  [
    /^\/calls\//,
    (id) => ({
      id,
      state: 'finished',
      bootId: 'b',
      result: { isError: false, content: [{ type: 'text', text: 'ok' }] },
    }),
  ],
];

if (port) {
  const answer = ATTACKS[attack];
  if (!answer) throw new Error(`no attack is called ${attack}`);
  let requests = 0;
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    if (url === '/requests') return json(response, requests);
    requests += 1;
    request.resume();
    const [, id = 'x'] = /^\/calls\/([^/?]+)/.exec(url) ?? [];
    const known = ANSWERS.find(([path]) => path.test(url.split('?')[0]));
    if (!attacked.test(url) && known) return json(response, known[1](id));
    answer(response, id);
  });
  server.on('clientError', (_error, socket) => socket.destroy());
  process.on('uncaughtException', () => undefined);
  // The toolhost has the port until it is killed.
  server.on('error', () => setTimeout(listen, 10));
  const listen = () => server.listen(Number(port), process.env.HOSTILE_HOST ?? '127.0.0.1');
  server.on('listening', () => process.stdout.write(`${server.address().port}\n`));
  listen();
}
