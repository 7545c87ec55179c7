// Checks a command with bash's own parser before any of it runs. Without that, bash would run the first lines of a command
// whose last line is wrong.
import { spawn } from 'node:child_process';
import { isLong, withLongText } from './long-text.ts';

const CHECK_MS = 10_000;
const MESSAGE_CHARS = 4_000;

/**
 * What is wrong with a command, in bash's words; undefined if it can run. Aliases of the shell are not considered.
 * @param dir directory for the temporary file of a long command
 */
export async function syntaxProblem(command: string, dir: string): Promise<string | undefined> {
  const parse = (text: string, options: string[] = []) =>
    withLongText(dir, text, (file) => runParser(text, file, options));
  if (command.includes('\0')) return 'the command contains a NUL character';
  const found = await parse(command);
  // Extended patterns may be enabled in the shell, or by the command itself.
  if (!found.ok) return (await parse(command, ['-O', 'extglob'])).ok ? undefined : found.message;
  // bash warns in the same way about a here-document that is still open and about one that the end of `$(…)` has closed.
  // An open one takes the parenthesis as its text; otherwise the parenthesis is a syntax error.
  if (/here-document/.test(found.message) && (await parse(`${command}\n)`)).ok) return found.message;
  // A backslash at the end needs another line, unless it is part of a comment: there a quote in its place parses too.
  if (/(?:^|[^\\])(?:\\\\)*\\$/.test(command) && !(await parse(command.replace(/\\$/, "'"))).ok)
    return 'bash: syntax error: unexpected end of file after a backslash';
  return undefined;
}

function runParser(
  text: string,
  file: string | undefined,
  options: string[],
): Promise<{ ok: boolean; message: string }> {
  const source = file ? [file] : isLong(text) ? [] : ['-c', text];
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
  // The parser may end before it has read everything.
  child.stdin.on('error', () => {});
  child.stdin.end(source.length > 0 ? '' : text);
  return new Promise((resolve) => {
    child.once('error', (error) => resolve({ ok: false, message: `no shell: ${error.message}` }));
    child.once('close', (code, signal) => {
      const shown = message
        .replaceAll(`${file}: `, 'bash: ')
        .replaceAll('/bin/bash: -c: ', 'bash: ')
        .slice(0, MESSAGE_CHARS);
      if (signal) return resolve({ ok: false, message: `bash: the command could not be parsed (${signal})` });
      return resolve({ ok: code === 0, message: shown.trim() || `bash: syntax error (${code})` });
    });
  });
}
