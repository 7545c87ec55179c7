// What docker-compose.yml hands to each container.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { loadWebhookConfig } from '../../src/config.ts';
import { projectPath } from '../../src/paths.ts';

interface Service {
  environment?: Record<string, string>;
  env_file?: unknown;
  volumes?: unknown;
  secrets?: unknown;
}
const { services } = parse(readFileSync(projectPath('docker-compose.yml'), 'utf8')) as {
  services: Record<string, Service>;
};

it('gives the webhook server the settings that it reads, and no key but that of its deliveries', () => {
  const { environment = {}, env_file, volumes, secrets } = services.webhook ?? {};
  expect({ env_file, volumes, secrets }).toEqual({});
  expect(Object.keys(environment).sort()).toEqual([
    'ANTHROPIC_WEBHOOK_SIGNING_KEY',
    'LOG_LEVEL',
    'TEMPORAL_ADDRESS',
    'WEBHOOK_HOST',
    'WEBHOOK_PORT',
  ]);
  // Nothing else of `.env` comes in under another name.
  const named = Object.values(environment).flatMap((value) =>
    [...value.matchAll(/\$\{(\w+)/g)].map(([, name]) => name),
  );
  expect(named.sort()).toEqual(['ANTHROPIC_WEBHOOK_SIGNING_KEY', 'LOG_LEVEL']);
  expect(services.worker?.env_file).toBeTruthy();
});

it('the webhook server starts with these, whatever is set of those that may be empty', () => {
  const given = services.webhook?.environment ?? {};
  const unset = Object.entries(given).map(([name, value]) => [name, value.startsWith('${') ? '' : value]);
  expect(loadWebhookConfig(Object.fromEntries(unset))).toMatchObject({
    environmentId: '',
    webhook: { host: '0.0.0.0', port: 8000 },
  });
});
