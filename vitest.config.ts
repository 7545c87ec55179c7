// Every test, as projects. `npm test` runs those that need nothing but this machine; the other projects have an npm
// script each. `npx vitest run --project unit` runs one project, `npx vitest run test/toolhost` what lies in a folder.
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { servicesWithKeys } from './test/conformance/keys.ts';

type Settings = NonNullable<TestProjectInlineConfiguration['test']>;

const common: Settings = {
  setupFiles: ['test/end-on-signal.ts'],
  // Forked processes: Temporal's native side and the servers of one file stay apart from another's.
  pool: 'forks',
  maxWorkers: 2,
  // The cases of the crash matrix mostly wait, for time-outs that run side by side.
  maxConcurrency: 20,
  // Generous: a loaded machine makes no test fail.
  expect: { poll: { timeout: 15_000 } },
  testTimeout: 30_000,
  hookTimeout: 60_000,
};

function project(name: string, include: string[], settings: Settings = {}): TestProjectInlineConfiguration {
  return { test: { ...common, name, include, ...settings } };
}

/** Not part of `npm test`, one file after the other; only projects of one group have as many workers as each other. */
function apart(groupOrder: number, minutes: number): Settings {
  return {
    maxWorkers: 1,
    sequence: { groupOrder },
    testTimeout: minutes * 60_000,
    // The first run fetches packages and compiles.
    hookTimeout: 600_000,
  };
}

export default defineConfig({
  test: {
    // Once for all projects of a run.
    globalSetup: [
      'test/bundles.mjs',
      'test/sandboxes.ts',
      'test/shared-temporal.ts',
      'test/dead-processes.ts',
    ],
    teardownTimeout: 15_000,
    // Temporal's client may try a call again after its connection was closed, when no test waits for the call any more.
    onUnhandledError: (error) => (error.message === 'Channel has been shut down' ? false : undefined),
    projects: [
      project('unit', ['test/{activities,chaos,hostile,src,template,toolhost,workflows}/**/*.test.ts']),
      project('simulators', ['simulators/test/**/*.test.ts']),
      project('conformance', ['test/conformance/*.test.ts']),
      project('integration', ['test/{integration,scenarios}/**/*.test.ts']),
      project('crash', ['test/crash/**/*.test.ts']),
      // The npm package and the npm scripts, installed and run as a person does it.
      project('package', ['test/package/**/*.test.ts']),

      // `npm run histories`: the recorders, which play each story and save its history for the replay tests.
      project('histories', ['test/histories/**/*.record.ts'], apart(1, 3)),
      // `npm run test:foreign`: programs of other makers, unmodified from their registries, against the simulators.
      // Needs python3 and go, and the registries at the first run; what is missing fails with the way to install it.
      project('foreign', ['test/foreign/{e2b,managed-agents,opentelemetry}/**/*.foreign.ts'], apart(2, 2)),
      // `npm run test:routers`: routers of other makers, from GitHub or folders given (docs/foreign-programs.md).
      project('routers', ['test/foreign/routers/*.foreign.ts'], apart(3, 4)),
      // `npm run test:browser`: Temporal's UI in Chromium.
      project('browser', ['test/browser/**/*.test.ts'], apart(5, 1)),
      // `npm run test:deploy`: Kubernetes and Compose files, read by the libraries of these programs. Needs go.
      project('deploy', ['test/deploy/*.test.ts'], apart(6, 1)),
      // `npm run test:prometheus`: a Prometheus of the distribution scrapes a world (docs/metrics.md).
      project('prometheus', ['test/prometheus/*.test.ts'], apart(7, 3)),
      // `npm run test:cluster`: a Temporal cluster on PostgreSQL (docs/cluster.md).
      project('cluster', ['test/cluster/**/*.test.ts'], {
        ...apart(6, 15),
        globalSetup: ['test/cluster/programs.ts'],
      }),
      // `npm run test:inside`: updates of a router inside E2B, and what takes long there (docs/inside-e2b.md).
      project('inside-e2b', ['test/inside-e2b/**/*.long.ts'], apart(8, 15)),
      // `npm run test:pauses`: the router inside E2B, paused for minutes and over a day, and put back to a snapshot.
      project('pauses', ['test/pauses/**/*.long.ts'], apart(9, 20)),
      // `npm run test:real`: the conformance tests against the services whose keys are set (docs/conformance.md).
      project(
        'real',
        servicesWithKeys().map((service) => `test/conformance/${service}.test.ts`),
        {
          ...apart(4, 2),
          globalSetup: ['test/conformance/keys.ts'],
          env: { CONFORMANCE: 'real' },
          expect: { poll: { timeout: 30_000 } },
        },
      ),
    ],
  },
});
