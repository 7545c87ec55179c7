// Updates of a router inside E2B: address and database stay, and a version that does not run is taken back.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { takeTurn } from '../../harness/turns.ts';
import { CONFIG, type DeployedWorld, startDeployedWorld } from '../integration/deployed-world.ts';

let world: DeployedWorld;
let routerId: string;
let webhookUrl: string;
let sessionId: string;

beforeAll(async () => {
  world = await startDeployedWorld();
  const { code, stdout, stderr } = await world.deploy();
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const result = JSON.parse(stdout);
  routerId = result.sandboxId;
  webhookUrl = result.webhookUrl;
  const inside = await world.connect(routerId);
  await inside.files.write(`${CONFIG}/anthropic-webhook-signing-key`, await world.register(webhookUrl));
  sessionId = await world.newSession();
  await takeTurn(world.anthropic, sessionId, 'Use bash to echo before.');
});
afterAll(() => world?.close());

/** The same router as another version. @param broken file of it that ends the process as soon as it is loaded */
function packageOf(version: string, broken?: string): string {
  const folder = join(world.folder, version);
  mkdirSync(folder);
  execFileSync('tar', ['-xzf', world.packed, '-C', folder]);
  const manifest = join(folder, 'package/package.json');
  writeFileSync(manifest, JSON.stringify({ ...JSON.parse(readFileSync(manifest, 'utf8')), version }));
  if (broken !== undefined) writeFileSync(join(folder, 'package', broken), 'process.exit(1);\n');
  const file = join(world.folder, `${version}.tgz`);
  execFileSync('tar', ['-czf', file, '-C', folder, 'package']);
  return file;
}

const update = (file: string) => world.command(['--json', 'deploy', 'e2b', 'update', '--package', file]);

it('a call that runs meanwhile runs once, and sessions, address and keys are as before', async () => {
  const running = takeTurn(
    world.anthropic,
    sessionId,
    'Use bash to echo line >> /mnt/session/count; sleep 45; wc -l < /mnt/session/count.',
  );
  const { code, stdout, stderr } = await update(packageOf('0.1.0-next.1'));
  expect({ code, stderr }).toMatchObject({
    code: 0,
    stderr: expect.stringContaining('running calls are handed over'),
  });
  expect(JSON.parse(stdout)).toMatchObject({
    sandboxId: routerId,
    to: expect.stringMatching(/^0\.1\.0-next\.1-/),
  });
  expect(await world.status()).toMatchObject({
    webhookUrl,
    version: '0.1.0-next.1',
    worker: 'runs',
    signingKeySet: true,
  });
  // This command is another version.
  expect(await world.status()).toMatchObject({
    problems: [],
    warnings: [expect.stringContaining('run deploy e2b update')],
  });
  expect((await running).answer.trim()).toBe('1');
  const listed = await world.command(['--json', 'deploy', 'e2b', 'exec', '--', 'sessions', 'list']);
  expect(listed.stdout).toContain(sessionId);
});

it('the same version again changes nothing', async () => {
  const { release } = await world.status();
  const again = await update(join(world.folder, '0.1.0-next.1.tgz'));
  expect(again).toMatchObject({ code: 0, stderr: expect.stringContaining('already') });
  expect(await world.status()).toMatchObject({ release });
});

it.each([
  ['0.1.0-next.2', 'dist/src/main.js'],
  ['0.1.0-next.3', 'dist/src/worker.js'],
])('a version that does not run is taken back', async (version, broken) => {
  const { release } = await world.status();
  const updated = await update(packageOf(version, broken));
  expect(updated).toMatchObject({ code: 1, stderr: expect.stringContaining(`runs ${release} again`) });
  expect(await world.status()).toMatchObject({ release, worker: 'runs' });
  const turn = await takeTurn(world.anthropic, sessionId, 'Use bash to echo after.');
  expect(turn.answer).toContain('after');
});
