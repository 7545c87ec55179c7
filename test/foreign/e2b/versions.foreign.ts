/** Older releases of E2B's SDKs carry out the same task in local sandboxes. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { beside, npmPackage, python, type Running, run } from '../programs.ts';
import { type Domain, domainOf } from './versions/domain.ts';

type Way = 'domain' | 'addresses';

// Releases that do not support E2B_SANDBOX_URL, or do not name the sandbox in their requests, need a domain.
const RELEASES: [registry: 'npm' | 'PyPI', way: Way, versions: string][] = [
  ['npm', 'domain', '1.0.7 1.5.3 1.13.2 2.0.3 2.6.4'],
  ['npm', 'addresses', '2.14.1 2.24.0 2.39.0'],
  ['PyPI', 'domain', '1.0.6 1.5.6 1.11.1 2.0.2 2.6.4 2.15.3'],
  ['PyPI', 'addresses', '2.25.1 2.50.0'],
];

let e2b: E2BSimulator;
let domain: Domain;
let running: Running | undefined;
beforeAll(async () => {
  e2b = await startE2BSimulator();
  domain = await domainOf(e2b.url);
});
// Kills the sandboxes of a failed task, which the next task must not list.
afterEach(async () => {
  await running?.end();
  for (const { sandboxId } of await e2b.Sandbox.list().nextItems()) await e2b.Sandbox.kill(sandboxId);
});
afterAll(async () => {
  await domain?.end();
  await e2b?.end();
});

function environment(way: Way): Record<string, string> {
  if (way === 'addresses') return { E2B_API_KEY: e2b.apiKey, E2B_API_URL: e2b.url, E2B_SANDBOX_URL: e2b.url };
  const { name, certificate } = domain;
  const trust = { NODE_EXTRA_CA_CERTS: certificate, SSL_CERT_FILE: certificate };
  return { E2B_API_KEY: e2b.apiKey, E2B_DOMAIN: name, ...trust };
}

const all = RELEASES.flatMap(([registry, way, versions]) =>
  versions.split(' ').map((version) => [registry, version, way] as const),
);

describe.each(all)('%s e2b %s by %s', (registry, version, way) => {
  let start: (env: Record<string, string>) => Running;
  // Outside of the test: a download takes as long as it takes.
  beforeAll(async () => {
    if (registry === 'npm') {
      const SDK = await npmPackage(`e2b@${version}`);
      start = (env) => run(process.execPath, [beside('e2b/versions/task.cjs')], { ...env, SDK });
    } else {
      const interpreter = await python(`e2b==${version}`);
      start = (env) => run(interpreter, [beside('e2b/versions/task.py')], env);
    }
  });

  test('carries out the task', async () => {
    running = start(environment(way));
    await running.says('task done');
    // Releases 1.x cannot pause sandboxes.
    for (const part of ['commands', 'files', ...(version.startsWith('1.') ? [] : ['pause'])])
      expect(running.output()).toContain(`${part} done`);
    expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
  });
});
