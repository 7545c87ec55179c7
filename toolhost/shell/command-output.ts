// Collects the output of a command: keeps its last part, and finds the mark that the shell writes after it.

/** Number of digits of the exit status, which follows the mark. */
const STATUS_DIGITS = 3;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these sequences are control characters
const TERMINAL_SEQUENCES = /\x1b\[[0-9;?]*[ -/]*[@-~]/g;

export class CommandOutput {
  /** The command's exit status; undefined until the mark has arrived. */
  status: number | undefined;
  readonly #mark: Buffer;
  readonly #keep: number;
  readonly #onEnd: () => void;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #totalBytes = 0;
  /** The last bytes, which may be the beginning of the mark. */
  #tail: Buffer = Buffer.alloc(0);

  /**
   * @param mark bytes that end the output
   * @param keep number of bytes of the output's end to keep; up to one chunk more stays in memory
   * @param onEnd called once the mark and the status have arrived
   */
  constructor(mark: string, keep: number, onEnd: () => void) {
    this.#mark = Buffer.from(mark);
    this.#keep = keep;
    this.#onEnd = onEnd;
  }

  /** Adds a chunk of output; chunks after the mark are dropped. */
  add(chunk: Buffer): void {
    if (this.status !== undefined) return;
    const bytes = this.#tail.length > 0 ? Buffer.concat([this.#tail, chunk]) : chunk;
    const whole = this.#mark.length + STATUS_DIGITS;
    const at = bytes.indexOf(this.#mark);
    const cut = at >= 0 ? at : Math.max(0, bytes.length - whole);
    this.#take(bytes.subarray(0, cut));
    this.#tail = bytes.subarray(cut);
    if (at < 0 || this.#tail.length < whole) return;
    this.status = Number(this.#tail.subarray(this.#mark.length, whole).toString()) || 0;
    this.#tail = Buffer.alloc(0);
    this.#onEnd();
  }

  /** The end of the output, without terminal sequences and trailing line breaks; a note says how much was cut. */
  text(): string {
    let bytes = Buffer.concat([...this.#kept, this.#tail]);
    const total = this.#totalBytes + this.#tail.length;
    if (bytes.length > this.#keep) bytes = bytes.subarray(bytes.length - this.#keep);
    const isCut = bytes.length < total;
    // A character cut in two would become U+FFFD.
    let start = 0;
    while (isCut && start < 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
    const text = bytes.toString('utf8', start).replace(TERMINAL_SEQUENCES, '').replace(/\n+$/, '');
    return isCut ? `[cut: only the last part of ${total} bytes is shown]\n${text}` : text;
  }

  #take(bytes: Buffer): void {
    if (bytes.length === 0) return;
    // Copied, because a small slice would keep its whole chunk in memory.
    this.#kept.push(Buffer.from(bytes));
    this.#keptBytes += bytes.length;
    this.#totalBytes += bytes.length;
    while (this.#keptBytes - (this.#kept[0]?.length ?? 0) >= this.#keep)
      this.#keptBytes -= this.#kept.shift()?.length ?? 0;
  }
}
