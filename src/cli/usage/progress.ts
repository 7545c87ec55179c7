// One line of progress on a terminal, overwritten; nothing elsewhere.
export class Progress {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream = process.stderr) {
    this.#stream = stream;
  }

  say(line: string): void {
    if (this.#stream.isTTY) this.#stream.write(`\r\u001B[K${line} …`);
  }

  end(): void {
    if (this.#stream.isTTY) this.#stream.write('\r\u001B[K');
  }
}
