// The template of the router's own sandbox.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'e2b';
import { expect, it } from 'vitest';
import { routerTemplate } from '../../template/build-router-template.ts';

it('holds the packed router below its version, folders that only its user reads, and no key', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'router-template-'));
  const file = join(folder, 'release-1.2.3-abc.tar.gz');
  writeFileSync(file, 'archive');
  const template = routerTemplate({ id: '1.2.3-abc', file }, '/opt/managed-agents-router');
  const definition = JSON.parse(await Template.toJSON(template));
  rmSync(folder, { recursive: true });
  expect(definition).toMatchObject({
    fromImage: 'node:24-bookworm-slim',
    startCmd: expect.stringMatching(
      /flock -n 9 && while :; do node \/opt\/managed-agents-router\/current\/node_modules\/managed-agents-router\/dist\/src\/main.js inside-e2b; sleep 1; done$/,
    ),
    readyCmd: expect.stringContaining('http://127.0.0.1:8000/health'),
  });
  const steps = definition.steps as { type: string; args: string[] }[];
  expect(steps.map(({ type }) => type)).toEqual(['RUN', 'COPY', 'RUN', 'USER', 'WORKDIR']);
  const install = steps[2]?.args[0] ?? '';
  expect(install).toContain('tar -xzf /tmp/release.tar.gz -C /opt/managed-agents-router/versions/1.2.3-abc');
  expect(install).toContain('ln -sfn versions/1.2.3-abc /opt/managed-agents-router/current');
  expect(install).toContain(
    'mkdir -p -m 700 /opt/managed-agents-router/config /opt/managed-agents-router/data',
  );
  expect(steps.some(({ type }) => type === 'ENV')).toBe(false);
});
