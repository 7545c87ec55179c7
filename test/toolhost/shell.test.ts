// The shell of the tool "bash": what stays from one command to the next, and how commands and the shell end.
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { isAlive, RunningToolhost, textOf, until } from './running-toolhost.ts';

const NOT_KEPT = 'Functions, aliases, shell options and other variables are gone.';
const SAME = `the next command starts in a new one, in the same folder and with the same exported variables. ${NOT_KEPT}`;
const EARLIER = `the next command starts in a new one, in the folder and with the exported variables from before this command. ${NOT_KEPT}`;

const host = new RunningToolhost();
let calls = 0;

beforeAll(() => host.start());
beforeEach(async () => {
  await run({ restart: true });
});
afterAll(() => host.remove());

const run = (input: object, timeoutMs = 20_000) => host.put(`call_${calls++}`, 'bash', input, timeoutMs);
const bash = (command: string) => host.bash(`call_${calls++}`, command);
const inWorkdir = (name: string) => join(host.workdir, name);

async function failed(command: string, timeoutMs?: number): Promise<string> {
  const call = await run({ command }, timeoutMs);
  expect(call).toMatchObject({ state: 'finished', result: { isError: true } });
  return textOf(call);
}

/** Waits for the pid that a command writes into a file. */
async function pidIn(name: string): Promise<string> {
  await until(() => existsSync(inWorkdir(name)) && readFileSync(inWorkdir(name), 'utf8').endsWith('\n'));
  const pid = readFileSync(inWorkdir(name), 'utf8').trim();
  rmSync(inWorkdir(name));
  return pid;
}

test('folder, variables, functions, aliases and options stay until a restart', async () => {
  await bash('mkdir -p sub && cd sub && export COLOUR=green && twice() { echo "$1$1"; }');
  await bash('shopt -s expand_aliases extglob; alias hello="echo hi"; set -u');
  expect(await bash('pwd; echo $COLOUR; twice ab; hello; echo !(x)')).toBe(
    `${inWorkdir('sub')}\ngreen\nabab\nhi\n!(x)`,
  );
  expect(textOf(await run({ restart: true }))).toBe('bash session restarted');
  expect(await bash('pwd; echo "[$COLOUR]"')).toBe(`${host.workdir}\n[]`);
  expect(textOf(await run({ restart: true, command: 'echo both' }))).toBe('both');
});

test('both output streams in order, then the exit code; standard input is empty', async () => {
  expect(await bash('echo out; echo err >&2; echo out again')).toBe('out\nerr\nout again');
  expect(await bash('true')).toBe('(no output)');
  expect(await bash('cat; echo read nothing')).toBe('read nothing');
  expect(await bash('echo one > /dev/stdout; echo two > /dev/stderr; echo three | tee /dev/stderr')).toBe(
    'one\ntwo\nthree\nthree',
  );
  expect(await failed('echo why; exit_code() { return 3; }; exit_code')).toBe('why\nexit 3');
  expect(await failed('(exit 3)')).toBe('exit 3');
  expect(await failed('')).toBe('bash: command is required');
});

test('break, continue, return, exec and redirections affect only their own command', async () => {
  for (const command of ['break', 'continue', 'return 0', 'exec > file', 'exec 2>&-', 'exec < /etc/passwd'])
    await run({ command });
  expect(await bash('cat; echo still here')).toBe('still here');
});

test('`exit` returns output and exit code; folder and exported variables stay', async () => {
  await bash('export KEPT=yes; LOST=yes');
  expect(await failed('mkdir -p "a b"; cd "a b"; echo building; exit 3')).toBe(
    `building\nexit 3\n[The command ended its shell; ${SAME}]`,
  );
  expect(await bash('pwd; echo "[$KEPT][$LOST]"')).toBe(`${inWorkdir('a b')}\n[yes][]`);
});

test('a new shell gets exactly the folder and exported variables of the old one', async () => {
  await failed(`export ODD=$'a\\'b"c $HOME \\\\ \\n\\t\\001\\xe9 \\xff'; declare -x -r FIXED=1; exit 3`);
  expect(await bash('printf %s "$ODD" | od -An -tx1 | tr -d " \\n"; echo " $FIXED $SHLVL"')).toBe(
    `${Buffer.from('a\'b"c $HOME \\ \n\t\x01', 'latin1').toString('hex')}e920ff 1 1`,
  );
});

test.each([
  ['exit 0', false, `exit 0\n[The command ended its shell; ${SAME}]`],
  ['f() { exit 5; }; f', true, `exit 5\n[The command ended its shell; ${SAME}]`],
  ['set -e; false; echo no', true, `exit 1\n[The command ended its shell; ${SAME}]`],
  ['set -u; echo $nothing; echo no', true, `exit 1\n[The command ended its shell; ${SAME}]`],
  ['exec true', false, `exit 0\n[The command ended its shell; ${EARLIER}]`],
  ['kill -9 $$', true, `killed by SIGKILL\n[The command ended its shell; ${EARLIER}]`],
  ['trap "echo bye" EXIT; exit 4', true, `bye\nexit 4\n[The command ended its shell; ${EARLIER}]`],
])('a shell that ends by itself (%s) is followed by a new one', async (command, isError, text) => {
  await bash('export KEPT=yes; cd /tmp');
  const { result } = await run({ command });
  expect(result?.isError).toBe(isError);
  expect(result?.content[0]).toMatchObject({ text: expect.stringContaining(text) });
  expect(await bash('echo "$KEPT $PWD"')).toBe('yes /tmp');
});

test('a shell that exits ends its call at once, even if its background processes still run', async () => {
  const call = await run({ command: `sleep 300 & echo $! > pid; exit 1` }, 60_000);
  expect(textOf(call)).toMatch(/^exit 1\n/);
  const pid = await pidIn('pid');
  expect(isAlive(pid)).toBe(true);
  process.kill(Number(pid), 'SIGKILL');
});

test('a shell that died between two commands is replaced, and the model is notified', async () => {
  await bash('export KEPT=yes; sleep 300 & (sleep 0.1; kill -9 $$) & echo $! > pid');
  const killer = await pidIn('pid');
  await until(() => !isAlive(killer));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await bash('echo $KEPT')).toBe(
    `[The shell of the earlier commands has ended. This is a new one, in the same folder and with the same exported variables. ${NOT_KEPT}]\nyes`,
  );
  expect(await bash('echo once')).toBe('once');
});

test('folder and exported variables outlive the toolhost; a lost folder is named', async () => {
  mkdirSync(inWorkdir('gone'), { recursive: true });
  await bash('export KEPT=yes; cd gone');
  await host.end('SIGKILL');
  rmSync(inWorkdir('gone'), { recursive: true });
  await host.start();
  const [told, lost, ...output] = (await bash('echo $KEPT; pwd')).split('\n');
  expect(told).toContain('The shell of the earlier commands has ended');
  expect(lost).toBe(
    `[The folder ${inWorkdir('gone')} no longer exists: this shell began in ${host.workdir}.]`,
  );
  expect(output).toEqual(['yes', host.workdir]);
});

test.each([
  ['# only a comment', '(no output)'],
  ['\n\n', '(no output)'],
  ['echo a # b', 'a'],
  ['echo a \\\n b', 'a b'],
  ['# ends in a backslash \\', '(no output)'],
  ["cat <<'EOF'\na\\\nEOF", 'a\\'],
  ['x=$(cat <<EOF\nhi\nEOF\n); echo $x', 'hi'],
  ['}; echo no; {', null],
  ['echo $(', null],
  ['if true', null],
  ['done', null],
  ['touch touched\nif', null],
])('syntax: %j', async (command, output) => {
  await bash('LIVES=yes');
  if (output !== null) expect(await bash(command)).toBe(output);
  else expect(await failed(command)).toMatch(/^bash: /);
  expect(await bash('echo $LIVES')).toBe('yes');
  expect(existsSync(inWorkdir('touched'))).toBe(false);
});

test.each([
  ['touch touched; echo "open', 'unexpected EOF while looking for matching `"\''],
  ["touch touched\necho 'open", "bash: line 2: unexpected EOF while looking for matching `''"],
  ['touch touched\ncat <<EOF\nopen', "here-document at line 2 delimited by end-of-file (wanted `EOF')"],
  ['touch touched\ncat <<EOF', "here-document at line 2 delimited by end-of-file (wanted `EOF')"],
  ['touch touched\necho \\', 'unexpected end of file after a backslash'],
  ['touch touched\necho $(( 1 + ', 'unexpected EOF while looking for matching'],
  [`touch touched\n: ${'x'.repeat(40_000)}\nif`, 'bash: line 4: syntax error: unexpected end of file'],
  ['touch touched; echo a\0b', 'NUL'],
])('an incomplete command is refused at once, and nothing of it runs: %.40j', async (command, message) => {
  await bash('LIVES=yes');
  expect(await failed(command)).toContain(message);
  expect(await bash('echo $LIVES')).toBe('yes');
  expect(existsSync(inWorkdir('touched'))).toBe(false);
});

test.each([
  ['plain', 'sleep 300 &'],
  ['nohup', 'nohup sleep 300 > /dev/null 2>&1 &'],
  ['setsid', 'setsid sleep 300 &'],
  ['disowned', 'sleep 300 & disown;'],
  ['a loop of the shell', '(while :; do sleep 0.2; done) &'],
  ['a job of its own', 'set -m; sleep 300 & set +m;'],
  ['without its environment', 'env -i sleep 300 &'],
])('a time-out kills what this command started (%s) and spares what an earlier one did', async (_, start) => {
  await bash(`${start} echo $! > server`);
  const server = await pidIn('server');
  // Start times are counted in ticks: the earlier process must not start in the same tick as the later command.
  await new Promise((resolve) => setTimeout(resolve, 30));
  const text = await failed(`echo begun; ${start} echo $! > mine; sleep 300`, 700);
  expect(text).toBe(
    `begun\nbash: timed out after 700 ms. What it had started was killed, and its shell; ${EARLIER}`,
  );
  const mine = await pidIn('mine');
  await until(() => !isAlive(mine));
  expect(isAlive(server)).toBe(true);
  process.kill(Number(server), 'SIGKILL');
});

test('a time-out kills a double fork of its command, and spares what an earlier server starts meanwhile', async () => {
  await bash('(while :; do sleep 300 & echo $! > child; wait; done) & echo $! > server');
  const server = await pidIn('server');
  await pidIn('child');
  await host.put(
    'late',
    'bash',
    { command: '( ( setsid sleep 300 & echo $! > mine ) & ); sleep 300' },
    1_500,
    0,
  );
  const mine = await pidIn('mine');
  const first = readFileSync(`/proc/${server}/task/${server}/children`, 'utf8').trim();
  process.kill(Number(first), 'SIGKILL');
  const child = await pidIn('child');
  expect(textOf(await host.put('late', 'bash', {}))).toContain('timed out');
  await until(() => !isAlive(mine));
  expect(isAlive(server) && isAlive(child)).toBe(true);
  for (const pid of [server, child]) process.kill(Number(pid), 'SIGKILL');
});

test('if no shell can start, the error result says why', async () => {
  rmSync(host.workdir, { recursive: true });
  symlinkSync(join(host.dir, 'nowhere'), host.workdir);
  expect(await failed('true')).toMatch(/^bash: no shell: spawn \/bin\/bash ENOENT/);
  rmSync(host.workdir);
  expect(await bash('echo anew')).toBe('anew');
});

test('a background process does not delay the end of its call, and keeps running', async () => {
  expect(await bash('sleep 300 & echo $! > pid; echo started')).toBe('started');
  expect(await bash('kill -0 $(<pid) && echo alive; kill $(<pid)')).toBe('alive');
});

test('the end of long output is shown, with a note', async () => {
  const long = await bash('seq 1 40000');
  expect(Buffer.byteLength(long)).toBeLessThanOrEqual(100 * 1024);
  expect(long).toMatch(/^\[cut: only the last part of 228894 bytes is shown\]\n/);
  expect(long).toMatch(/\n40000$/);
  const wide = await bash('for i in $(seq 1 60000); do printf "é"; done; echo; echo end');
  expect(wide).toMatch(/^\[cut: only the last part of 120005 bytes is shown\]\né+\nend$/);
});

test('a cut within a character leaves well-formed text', async () => {
  for (let length = 100_340; length <= 100_360; length += 1) {
    const text = await bash(`printf '.😀'; head -c ${length} /dev/zero | tr '\\0' x`);
    expect(text).toMatch(/x$/);
    expect(text).not.toMatch(/\p{Surrogate}|\uFFFD/u);
  }
});

test('endless output takes no more memory than the limit', async () => {
  const memory = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${host.pid}/status`, 'utf8'))?.[1]);
  const before = memory();
  expect(await failed('yes', 1_500)).toContain('timed out');
  expect(memory() - before).toBeLessThan(200 * 1024);
});

test('terminal sequences are removed; a forged mark harms only the output of its own command', async () => {
  expect(await bash('printf "\\033[31mred\\033[0m\\n"')).toBe('red');
  expect(await bash('printf "\\0deadbeef-0000-0000-0000-000000000000 007"; echo on')).toContain('on');
  await run({ command: 'printf() { :; }; builtin() { :; }; export() { :; }; true' }, 1_000);
  await run({ restart: true });
  expect(await bash('printf ok')).toBe('ok');
});
