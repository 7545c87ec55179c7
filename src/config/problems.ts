// The error that reports all problems of a configuration at once.
import { scrub } from '../log.ts';
import type { Setting } from './setting.ts';

/** The configuration cannot be used. The message lists every problem and holds no secret. */
export class ConfigError extends Error {
  override name = 'ConfigError';
  readonly problems: string[];

  /** @param warnings what may be the cause of a problem, such as a misspelt variable */
  constructor(problems: Iterable<string>, warnings: Iterable<string> = []) {
    // Messages quote names and references from the file, and a secret may stand there by mistake.
    const clean = [...problems].map((problem) => scrub(problem));
    const also = [...warnings].map((warning) => `\n  ${scrub(warning)}`).join('');
    const count = clean.length === 1 ? 'one problem' : `${clean.length} problems`;
    super(
      `The configuration has ${count}:\n${clean.map((problem) => `  ${problem}`).join('\n')}${also && `\nAlso:${also}`}`,
    );
    this.problems = clean;
  }
}

/** A message such as `E2B_API_KEY is not set. E2B API key of your team. Example: E2B_API_KEY=e2b_…`. */
export function explain(where: string, what: string, setting: Setting, example: string): string {
  return `${where} ${what}. ${setting.meaning}. Example: ${example}`;
}
