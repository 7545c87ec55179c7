// The clients of toolhost and envd, with something hostile on the port.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HostileServer, startHostile } from '../../harness/hostile/start.ts';
import { Envd } from '../../src/clients/envd.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';
import { Toolhost } from '../../src/clients/toolhost.ts';

const TOKEN = 'traffic-token-of-this-sandbox';
const signal = new AbortController().signal;

/** Each call that the router makes to a toolhost. */
const toToolhost: Record<string, (toolhost: Toolhost) => Promise<unknown>> = {
  health: (toolhost) => toolhost.health(),
  start: (toolhost) => toolhost.start('sevt_1', { name: 'bash', input: {}, timeoutMs: 1000 }, 0, signal),
  read: (toolhost) => toolhost.read('sevt_1', 0, signal),
  cancel: (toolhost) => toolhost.cancel('sevt_1'),
  'end of a session': (toolhost) => toolhost.endSession('sesn_1'),
  skills: (toolhost) => toolhost.skills(),
  'a skill': (toolhost) =>
    toolhost.installSkill({ name: 's', skillId: 's', versionId: 'v' }, new Uint8Array(300_000)),
  'mount of memory': (toolhost) => toolhost.mountMemory('m', { root: '/mnt/memory/m', readOnly: false }),
  'scan of memory': (toolhost) => toolhost.scanMemory('m'),
  'notes on memory': (toolhost) => toolhost.noteMemory('m', 0, {}),
  'a memory': (toolhost) => toolhost.readMemory('m', 'a'),
  'change of memory': (toolhost) => toolhost.changeMemory('m', { remove: [{ path: 'a', expect: 'b' }] }),
  outputs: (toolhost) => toolhost.outputs(),
};
const output = (toolhost: Toolhost) => toolhost.readOutput('a', signal, (content) => text(content));
/** Each call that the router makes to envd. */
const toEnvd: Record<string, (envd: Envd) => Promise<unknown>> = {
  run: (envd) => envd.run('true', 'root', 2_000),
  launch: (envd) => envd.launch('true', 'user', '/'),
  write: (envd) => envd.write('/a', new Uint8Array(300_000), 'root'),
  'is empty': (envd) => envd.isEmpty('/a', 'root'),
};

let canary: Server;
let canaryUrl: string;
let reached: string[];
let server: HostileServer | undefined;
beforeAll(async () => {
  canary = createServer((request, response) => {
    reached.push(`${request.method} ${request.url}`);
    response.end('{"internal":"page"}');
  }).listen(0, '127.0.0.1');
  await once(canary, 'listening');
  canaryUrl = `http://127.0.0.1:${(canary.address() as AddressInfo).port}/api/v1/terminate`;
});
afterAll(() => void canary.close());
afterEach(() => server?.stop());

async function attackedBy(attack: string) {
  reached = [];
  server = await startHostile(attack, { canary: canaryUrl });
  const port = { origin: server.origin, headers: { 'e2b-traffic-access-token': TOKEN } };
  return { toolhost: new Toolhost(port), envd: new Envd(port) };
}

async function failureOf(work: Promise<unknown>): Promise<SandboxHttpError> {
  const error = await work.then(
    (answer) => new Error(`answered ${JSON.stringify(answer).slice(0, 200)}`),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(SandboxHttpError);
  const { message } = error as Error;
  expect(message.length).toBeLessThan(400);
  expect(message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
  expect(message).not.toContain(TOKEN);
  return error as SandboxHttpError;
}

describe.each([301, 302, 303, 307, 308])('a redirect %s', (status) => {
  it('is a failed answer, and where it leads nothing is asked', async () => {
    const { toolhost, envd } = await attackedBy(`redirect-${status}`);
    for (const call of [...Object.values(toToolhost), output])
      expect(await failureOf(call(toolhost))).toMatchObject({ unusable: true, status });
    for (const call of Object.values(toEnvd))
      expect(await failureOf(call(envd))).toMatchObject({ unusable: true });
    expect(reached).toEqual([]);
  });
});

it.each(['values', 'gzip-bomb', 'not-json', 'null', 'wrong-types'])(
  'an answer that is no answer fails each call, and counts as one that no toolhost gives: %s',
  async (attack) => {
    const { toolhost } = await attackedBy(attack);
    for (const call of Object.values(toToolhost))
      expect(await failureOf(call(toolhost))).toMatchObject({ unusable: true });
  },
);

it.each(['empty-result', 'large', 'wrong-id', 'huge-numbers'])(
  'a call does not end with %s',
  async (attack) => {
    const { toolhost } = await attackedBy(attack);
    for (const name of ['start', 'read'])
      expect(
        await failureOf((toToolhost[name] as (host: Toolhost) => Promise<unknown>)(toolhost)),
      ).toMatchObject({
        unusable: true,
      });
  },
);

it('what has no end is not read to its end', async () => {
  const { toolhost, envd } = await attackedBy('huge');
  for (const call of [toToolhost.read, toToolhost.outputs, toToolhost.health])
    expect(await failureOf((call as (host: Toolhost) => Promise<unknown>)(toolhost))).toMatchObject({
      unusable: true,
    });
  await failureOf(envd.run('true', 'root', 2_000));
});

it.each(['headers', 'information', 'close'])('what is no answer fails at once: %s', async (attack) => {
  const { toolhost, envd } = await attackedBy(attack);
  await failureOf(toolhost.health());
  await failureOf(envd.run('true', 'root', 2_000));
});

it.each(['drip', 'silent', 'tiny-chunks'])(
  'what does not end is given up in time: %s',
  async (attack) => {
    const { toolhost, envd } = await attackedBy(attack);
    await Promise.all([
      failureOf(toolhost.health()),
      failureOf(toolhost.read('sevt_1', 0, signal)),
      failureOf(envd.run('true', 'root', 2_000)),
    ]);
  },
  20_000,
);

it.each([401, 404, 500])(
  'a refusal with %s says what the sandbox said, shortened and cleaned',
  async (status) => {
    const { toolhost } = await attackedBy(`status-${status}`);
    const error = await failureOf(toolhost.health());
    expect(error.status).toBe(status);
    expect(error.message).toContain('text of the sandbox');
  },
);
