// Calls that both Anthropic's toolset and ours get. A case names its intended difference; without one, both must give the
// same answer and leave the same files.
import { gzipSync } from 'node:zlib';
import { PDF, png } from './images.ts';

/** Intended differences; docs/tools.md explains each under this name. */
export const DIFFERENCES = [
  'exit code',
  'end of the shell',
  'incomplete commands',
  'time-out',
  'cut output',
  'output devices',
  "redirections of the shell's own output",
  'NUL characters',
  'checked inputs',
  'default time limit',
  'marks',
  'images and PDFs',
  'other binary files',
  'encodings in read',
  'edit by bytes',
  'reasons in edit',
] as const;

export interface Case {
  what: string;
  files?: Record<string, string | Buffer>;
  /** Calls that run one after another in one shell. */
  calls: [name: string, input: object][];
  difference?: (typeof DIFFERENCES)[number];
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le');

/** Calls of bash in one shell. */
function bash(what: string, commands: string[], difference?: Case['difference'], more: object = {}): Case {
  const calls = commands.map((command): Case['calls'][number] => [
    'bash',
    { command, timeout_ms: 10_000, ...more },
  ]);
  return { what, calls, ...(difference ? { difference } : {}) };
}

function file(
  what: string,
  content: string | Buffer,
  name: string,
  input: object,
  difference?: Case['difference'],
): Case {
  const calls: Case['calls'] = [[name, { file_path: 'file', ...input }]];
  return { what, files: { file: content }, calls, ...(difference ? { difference } : {}) };
}

const edit = (old_string: string, new_string: string, more: object = {}) => ({
  old_string,
  new_string,
  ...more,
});

export const CASES: Case[] = [
  bash('a line', ['echo hello']),
  bash('both streams', ['echo out; echo err >&2; echo out']),
  bash('several lines', ['echo a\necho b\n']),
  bash('blank lines at the end are left out', ['printf "a\\n\\n\\n"']),
  bash('no output', ['true']),
  bash('a folder stays', ['mkdir d && cd d && pwd', 'pwd']),
  bash('variables stay', ['A=1; export B=2', 'echo $A $B; env | grep -c ^B=']),
  bash('functions stay', ['f() { echo "f $1"; }; f 0', 'f 1']),
  bash('options stay', ['set -f; shopt -s extglob; echo set', 'echo * !(x)']),
  bash('aliases stay', ['shopt -s expand_aliases; alias hi="echo hi"; echo set', 'hi']),
  bash('arrays', ['a=(1 "2 3"); echo "${#a[@]} ${a[1]}"']),
  bash('a here-document', ["cat <<'EOF'\n$HOME `x` \\\nEOF"]),
  bash('a here-document in a substitution', ['x=$(cat <<EOF\nhi\nEOF\n); echo "$x"']),
  bash('a continued line', ['echo a \\\n  b']),
  bash('quotes of every kind', [`echo 'a"b' "c'd" $'e\\'f' \`echo g\` "$(echo "h")"`]),
  bash('a comment after a command', ['echo a # b']),
  bash('standard input is empty', ['cat; read x; echo "$? [$x]"']),
  bash('unicode', ['echo "é – ✓ 😀"']),
  bash('bytes that are no UTF-8', ['printf "a\\377\\376b\\n"']),
  bash('terminal sequences', ['printf "\\033[31mred\\033[0m\\n"']),
  bash('carriage returns', ['printf "1%%\\r2%%\\r\\n"']),
  bash('a NUL in the output', ['printf "a\\0b\\n"']),
  bash('a pipe that fails at its end', ['echo x | grep y || echo none']),
  bash('a background process', ['sleep 0.1 & echo started']),
  bash('background output comes with a later command', [
    '(until [ -e go ]; do sleep 0.02; done; echo late) & echo now',
    'touch go; wait; echo end',
  ]),
  bash('wait for a background process', ['sleep 0.1 & wait; echo $?']),
  bash('a file of its own descriptor stays', ['exec 7>out; echo opened', 'echo seven >&7; cat out']),
  bash('break outside of a loop', ['break; echo on']),
  bash('return outside of a function', ['return 3; echo on']),
  bash('a trap stays', ['trap "echo trapped" USR1; echo set', 'kill -USR1 $$; echo sent']),
  bash('shift and positional parameters', ['set -- a b c; shift; echo "$# $1"', 'echo "$*"']),
  bash('a subshell that exits', ['(exit 0); echo on']),
  bash('long but not too long', ['seq 1 10000 | tail -n 3000']),
  bash('a large command', [`x='${'y'.repeat(60_000)}'; echo \${#x}`]),
  bash('a job list', ['jobs; echo done']),
  bash('an unknown command', ['nonsense'], 'exit code'),
  bash('a command that fails', ['echo why; (exit 3)'], 'exit code'),
  bash('a command that fails without a word', ['(exit 3)']),
  bash('a command killed by a signal', ['sh -c "kill -9 \\$\\$"'], 'exit code'),
  bash('exit', ['echo building; exit 3', 'echo after'], 'end of the shell'),
  bash('exit 0', ['export A=1; exit 0', 'echo $A'], 'end of the shell'),
  bash('exit with a process that runs on', ['sleep 1.5 & exit 1'], 'end of the shell'),
  bash('set -e', ['set -e; false; echo no'], 'end of the shell'),
  bash('exec', ['exec echo replaced'], 'end of the shell'),
  bash('a shell that is killed', ['kill -9 $$'], 'end of the shell'),
  bash('a comment alone', ['# nothing'], 'incomplete commands'),
  bash('a syntax error', ['A=kept; echo $A', 'done', 'echo $A'], 'incomplete commands'),
  bash('a syntax error after a line that runs', ['touch touched\nif'], 'incomplete commands', {
    timeout_ms: 300,
  }),
  bash('an open quote', ['echo "open'], 'incomplete commands', { timeout_ms: 300 }),
  bash('an open here-document', ['cat <<EOF\nopen'], 'incomplete commands', { timeout_ms: 300 }),
  bash('an open substitution', ['echo $(echo'], 'incomplete commands', { timeout_ms: 300 }),
  bash('a backslash at the end', ['echo a \\'], 'incomplete commands', { timeout_ms: 300 }),
  bash('a brace too many', ['}; echo no; {'], 'incomplete commands', { timeout_ms: 300 }),
  bash('a time-out', ['export A=1; cd /; sleep 9', 'pwd; echo "[$A]"'], 'time-out', { timeout_ms: 300 }),
  bash('a time-out after output', ['echo begun; sleep 9'], 'time-out', { timeout_ms: 300 }),
  bash('output that is too long', ['seq 1 40000'], 'cut output'),
  bash('output of many bytes in few characters', ['for i in {1..50000}; do printf "é"; done']),
  bash('/dev/stdout and /dev/stderr', ['echo a > /dev/stdout; echo b > /dev/stderr'], 'output devices'),
  bash(
    'output that is redirected for good',
    ['exec > out; echo a', 'echo b'],
    "redirections of the shell's own output",
    { timeout_ms: 300 },
  ),
  bash('a NUL in the command', ['echo a\0b'], 'NUL characters'),
  bash('the environment', ['env | sort'], 'marks'),
  bash('no time limit', ['sleep 0.5; echo in time'], 'default time limit', { timeout_ms: 0 }),
  {
    what: 'a restart',
    calls: [
      ['bash', { command: 'A=1; cd /; pwd' }],
      ['bash', { restart: true }],
      ['bash', { command: 'pwd; echo "[$A]"' }],
    ],
  },
  { what: 'a restart with a command', calls: [['bash', { restart: true, command: 'echo anew' }]] },
  { what: 'no command', calls: [['bash', {}]] },
  { what: 'a command of a wrong type', calls: [['bash', { command: ['ls'] }]], difference: 'checked inputs' },
  { what: 'no path', calls: [['read', {}]] },
  {
    what: 'a range of a wrong type',
    calls: [['read', { file_path: 'x', view_range: 'all' }]],
    difference: 'checked inputs',
  },
  file('a text', 'one\ntwo\n', 'read', {}),
  file('an empty file', '', 'read', {}),
  file('a range of lines', 'one\ntwo\nthree\n', 'read', { view_range: [2, 3] }),
  file('a range to the end', 'one\ntwo\nthree', 'read', { view_range: [2, -1] }),
  file('a range beyond the end', 'one\n', 'read', { view_range: [9, 10] }),
  file('half a range', 'one\n', 'read', { view_range: [1] }),
  file('CRLF and a byte order mark', '\ufeffone\r\ntwo\r\n', 'read', {}),
  file('a file that is too large', 'x'.repeat(300_000), 'read', {}),
  file('a range of a large file', 'line of a file\n'.repeat(30_000), 'read', {
    view_range: [20_000, 20_002],
  }),
  file('a text longer than a result', 'x'.repeat(150_000), 'read', {}, 'cut output'),
  file('a PNG', png(2, 2), 'read', {}, 'images and PDFs'),
  file('half a PNG', png(2, 2).subarray(0, 40), 'read', {}, 'images and PDFs'),
  file('a PDF', PDF, 'read', {}, 'images and PDFs'),
  file('an archive', gzipSync('text'), 'read', {}, 'other binary files'),
  file('UTF-16', utf16('hello'), 'read', {}, 'other binary files'),
  file('latin-1', latin1('caf\xe9\n'), 'read', {}, 'encodings in read'),
  { what: 'a file that is not there', calls: [['read', { file_path: 'nowhere' }]] },
  { what: 'a folder', calls: [['read', { file_path: '.' }]] },
  {
    what: 'a file outside',
    calls: [
      ['read', { file_path: '/etc/passwd' }],
      ['read', { file_path: '../x' }],
    ],
  },
  {
    what: 'write',
    calls: [
      ['write', { file_path: 'a/b/c', content: 'é😀\n' }],
      ['read', { file_path: 'a/b/c' }],
    ],
  },
  { what: 'write nothing', calls: [['write', { file_path: 'empty', content: '' }]] },
  { what: 'write outside', calls: [['write', { file_path: '/etc/x', content: '' }]] },
  { what: 'write half of a pair', calls: [['write', { file_path: 'half', content: 'a\ud83db' }]] },
  file('edit once', 'one two', 'edit', edit('two', '2 $& $1')),
  file('edit everywhere', 'a b a', 'edit', edit('a', 'x', { replace_all: true })),
  file('edit what is there twice', 'a b a', 'edit', edit('a', 'x')),
  file('edit what is not there', 'a', 'edit', edit('b', 'x')),
  file('edit beside a byte order mark and CRLF', '\ufeffone\r\ntwo\r\n', 'edit', edit('one\r\n', '1\r\n')),
  file('edit unicode', 'é – ✓ 😀', 'edit', edit('– ✓', '…')),
  file('edit to nothing', 'one two', 'edit', edit(' two', '')),
  file('edit nothing', 'one', 'edit', edit('', 'x')),
  file('edit a large file', 'x'.repeat(300_000), 'edit', edit('x', 'y')),
  file('edit latin-1', latin1('caf\xe9 = 1\n'), 'edit', edit('= 1', '= 2'), 'edit by bytes'),
  file('edit binary', Buffer.from([0xff, 0x61, 0xfe]), 'edit', edit('a', 'b'), 'edit by bytes'),
  file(
    'edit latin-1 with more than ASCII',
    latin1('caf\xe9 = 1\n'),
    'edit',
    edit('= 1', '= é'),
    'edit by bytes',
  ),
  file('edit half of a pair', 'a', 'edit', edit('a', '\ud83d'), 'edit by bytes'),
  file('edit UTF-16', utf16('one'), 'edit', edit('one', 'two'), 'reasons in edit'),
  file('edit lines that end in CRLF', 'one\r\ntwo\r\n', 'edit', edit('one\ntwo', 'x'), 'reasons in edit'),
  { what: 'edit a file that is not there', calls: [['edit', { file_path: 'nowhere', ...edit('a', 'b') }]] },
  { what: 'edit a folder', calls: [['edit', { file_path: '.', ...edit('a', 'b') }]] },
  {
    what: 'glob',
    files: { 'a/b.txt': '', 'node_modules/c.txt': '' },
    calls: [['glob', { pattern: '**/*.txt' }]],
  },
  {
    what: 'glob that finds nothing',
    calls: [
      ['glob', { pattern: '*.no' }],
      ['glob', { pattern: '../*' }],
      ['glob', { pattern: '/etc/*' }],
    ],
  },
  {
    what: 'grep',
    files: { a: 'one\ntwo\n' },
    calls: [
      ['grep', { pattern: 't.o' }],
      ['grep', { pattern: 'three' }],
    ],
  },
  { what: 'grep for nonsense', files: { a: 'x' }, calls: [['grep', { pattern: '' }]] },
];
