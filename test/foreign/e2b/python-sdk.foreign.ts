/** E2B's Python SDK (synchronous and asynchronous) carries out a task in local sandboxes. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { beside, python, run } from '../programs.ts';

let interpreter: string;
let e2b: E2BSimulator;

beforeAll(async () => {
  interpreter = await python('e2b==2.63.0');
  e2b = await startE2BSimulator();
});
afterAll(() => e2b?.end());

test.each(['sync', 'async'])('e2b 2.63.0, %s', async (kind) => {
  const program = run(interpreter, [beside(`e2b/task_${kind}.py`)], {
    E2B_API_KEY: e2b.apiKey,
    E2B_API_URL: e2b.url,
    E2B_SANDBOX_URL: e2b.url,
  });
  try {
    await program.says(`${kind} task done`);
  } finally {
    await program.end();
  }
  for (const part of ['commands', 'files', 'watch', 'pty'])
    expect(program.output()).toContain(`${part} done`);
  expect(await e2b.Sandbox.list().nextItems()).toEqual([]);
});
