// An E2B simulator for the tests of the file that imports this one. It has two templates: `greeter` counts requests, and the
// other one is broken. Hooks start it before the tests, remove all sandboxes after each test, and stop it at the end.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from 'e2b';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from './e2b-simulator.ts';

export let e2b: E2BSimulator;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'e2b-templates-'));
  const templates = await Promise.all([
    manifest('greeter', {
      startCmd: 'node /opt/greeter/server.cjs',
      readyCmd: 'exec 3<>/dev/tcp/127.0.0.1/8000',
      env: { NAME: 'greeter' },
      workdir: '/mnt/session',
      user: 'user',
    }),
    manifest('broken', { startCmd: 'echo no such luck >&2; exit 7', readyCmd: 'false' }),
  ]);
  e2b = await startE2BSimulator({ templates });
});
afterAll(async () => {
  await e2b?.end();
  await rm(folder, { recursive: true, force: true });
});
afterEach(async () => {
  await e2b.admin('DELETE', '/faults');
  await e2b.admin('PATCH', '/switches', { resume: 'memory', 'concurrent-sandboxes': 0 });
  const pages = e2b.Sandbox.list();
  while (pages.hasNext)
    for (const { sandboxId } of await pages.nextItems()) await e2b.Sandbox.kill(sandboxId);
});

/** A template whose program listens on port 8000 and counts the requests since it started. */
async function manifest(name: string, settings: object): Promise<string> {
  const tree = join(folder, name);
  await mkdir(join(tree, 'opt/greeter'), { recursive: true });
  await mkdir(join(tree, 'mnt/session/inbox'), { recursive: true });
  await writeFile(
    join(tree, 'opt/greeter/server.cjs'),
    `let count = 0;
    require('node:http').createServer((request, response) => {
      count += 1;
      response.end([process.env.NAME, process.env.SECRET, process.cwd(), process.getuid(), count].join(' '));
    }).listen(8000);`,
  );
  const path = join(folder, `${name}.json`);
  await writeFile(path, JSON.stringify({ name, dir: name, ...settings }));
  return path;
}

export async function ask(sandbox: Sandbox, port = 8000): Promise<[number, string]> {
  const answer = await fetch(e2b.url, {
    headers: {
      'e2b-sandbox-id': sandbox.sandboxId,
      'e2b-sandbox-port': String(port),
      ...(sandbox.trafficAccessToken ? { 'e2b-traffic-access-token': sandbox.trafficAccessToken } : {}),
    },
  });
  return [answer.status, await answer.text()];
}

export const stateOf = async ({ sandboxId }: Sandbox) => (await e2b.Sandbox.getInfo(sandboxId)).state;
