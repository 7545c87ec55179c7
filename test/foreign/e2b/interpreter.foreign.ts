/** E2B's code interpreter SDKs: without their template the error names it; with a template that serves their port they work. */
import { afterEach, beforeAll, describe, test } from 'vitest';
import { type E2BSimulator, startE2BSimulator } from '../../../simulators/test/e2b-simulator.ts';
import { beside, npmPackage, python, type Running, run } from '../programs.ts';

let e2b: E2BSimulator | undefined;
let program: Running | undefined;
afterEach(async () => {
  await program?.end();
  await e2b?.end();
});

type Start = (env: Record<string, string>) => Running;
const SDKS: [name: string, install: () => Promise<Start>][] = [
  [
    'npm @e2b/code-interpreter 2.8.0',
    async () => {
      const SDK = await npmPackage('@e2b/code-interpreter@2.8.0');
      return (env) => run(process.execPath, [beside('e2b/interpreter/task.cjs')], { ...env, SDK });
    },
  ],
  [
    'PyPI e2b-code-interpreter 2.11.5',
    async () => {
      const interpreter = await python('e2b-code-interpreter==2.11.5');
      return (env) => run(interpreter, [beside('e2b/interpreter/task.py')], env);
    },
  ],
];

describe.each(SDKS)('%s', (_name, install) => {
  let start: Start;
  // Outside of the test: a download takes as long as it takes.
  beforeAll(async () => {
    start = await install();
  });

  test('names the missing template, and works with a template that serves its port', async () => {
    const env = ({ apiKey, url }: E2BSimulator) => ({
      E2B_API_KEY: apiKey,
      E2B_API_URL: url,
      E2B_SANDBOX_URL: url,
    });
    e2b = await startE2BSimulator();
    program = start(env(e2b));
    await program.says("template 'code-interpreter-v1' not found (the local E2B simulator has: base:default");
    await program.end();
    await e2b.end();

    e2b = await startE2BSimulator({ templates: [beside('e2b/interpreter/template.json')] });
    program = start(env(e2b));
    await program.says('task done');
  });
});
