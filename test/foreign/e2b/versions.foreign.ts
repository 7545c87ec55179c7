/** Released versions of E2B's SDKs, old and new, do one task in local sandboxes. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StandIn, standIn } from '../../simulators/e2b-stand-in.ts';
import { beside, npmPackage, python, run } from '../programs.ts';
import { type Domain, domainOf } from './domain.ts';

// Those that know no address of the sandboxes reach them by a domain; no 1.x can pause.
const NPM = {
  domain: '1.0.7 1.5.3 1.13.2 2.0.3 2.6.4 2.51.0',
  addresses: '2.14.1 2.24.0 2.33.1 2.39.0 2.46.1 2.51.0',
};
const PYPI = {
  domain: '1.0.6 1.5.6 1.11.1 2.0.2 2.6.4 2.63.0',
  addresses: '2.15.3 2.25.1 2.40.0 2.50.0 2.63.0',
};

let e2b: StandIn;
let domain: Domain;
beforeAll(async () => {
  e2b = await standIn();
  domain = await domainOf(e2b.url);
});
afterAll(async () => {
  await domain?.end();
  await e2b?.end();
});

const WAYS = {
  domain: () => ({
    E2B_DOMAIN: domain.name,
    NODE_EXTRA_CA_CERTS: domain.certificate,
    SSL_CERT_FILE: domain.certificate,
  }),
  addresses: () => ({ E2B_API_URL: e2b.url, E2B_SANDBOX_URL: e2b.url }),
};

async function does(program: string, args: string[], env: Record<string, string>, version: string) {
  const running = run(program, args, { E2B_API_KEY: e2b.apiKey, ...env });
  try {
    await running.says('task done');
  } finally {
    await running.end();
  }
  for (const part of ['commands', 'files', ...(version.startsWith('1.') ? [] : ['paused'])])
    expect(running.output()).toContain(part);
}

describe.each(['domain', 'addresses'] as const)('by %s', (way) => {
  test.each(NPM[way].split(' '))('npm e2b %s', async (version) => {
    const SDK = await npmPackage(`e2b@${version}`);
    await does(process.execPath, [beside('e2b/task.cjs')], { SDK, ...WAYS[way]() }, version);
  });
  test.each(PYPI[way].split(' '))('PyPI e2b %s', async (version) => {
    const interpreter = await python(`e2b==${version}`);
    await does(interpreter, [beside('e2b/task_versions.py')], WAYS[way](), version);
  });
});
