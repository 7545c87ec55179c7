// What a command writes, as it comes: its last part is kept, and the mark that ends it is looked for.

/** As the shell writes it after the mark. */
const STATUS_DIGITS = 3;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these sequences are control characters
const TERMINAL_SEQUENCES = /\x1b\[[0-9;?]*[ -/]*[@-~]/g;

export class CommandOutput {
  /** The command's exit status; undefined until the mark has come. */
  status: number | undefined;
  readonly #mark: Buffer;
  readonly #keep: number;
  readonly #onEnd: () => void;
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #totalBytes = 0;
  /** What may be the beginning of the mark. */
  #held: Buffer = Buffer.alloc(0);

  /** @param keep so many bytes of its end, and less than a chunk more */
  constructor(mark: string, keep: number, onEnd: () => void) {
    this.#mark = Buffer.from(mark);
    this.#keep = keep;
    this.#onEnd = onEnd;
  }

  add(chunk: Buffer): void {
    if (this.status !== undefined) return;
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    const whole = this.#mark.length + STATUS_DIGITS;
    const at = bytes.indexOf(this.#mark);
    const cut = at >= 0 ? at : Math.max(0, bytes.length - whole);
    this.#take(bytes.subarray(0, cut));
    this.#held = bytes.subarray(cut);
    if (at < 0 || this.#held.length < whole) return;
    this.status = Number(this.#held.subarray(this.#mark.length, whole).toString()) || 0;
    this.#held = Buffer.alloc(0);
    this.#onEnd();
  }

  /** The end of the output, without terminal sequences and trailing line ends; a note says what was cut. */
  text(): string {
    let bytes = Buffer.concat([...this.#kept, this.#held]);
    const total = this.#totalBytes + this.#held.length;
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
    // A copy: a small piece must not keep the whole chunk that it came in.
    this.#kept.push(Buffer.from(bytes));
    this.#keptBytes += bytes.length;
    this.#totalBytes += bytes.length;
    while (this.#keptBytes - (this.#kept[0]?.length ?? 0) >= this.#keep)
      this.#keptBytes -= this.#kept.shift()?.length ?? 0;
  }
}
