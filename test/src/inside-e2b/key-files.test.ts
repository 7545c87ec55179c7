// The config folder of a router inside E2B.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { webhookVariables, workerVariables } from '../../../src/inside-e2b/child-variables.ts';
import { readKeyFiles } from '../../../src/inside-e2b/key-files.ts';
import { type Layout, layoutIn } from '../../../src/inside-e2b/layout.ts';

let layout: Layout;
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'key-files-'));
  layout = layoutIn(folder);
  mkdirSync(layout.config);
});
afterEach(() => rmSync(join(layout.config, '..'), { recursive: true, force: true }));

const put = (name: string, content: string) => writeFileSync(join(layout.config, name), content);

it('takes the names of the variables, in lower case with dashes, and the guide’s name of the scope', () => {
  put('e2b-api-key', ' e2b_0011\r\n');
  put('anthropic-environment-id', 'env_1');
  put('session-grace-seconds', '5');
  put('app-sandbox-routing-scope', 'agent');
  put('.e2b-api-key.swp', 'of an editor');
  expect(readKeyFiles(layout)).toMatchObject({
    variables: {
      E2B_API_KEY: 'e2b_0011',
      ANTHROPIC_ENVIRONMENT_ID: 'env_1',
      SESSION_GRACE_SECONDS: '5',
      ROUTING_SCOPE: 'agent',
    },
    problems: [],
  });
});

it.each([
  ['e2b-api-key', '\n', 'is empty'],
  ['e2b-api-key', 'one\ntwo', 'has several lines'],
  ['e2b-api-key', 'x'.repeat(65 * 1024), 'is larger than 64 KiB'],
  ['e2b-api-key', 'x'.repeat(9 * 1024), 'is larger than 8 KiB'],
  ['e2b-api-key', 'e2b_0011\0secret', 'holds control characters'],
  ['e2b-api-key', 'e\x002\x00b\x00_\x00', 'holds control characters'],
  ['anthropic-webhook-signing-key', '', 'is empty'],
  ['anthropic-webhook-signing-key', 'whsec_c2Vj\0cmV0', 'must hold a signing key'],
  ['anthropic-webhook-signing-key', 'sk-ant-oat01-secret', 'holds an environment key of Anthropic'],
  ['anthropic-api-keys', 'sk-ant-api03-secret', 'Did you mean anthropic-api-key?'],
  ['temporal-address', 'elsewhere:7233', 'there is no such setting'],
  ['webhook-port', '80', 'there is no such setting'],
])('says what is wrong with %s, without its content', (name, content, said) => {
  put(name, content);
  const { variables, problems } = readKeyFiles(layout);
  expect(variables).toEqual({});
  expect(problems).toEqual([expect.stringContaining(said)]);
  expect(problems[0]).toContain(`The file ${name} `);
  if (content.trim()) expect(problems[0]).not.toContain(content.trim());
});

it('several signing keys are right while they are rotated', () => {
  put('anthropic-webhook-signing-key', '# new\nwhsec_c2VjcmV0c2VjcmV0\nwhsec_b3RoZXJvdGhlcm90aGVy\n');
  expect(readKeyFiles(layout).problems).toEqual([]);
});

it('a folder in the place of a file is a problem, no crash', () => {
  mkdirSync(join(layout.config, 'e2b-api-key'));
  expect(readKeyFiles(layout).problems).toEqual(['The file e2b-api-key is not a file']);
});

it('the version changes with every content and name', () => {
  const versions = new Set([readKeyFiles(layout).version]);
  put('e2b-api-key', 'a');
  versions.add(readKeyFiles(layout).version);
  put('e2b-api-key', 'b');
  versions.add(readKeyFiles(layout).version);
  rmSync(join(layout.config, 'e2b-api-key'));
  put('log-level', 'b');
  versions.add(readKeyFiles(layout).version);
  expect(versions.size).toBe(4);
});

it('the webhook server gets no secret; the worker gets all; a configuration file is for both', () => {
  put('managed-agents-router.yaml', 'session: { graceSeconds: 5 }\n');
  const fromFiles = { E2B_API_KEY: 'e2b_1', ANTHROPIC_ENVIRONMENT_KEY: 'k', ROUTING_SCOPE: 'agent' };
  const webhook = webhookVariables(fromFiles, layout);
  expect(webhook).toMatchObject({ ROUTING_SCOPE: 'agent', ROUTER_CONFIG_FILE: layout.configFile });
  expect(Object.values(webhook)).not.toContain('e2b_1');
  expect(Object.values(webhook)).not.toContain('k');
  expect(workerVariables(fromFiles, layout)).toMatchObject({
    ...fromFiles,
    ROUTER_CONFIG_FILE: layout.configFile,
  });
});
