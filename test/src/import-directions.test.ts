// The import directions between rooms are lint rules; this shows that each rule catches what it is for.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const BIOME = projectPath('node_modules/@biomejs/biome/bin/biome');

const FORBIDDEN = [
  ['workflows', "import { readFile } from 'node:fs/promises';"],
  ['workflows', "import { createActivities } from '../activities/index.ts';"],
  ['workflows', "import type { Deps } from '../activities/deps.ts';"],
  ['workflows', "import type { Activities } from '../activities/index.ts';"],
  ['workflows/session', "import type { Activities } from '../../activities/index.ts';"],
  ['activities/sandbox', "import type { SessionState } from '../../workflows/session/state.ts';"],
  ['workflows', "import type { Config } from '../src/config.ts';"],
  ['workflows', "import { z } from 'zod';"],
  ['workflows/session', "import { createActivities } from '../../activities/index.ts';"],
  ['workflows/session', "import { Clock } from '../../simulators/common/clock.ts';"],
  ['activities/sandbox', "import { startWorker } from '../../src/worker.ts';"],
  ['activities', "import { Clock } from '../simulators/common/clock.ts';"],
  ['activities', "import { TOOLHOST_VERSION } from '../toolhost/version.ts';"],
  ['activities', "import { startWorker } from '../src/worker.ts';"],
  ['activities', "import { sessionWorkflow } from '../workflows/session/workflow.ts';"],
  ['src', "import { Clock } from '../simulators/common/clock.ts';"],
  ['src', "import { Calls } from '../toolhost/calls.ts';"],
  ['src', "import { createWatchSession } from '../activities/session/watch-session.ts';"],
  ['src/webhook', "import { sessionWorkflow } from '../../workflows/index.ts';"],
  ['src/clients', "import { Clock } from '../../simulators/common/clock.ts';"],
  ['src/clients', "import { createActivities } from '../../activities/index.ts';"],
  ['src/clients', "import { startWorker } from '../worker.ts';"],
  ['toolhost', "import { projectPath } from '../src/paths.ts';"],
  ['toolhost', "import { DEFINITION } from '../template/definition.ts';"],
  ['template', "import { Clock } from '../simulators/common/clock.ts';"],
  ['simulators', "import { projectPath } from '../src/paths.ts';"],
  ['simulators/anthropic', "import { TASK_QUEUE } from '../../workflows/messages.ts';"],
  ['simulators/e2b/isolation', "import { TOOLHOST_VERSION } from '../../../toolhost/version.ts';"],
] as const;

const ALLOWED = [
  ['workflows/session', "import type { Activities } from '../contract.ts';"],
  ['activities/sandbox', "import type { Activities } from '../../workflows/contract.ts';"],
  ['workflows', "import { TASK_QUEUE } from './messages.ts';"],
  ['workflows/session', "import { renew } from '../renewal.ts';"],
  ['activities/sandbox', "import type { Config } from '../../src/config.ts';"],
  ['activities', "import { TASK_QUEUE } from '../workflows/messages.ts';"],
  ['activities', "import { createSessions } from '../src/clients/sessions.ts';"],
  ['src', "import { createActivities } from '../activities/index.ts';"],
  ['src', "import { POOLS } from '../workflows/task-queues.ts';"],
  ['simulators/anthropic', "import { Clock } from '../common/clock.ts';"],
  ['demo', "import { Clock } from '../simulators/common/clock.ts';"],
] as const;

let dir: string;
let refused: string[];

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'import-directions-'));
  copyFileSync(projectPath('biome.json'), join(dir, 'biome.json'));
  for (const [index, [room, statement]] of [...FORBIDDEN, ...ALLOWED].entries()) {
    mkdirSync(join(dir, room), { recursive: true });
    writeFileSync(join(dir, fileOf(room, index)), `${statement}\n`);
  }
  const args = ['lint', '--only=style/noRestrictedImports', '--reporter=json', '--max-diagnostics=none', '.'];
  const { stdout, stderr } = spawnSync(process.execPath, [BIOME, ...args], { cwd: dir, encoding: 'utf8' });
  if (!stdout.startsWith('{')) throw new Error(stderr);
  const { diagnostics } = JSON.parse(stdout) as {
    diagnostics: { category: string; location: { path: string } }[];
  };
  refused = diagnostics.map(({ location }) => location.path);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const fileOf = (room: string, index: number) => `${room}/import-${index}.ts`;

it.each(FORBIDDEN.map((one, index) => [...one, index] as const))(
  '%s may not: %s',
  (room, _statement, index) => {
    expect(refused).toContain(fileOf(room, index));
  },
);

it.each(ALLOWED.map((one, index) => [...one, FORBIDDEN.length + index] as const))(
  '%s may: %s',
  (room, _statement, index) => {
    expect(refused).not.toContain(fileOf(room, index));
  },
);
