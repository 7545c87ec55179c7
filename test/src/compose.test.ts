// The settings that docker-compose.yml passes to each container, and the command line in the image.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { TRACES } from '../../src/config/traces-settings.ts';
import { loadWebhookConfig } from '../../src/config.ts';
import { projectPath } from '../../src/paths.ts';

interface Service {
  environment?: Record<string, string>;
  env_file?: unknown;
  volumes?: unknown;
  secrets?: unknown;
}
const { services } = parse(readFileSync(projectPath('docker-compose.yml'), 'utf8'), { merge: true }) as {
  services: Record<string, Service>;
};

it('passes the webhook server the settings that it reads, and no key but the signing key', () => {
  const { environment = {}, env_file, volumes, secrets } = services.webhook ?? {};
  expect({ env_file, secrets }).toEqual({});
  expect(volumes).toEqual(['./config:/config:ro']);
  expect(Object.keys(environment).sort()).toEqual([
    'ADMIN_HOST',
    'ADMIN_PORT',
    'ANTHROPIC_WEBHOOK_SIGNING_KEY',
    'LOG_LEVEL',
    'OTEL_EXPORTER_OTLP_ENDPOINT',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'OTEL_SERVICE_NAME',
    'OTEL_TRACES_SAMPLER_ARG',
    'ROUTER_DEPLOYMENT',
    'TEMPORAL_ADDRESS',
    'TEMPORAL_API_KEY',
    'TEMPORAL_NAMESPACE',
    'WEBHOOK_HOST',
    'WEBHOOK_PORT',
  ]);
  // No other value of `.env` is passed under another name.
  const named = Object.values(environment).flatMap((value) =>
    [...value.matchAll(/\$\{(\w+)/g)].map(([, name]) => name),
  );
  expect(named.sort()).toEqual(
    Object.keys(environment)
      .filter((name) => !/^(ADMIN|WEBHOOK)_/.test(name))
      .sort(),
  );
  expect(services.worker?.env_file).toBeTruthy();
});

it('lets the webhook server start with empty optional variables', () => {
  const given = services.webhook?.environment ?? {};
  const unset = Object.entries(given).map(([name, value]) => [
    name,
    value.replace(/^\$\{\w+:-(.*)\}$/, '$1'),
  ]);
  expect(loadWebhookConfig(Object.fromEntries(unset))).toMatchObject({
    temporal: { connectionOptions: { address: 'temporal:7233' }, namespace: 'default' },
    environmentId: '',
    webhook: { host: '0.0.0.0', port: 8000 },
    traces: { serviceName: 'managed-agents-router', sampleRatio: 1 },
  });
});

it('lets webhook server and worker send their spans to the same place', () => {
  const variables = Object.values(TRACES).map(({ variable }) => variable);
  expect(Object.keys(services.webhook?.environment ?? {})).toEqual(expect.arrayContaining(variables));
  const given = Object.fromEntries(
    Object.entries(services.webhook?.environment ?? {}).map(([name, value]) => [
      name,
      name === TRACES.endpoint.variable ? 'http://collector:4318' : value.replace(/^\$\{.*\}$/, ''),
    ]),
  );
  expect(loadWebhookConfig(given).traces.endpoint).toBe('http://collector:4318');
  // The worker gets all of `.env`, and nothing overrules it.
  expect(Object.keys(services.worker?.environment ?? {})).not.toEqual(
    expect.arrayContaining([expect.stringMatching(/^OTEL_/)]),
  );
});

it('has the CA certificates that a TLS connection to Temporal needs in the image of the router', () => {
  const [, router = ''] = readFileSync(projectPath('Dockerfile'), 'utf8').split(' AS router\n');
  const [beforeUser = ''] = router.split('\nUSER ');
  expect(beforeUser).toMatch(/apt-get install [^&]*\bca-certificates\b/);
});

it('has the command line on the PATH of the image', () => {
  const { bin } = JSON.parse(readFileSync(projectPath('package.json'), 'utf8'));
  const [, router = ''] = readFileSync(projectPath('Dockerfile'), 'utf8').split(' AS router\n');
  const [beforeUser = ''] = router.split('\nUSER ');
  for (const [name, file] of Object.entries(bin))
    expect(beforeUser).toContain(`chmod +x ${file} && ln -s /app/${file} /usr/local/bin/${name}`);
});
