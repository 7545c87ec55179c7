// A task done with `@e2b/code-interpreter`, of the version that lies in the folder SDK.
const assert = require('node:assert/strict');
const { Sandbox } = require(process.env.SDK);

async function main() {
  const sandbox = await Sandbox.create();
  assert.deepEqual((await sandbox.runCode("x = 20\nprint('said')")).logs.stdout, ['said\n']);
  assert.equal((await sandbox.runCode('x * 2 + 2')).text, '42');
  assert.equal((await sandbox.runCode('1 / 0')).error.name, 'ZeroDivisionError');
  const context = await sandbox.createCodeContext();
  assert.equal((await sandbox.runCode('x', { context })).error.name, 'NameError');
  await sandbox.kill();
  console.log('task done');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
