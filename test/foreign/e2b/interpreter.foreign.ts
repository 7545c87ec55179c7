/** E2B's code interpreter SDKs: without their template the error names it; with a template that serves their port they work. */
import { afterEach, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { beside, npmPackage, python, type Running, run } from '../programs.ts';

let e2b: E2BSimulator | undefined;
let program: Running | undefined;
afterEach(async () => {
  await program?.end();
  await e2b?.end();
});

type Start = (env: Record<string, string>) => Promise<Running>;
const SDKS: [name: string, start: Start][] = [
  [
    'npm @e2b/code-interpreter 2.8.0',
    async (env) => {
      const SDK = await npmPackage('@e2b/code-interpreter@2.8.0');
      return run(process.execPath, [beside('e2b/interpreter/task.cjs')], { ...env, SDK });
    },
  ],
  [
    'PyPI e2b-code-interpreter 2.11.5',
    async (env) =>
      run(await python('e2b-code-interpreter==2.11.5'), [beside('e2b/interpreter/task.py')], env),
  ],
];

test.each(SDKS)('%s', async (_name, start) => {
  const env = ({ apiKey, url }: E2BSimulator) => ({
    E2B_API_KEY: apiKey,
    E2B_API_URL: url,
    E2B_SANDBOX_URL: url,
  });
  e2b = await startE2BSimulator();
  program = await start(env(e2b));
  await program.says("template 'code-interpreter-v1' not found (the local E2B simulator has: base:default");
  await program.end();
  await e2b.end();

  e2b = await startE2BSimulator({ templates: [beside('e2b/interpreter/template.json')] });
  program = await start(env(e2b));
  await program.says('task done');
});
