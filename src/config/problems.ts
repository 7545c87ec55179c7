// Problems of a configuration, reported all at once.
import { scrub } from '../log.ts';
import type { Setting } from './setting.ts';

/** The configuration cannot be used. The message lists every problem; it holds no value of any setting. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: string[];

  constructor(problems: Iterable<string>) {
    // A name or a reference in the file may turn out to be a key in the wrong place.
    const clean = [...problems].map((problem) => scrub(problem, []));
    const count = clean.length === 1 ? 'one problem' : `${clean.length} problems`;
    super(`The configuration has ${count}:\n${clean.map((problem) => `  ${problem}`).join('\n')}`);
    this.problems = clean;
  }
}

/** `<where> is not set. Team key of E2B. Example: <example>`. */
export function explain(where: string, what: string, setting: Setting, example: string): string {
  return `${where} ${what}. ${setting.meaning}. Example: ${example}`;
}
