// Runs a task with `@e2b/code-interpreter`, in the version installed in the folder SDK.
const assert = require('node:assert/strict');
const { Sandbox } = require(process.env.SDK);

async function main() {
  const sandbox = await Sandbox.create();
  assert.deepEqual((await sandbox.runCode("x = 20\nprint('said')")).logs.stdout, ['said\n']);
  assert.equal((await sandbox.runCode('y = x * 2; y + 2')).text, '42');
  const warned = await sandbox.runCode("import sys\nprint('careful', file=sys.stderr)");
  assert.deepEqual(warned.logs.stderr, ['careful\n']);
  assert.equal((await sandbox.runCode('1 / 0')).error.name, 'ZeroDivisionError');
  const context = await sandbox.createCodeContext();
  assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError');
  await sandbox.runCode('x = 1', { context });
  await sandbox.restartCodeContext(context);
  assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError');
  await sandbox.removeCodeContext(context);
  assert.deepEqual(
    (await sandbox.listCodeContexts()).map(({ id }) => id),
    ['default'],
  );
  await sandbox.kill();
  console.log('task done');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
