// Which settings of a deployment's workers differ, from the marks in their identities.
import { expect, it } from 'vitest';
import { identityOf, marksOf, settingsThatDiffer } from '../../src/clients/pollers.ts';
import type { EnvironmentConfig } from '../../src/config.ts';

const environment: EnvironmentConfig = {
  anthropic: { environmentId: 'env_a', environmentKey: 'sk-ant-oat01-secret' },
  e2b: { apiKey: 'e2b_secret', template: 'base', timeoutMs: 1, autoResume: false, allowInternetAccess: true },
  session: { graceMs: 1_000, retentionMs: 2_000 },
  stuckCalls: 'run',
  limits: { account: { running: 5, startsPerSecond: 0 }, ofEnvironment: 0 },
};
const other = { ...environment, anthropic: { ...environment.anthropic, environmentId: 'env_b' } };

const worker = (environments: EnvironmentConfig[], buildId?: string) => ({
  buildId,
  marks: marksOf({ environments }),
});
const usual = worker([environment]);

it.each([
  ['environments', worker([environment, other])],
  ['settings of sessions and sandboxes', worker([{ ...environment, stuckCalls: 'answer' }])],
  ['limits on sandboxes', worker([{ ...environment, limits: { ...environment.limits, ofEnvironment: 3 } }])],
])('tells that workers differ in their %s', (what, second) => {
  expect(settingsThatDiffer([usual, second])).toEqual([what]);
});

it('finds no difference in the order of environments, credentials, another build, or an older version', () => {
  expect(settingsThatDiffer([worker([environment, other]), worker([other, environment])])).toEqual([]);
  const rotated = { ...environment, e2b: { ...environment.e2b, apiKey: 'e2b_new' } };
  expect(settingsThatDiffer([usual, worker([rotated])])).toEqual([]);
  expect(settingsThatDiffer([usual, worker([other], 'two')])).toEqual([]);
  expect(settingsThatDiffer([usual, { buildId: undefined, marks: undefined }])).toEqual([]);
});

it('shows no setting in the identity', () => {
  const identity = identityOf('1.2.3', usual.marks);
  expect(identity).toMatch(/^\d+@[^/]+\/v1\.2\.3\/[0-9a-f]{6}\.[0-9a-f]{6}\.[0-9a-f]{6}$/);
});
