// Runs a task with the JavaScript SDK of E2B, in the version installed in the folder SDK; each step is asserted.
const assert = require('node:assert/strict');
const dns = require('node:dns');
const { Sandbox, CommandExitError } = require(process.env.SDK);

// Resolves all names of the domain to this machine, like a wildcard entry of a name server.
const { lookup } = dns;
dns.lookup = (name, ...rest) => lookup(name.endsWith('.e2b.test') ? '127.0.0.1' : name, ...rest);

/** Ids of the running sandboxes. Older SDKs return an array, and ids with `-<client id>` appended. */
async function listed() {
  const found = await Sandbox.list();
  const page = Array.isArray(found) ? found : await found.nextItems();
  return page.map(({ sandboxId }) => sandboxId.split('-')[0]);
}

async function until(condition) {
  for (let tries = 0; tries < 200 && !condition(); tries += 1)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(condition());
}

async function main() {
  const sandbox = await Sandbox.create('base', {
    metadata: { task: 'versions' },
    envs: { LAYER: 'sandbox' },
    timeoutMs: 600_000,
  });
  const { commands, files } = sandbox;

  const told = [];
  const result = await commands.run('echo $LAYER $OWN; pwd; echo oops >&2', {
    envs: { OWN: 'own' },
    cwd: '/tmp',
    onStdout: (text) => void told.push(text),
  });
  assert.deepEqual([result.stdout, result.stderr, result.exitCode], ['sandbox own\n/tmp\n', 'oops\n', 0]);
  assert.equal(told.join(''), result.stdout);
  assert.equal((await commands.run('id -u', { user: 'root' })).stdout, '0\n');
  await assert.rejects(
    commands.run('exit 3'),
    (error) => error instanceof CommandExitError && error.exitCode === 3,
  );
  console.log('commands done');

  await files.write('/home/user/notes/a b.txt', 'first');
  assert.equal(await files.read('/home/user/notes/a b.txt'), 'first');
  const blob = new Uint8Array(1_000_000).map((_byte, index) => index % 251);
  await files.write('blob', blob.buffer);
  assert.deepEqual(await files.read('blob', { format: 'bytes' }), blob);
  await files.makeDir('made');
  await files.rename('notes/a b.txt', 'made/moved.txt');
  const entries = await files.list('made');
  assert.deepEqual(
    entries.map(({ name, type }) => [name, type]),
    [['moved.txt', 'file']],
  );
  assert.equal(await files.exists('notes/a b.txt'), false);
  const seen = [];
  const watch = await files.watchDir('made', ({ name }) => void seen.push(name));
  await files.write('made/new.txt', 'new');
  await until(() => seen.includes('new.txt'));
  await watch.stop();
  await files.remove('made/new.txt');
  const download = await fetch(await sandbox.downloadUrl('made/moved.txt'));
  assert.equal(await download.text(), 'first');
  console.log('files done');

  const server = await commands.run('python3 -m http.server 8000', { background: true, timeoutMs: 0 });
  await server.disconnect();
  const id = sandbox.sandboxId.split('-')[0];
  assert.deepEqual(await listed(), [id]);
  const pause = sandbox.pause ?? sandbox.betaPause;
  if (pause) {
    await pause.call(sandbox);
    console.log('pause done');
  }
  const same = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 600_000 });
  assert.deepEqual(
    (await same.commands.list()).map(({ pid }) => pid),
    [server.pid],
  );
  assert.equal(await same.commands.kill(server.pid), true);
  await same.setTimeout(300_000);
  assert.equal(await same.isRunning(), true);
  await same.kill();
  assert.deepEqual(await listed(), []);
  console.log('task done');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
