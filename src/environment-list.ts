// The list of environments, for a router that serves several: JSON, in a variable or in a file.
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const token = z.string().regex(/^[\x21-\x7e]+$/, 'must be one word without spaces');

const entrySchema = z.strictObject({
  id: z.string().regex(/^[\w-]{1,128}$/, 'must be the id of an environment'),
  /** The webhook server does without. */
  key: token.optional(),
  template: token.optional(),
  graceSeconds: z.number().min(0).max(86_400).optional(),
  retentionHours: z
    .number()
    .min(0.001)
    .max(24 * 365)
    .optional(),
  maxRunningSandboxes: z.int().min(0).max(100_000).optional(),
  routingScope: z
    .enum(['session', 'agent', 'environment'], 'must be session, agent or environment')
    .optional(),
});

/** One environment; what it does not say is as the variables for all environments have it. */
export type EnvironmentEntry = z.output<typeof entrySchema>;

export const LIST_EXAMPLE = '[{"id":"env_a","key":"sk-ant-oat01-…"},{"id":"env_b","key":"sk-ant-oat01-…"}]';

/**
 * The entries of `ANTHROPIC_ENVIRONMENTS`, or of the file that `ANTHROPIC_ENVIRONMENTS_FILE` names.
 * @returns undefined if neither is set; or what is wrong, entry by entry, without any value but ids
 */
export function readEnvironmentList(
  given: Record<string, string>,
): { entries: EnvironmentEntry[]; problems: string[] } | undefined {
  const { ANTHROPIC_ENVIRONMENTS: inline, ANTHROPIC_ENVIRONMENTS_FILE: file } = given;
  if (inline === undefined && file === undefined) return undefined;
  const name = inline === undefined ? 'ANTHROPIC_ENVIRONMENTS_FILE' : 'ANTHROPIC_ENVIRONMENTS';
  const wrong = (what: string) => ({ entries: [], problems: [`${name} ${what}. Example: ${LIST_EXAMPLE}`] });
  if (inline !== undefined && file !== undefined) return wrong('and its _FILE are both set: keep one');
  let list: unknown;
  try {
    list = JSON.parse(inline ?? readFileSync(file ?? '', 'utf8'));
  } catch (error) {
    // A syntax error quotes the text, which holds keys.
    return wrong(error instanceof SyntaxError ? 'is not JSON' : 'cannot be read');
  }
  if (!Array.isArray(list) || list.length === 0) return wrong('must be a list of environments');
  const entries: EnvironmentEntry[] = [];
  const problems: string[] = [];
  list.forEach((item, index) => {
    const { success, data, error } = entrySchema.safeParse(item);
    const problem = (what: string) => problems.push(`${name}: entry ${index + 1}: ${what}`);
    if (!success) {
      for (const { path, message } of error.issues) problem([...path, message].join(' '));
    } else if (entries.some(({ id }) => id === data.id)) problem(`${data.id} is in the list already`);
    else entries.push(data);
  });
  return { entries, problems };
}
