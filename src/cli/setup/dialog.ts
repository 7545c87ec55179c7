// Talks with the person who runs a command: prompts on a terminal, plain lines without a terminal.
import { cancel, confirm, intro, isCancel, log, outro, password, text } from '@clack/prompts';
import { clean, type Output } from '../output.ts';
import { wrap } from '../wrap.ts';
import { interrupted } from './interrupt.ts';

/** Columns that the guide at the left of a line takes. */
const GUIDE = 3;

/** Completes "… must be …", or undefined if the value is right. */
export type Check = (value: string) => string | undefined;

export class Dialog {
  /** Whether a person can answer. */
  readonly canAsk: boolean;
  readonly #output: Output;
  readonly #prompts: boolean;

  /** @param yes the person wants no questions */
  constructor(output: Output, yes: boolean) {
    this.#output = output;
    this.#prompts = output.interactive;
    this.canAsk = output.interactive && !yes;
  }

  begin(title: string): void {
    if (this.#prompts) intro(this.#output.style('bold', title));
    else this.#output.progress(title);
  }

  end(text: string): void {
    if (this.#prompts) outro(this.#wrapped(text));
    else this.#output.progress(text);
  }

  /** Something is done, or was found done. */
  done(what: string): void {
    if (this.#prompts) log.success(this.#wrapped(what));
    else this.#output.progress(`ok    ${clean(what)}`);
  }

  /** Something begins. */
  begins(what: string): void {
    if (this.#prompts) log.step(this.#wrapped(what));
    else this.#output.progress(`...   ${clean(what)}`);
  }

  warn(what: string): void {
    if (this.#prompts) log.warn(this.#wrapped(what));
    else this.#output.progress(`note  ${clean(what)}`);
  }

  /** Progress of what has begun. */
  detail(line: string): void {
    if (this.#prompts) log.message(this.#output.style('dim', this.#wrapped(line)), { spacing: 0 });
    else this.#output.progress(`      ${clean(line)}`);
  }

  /** What the person has to do: lines as they are. */
  instruct(lines: readonly string[]): void {
    if (this.#prompts) log.info(lines.map((line) => this.#wrapped(line)).join('\n'));
    else for (const line of lines) this.#output.progress(`      ${clean(line)}`);
  }

  /** @throws CommandError with exit code 130 if the person cancels */
  secret(message: string, check: Check): Promise<string> {
    return answered(
      password({ message, mask: '•', clearOnError: true, validate: (value) => check((value ?? '').trim()) }),
    ).then(trim);
  }

  text(message: string, check: Check, initialValue = ''): Promise<string> {
    return answered(text({ message, initialValue, validate: (value) => check((value ?? '').trim()) })).then(
      trim,
    );
  }

  confirm(message: string, initialValue = true): Promise<boolean> {
    return answered(confirm({ message, initialValue }));
  }

  #wrapped(text: string): string {
    return wrap(clean(text), this.#output.width - GUIDE);
  }
}

async function answered<T>(prompt: Promise<T>): Promise<Exclude<T, symbol>> {
  const answer = await prompt;
  if (!isCancel(answer)) return answer as Exclude<T, symbol>;
  cancel('Nothing is lost: run the command again to go on.');
  throw interrupted();
}

function trim(value: string | undefined): string {
  return (value ?? '').trim();
}
