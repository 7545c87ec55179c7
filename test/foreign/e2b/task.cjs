// A task done with the JavaScript SDK of E2B, of the version that lies in the folder SDK; every step is asserted.
const assert = require('node:assert/strict');
const dns = require('node:dns');
const { Sandbox, CommandExitError } = require(process.env.SDK);

// Names of the domain lead here, as a wildcard entry of a name server does.
const { lookup } = dns;
dns.lookup = (name, options, done) => lookup(name.endsWith('.e2b.test') ? '127.0.0.1' : name, options, done);

/** Without a token in older versions, so without a signature either. */
async function download(sandbox, path) {
  const answer = await fetch(await sandbox.downloadUrl(path));
  assert.equal(answer.status, 200);
  return answer.text();
}

/** The older ones give an array. */
async function listed() {
  const found = await Sandbox.list();
  return (Array.isArray(found) ? found : await found.nextItems()).map(
    ({ sandboxId }) => sandboxId.split('-')[0],
  );
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
    onStdout: (text) => told.push(text),
  });
  assert.deepEqual([result.stdout, result.stderr], ['sandbox own\n/tmp\n', 'oops\n']);
  assert.equal(told.join(''), result.stdout);
  assert.equal((await commands.run('id -u', { user: 'root' })).stdout, '0\n');
  await assert.rejects(
    commands.run('exit 3'),
    (error) => error instanceof CommandExitError && error.exitCode === 3,
  );
  const cat = await commands.run('cat', { background: true, stdin: true, timeoutMs: 0 });
  assert.deepEqual(
    (await commands.list()).map(({ pid }) => pid),
    [cat.pid],
  );
  await commands.sendStdin(cat.pid, 'typed\n');
  await until(() => cat.stdout === 'typed\n');
  assert.equal(await commands.kill(cat.pid), true);
  console.log('commands done');

  await files.write('/home/user/notes/a b.txt', 'first');
  assert.equal(await files.read('/home/user/notes/a b.txt'), 'first');
  const blob = new Uint8Array(1_000_000).map((_byte, index) => index % 251);
  await files.write('blob', blob.buffer);
  assert.deepEqual(await files.read('blob', { format: 'bytes' }), blob);
  await files.makeDir('made');
  await files.rename('notes/a b.txt', 'made/moved.txt');
  assert.deepEqual(
    (await files.list('made')).map(({ name, type }) => [name, type]),
    [['moved.txt', 'file']],
  );
  assert.equal(await files.exists('notes/a b.txt'), false);
  const seen = [];
  const watch = await files.watchDir('made', (event) => void seen.push(event.name));
  await files.write('made/new.txt', 'new');
  await until(() => seen.includes('new.txt'));
  await watch.stop();
  await files.remove('made/new.txt');
  assert.equal(await download(sandbox, 'made/moved.txt'), 'first');
  console.log('files done');

  let screen = '';
  const decoder = new TextDecoder();
  const terminal = await sandbox.pty.create({
    cols: 80,
    rows: 24,
    onData: (data) => {
      screen += decoder.decode(data);
    },
  });
  await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode('echo in-$((40+2)); exit\n'));
  await terminal.wait();
  assert.match(screen, /in-42/);
  console.log('pty done');

  const server = await commands.run('python3 -m http.server 8000', { background: true, timeoutMs: 0 });
  await server.disconnect();
  const id = sandbox.sandboxId.split('-')[0];
  assert.deepEqual(await listed(), [id]);
  const pause = sandbox.pause ?? sandbox.betaPause;
  if (pause) {
    await pause.call(sandbox);
    console.log('paused');
  }
  const same = await Sandbox.connect(sandbox.sandboxId, { timeoutMs: 600_000 });
  assert.deepEqual(
    (await same.commands.list()).map(({ pid }) => pid),
    [server.pid],
  );
  await same.setTimeout(300_000);
  assert.equal(await same.isRunning(), true);
  assert.equal(await same.kill(), true);
  assert.deepEqual(await listed(), []);
  console.log('task done');
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
