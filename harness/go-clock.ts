// Shifts the wall clock of a running Go program, such as the Temporal server, without a build of its own. Its monotonic clock,
// which its timers use, goes on as it was: so it is in a virtual machine that was paused and resumed.
import { closeSync, openSync, readFileSync, readlinkSync, writeSync } from 'node:fs';

const DAY_SECONDS = 86_400;
const daysBefore = (year: number) =>
  (year - 1) * 365 + Math.floor((year - 1) / 4) - Math.floor((year - 1) / 100) + Math.floor((year - 1) / 400);
/** `time.Now` adds this constant to the seconds since 1970: it counts from 1885 (`unixToInternal - minWall`). */
const EPOCH_SECONDS = (daysBefore(1970) - daysBefore(1885)) * DAY_SECONDS;
/** `mov` of the constant into a register, which `add rsi, rax` follows. */
const INSTRUCTION = Buffer.from([0xbe, ...littleEndian(EPOCH_SECONDS), 0x48, 0x01, 0xc6]);

/**
 * The process must be stopped (SIGSTOP), and be a child of ours or owned by us as root. For 64-bit Intel machines.
 * @param ms how far its clock is ahead of the machine's; whole seconds count
 * @throws Error if its program is not as Go compiles it today
 */
export function shiftGoClock(pid: number, ms: number): void {
  const exe = `/proc/${pid}/exe`;
  const program = readFileSync(exe);
  const at = program.indexOf(INSTRUCTION);
  const base = codeAddress(pid, readlinkSync(exe));
  if (at < 0 || program.indexOf(INSTRUCTION, at + 1) >= 0 || base === undefined)
    throw new Error(`time.Now is not found in ${readlinkSync(exe)}: this Go compiles it in another way`);
  const memory = openSync(`/proc/${pid}/mem`, 'r+');
  try {
    const seconds = Buffer.from(littleEndian(EPOCH_SECONDS + Math.floor(ms / 1_000)));
    writeSync(memory, seconds, 0, seconds.length, base + at + 1);
  } finally {
    closeSync(memory);
  }
}

/** Where the beginning of the program's file is in memory. */
function codeAddress(pid: number, path: string): number | undefined {
  for (const line of readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n')) {
    const [range = '', mode, offset] = line.split(/ +/);
    if (line.endsWith(path) && mode === 'r-xp' && Number(`0x${offset}`) === 0)
      return Number(`0x${range.split('-')[0]}`);
  }
  return undefined;
}

function littleEndian(value: number): number[] {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return [...bytes];
}
