/** Parameters that several routes share, and the parser of bodies. */
import { z } from 'zod';
import { badRequest } from './errors.ts';

const MAX_PAIRS = 16;
const key = z.string().min(1).max(64);
const value = z.string().max(512);

export const metadata = z
  .record(key, value)
  .refine((pairs) => Object.keys(pairs).length <= MAX_PAIRS, `at most ${MAX_PAIRS} pairs`);

/** A string sets a pair, null removes it. */
export const metadataPatch = z.record(key, value.nullable()).nullish();

/**
 * Parses a body, or the part of it at the path `place`. Throws 400 with the first error and its path.
 */
export function parseBody<T>(schema: z.ZodType<T>, body: unknown, place: string[] = []): T {
  const parsed = schema.safeParse(body ?? {});
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(`${[...place, ...(issue?.path ?? [])].join('.') || 'body'}: ${issue?.message}`);
}

/** Applies a patch. Throws 400 if the result has too many pairs. */
export function patchMetadata(
  pairs: Record<string, string>,
  patch: Record<string, string | null> | null | undefined,
): Record<string, string> {
  const result = { ...pairs };
  for (const [name, text] of Object.entries(patch ?? {})) {
    if (text === null) delete result[name];
    else result[name] = text;
  }
  if (Object.keys(result).length > MAX_PAIRS) throw badRequest(`metadata: at most ${MAX_PAIRS} pairs`);
  return result;
}
