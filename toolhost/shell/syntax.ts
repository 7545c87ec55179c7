// Checks a command with bash's own parser before anything of it runs: of a command that is not complete, or wrong in
// its last line, no line shall have had an effect.
import { spawn } from 'node:child_process';

const CHECK_MS = 10_000;
const MESSAGE_CHARS = 4_000;
/** The kernel takes no longer argument; what is longer is read from a pipe, byte by byte. */
const LONGEST_ARGUMENT = 100_000;

/** What is wrong with a command, in bash's words; undefined if it can run. Aliases are not known here. */
export async function syntaxProblem(command: string): Promise<string | undefined> {
  if (command.includes('\0')) return 'the command contains a NUL character';
  const found = await parse(command);
  // Extended patterns may be switched on in the shell, or by the command itself.
  if (!found.ok) return (await parse(command, ['-O', 'extglob'])).ok ? undefined : found.message;
  // An open here-document is a mere warning, also where the end of a substitution has closed it.
  if (/here-document/.test(found.message) && (await parse(`${command}\n)`)).ok) return found.message;
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(command) && !(await parse(`${command}\n#'`)).ok)
    return 'bash: syntax error: unexpected end of file after a backslash';
  return undefined;
}

function parse(command: string, options: string[] = []): Promise<{ ok: boolean; message: string }> {
  const short = Buffer.byteLength(command) <= LONGEST_ARGUMENT;
  const source = short ? ['-c', command] : [];
  const child = spawn('/bin/bash', ['--noprofile', '--norc', ...options, '-n', ...source], {
    env: { LC_ALL: 'C' },
    stdio: ['pipe', 'ignore', 'pipe'],
    timeout: CHECK_MS,
    killSignal: 'SIGKILL',
  });
  let message = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (message.length < MESSAGE_CHARS) message += chunk;
  });
  // It may end without having read everything.
  child.stdin.on('error', () => {});
  child.stdin.end(short ? '' : command);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, message: `no shell: ${error.message}` }));
    child.once('close', (code, signal) => {
      const said = message.slice(0, MESSAGE_CHARS).replaceAll(/^(?:\/bin\/)?bash: (?:-c: )?/gm, 'bash: ');
      if (signal) return resolve({ ok: false, message: `bash: the command could not be parsed (${signal})` });
      return resolve({ ok: code === 0, message: said.trim() || `bash: syntax error (${code})` });
    });
  });
}
