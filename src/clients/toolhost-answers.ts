// Schemas of the toolhost's answers. An answer that does not match is refused: a program of the model may have taken the
// toolhost's port.
import { z } from 'zod';
import {
  IMAGE_TYPES,
  MAX_BLOCKS,
  MAX_MEDIA_BYTES,
  MAX_MEMORY_FILES,
  MAX_OUTPUTS,
  MAX_RESULT_BYTES,
  type OutputFile,
} from '../../toolhost/protocol.ts';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

const id = z.string().min(1).max(300);
const amount = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const path = z.string().min(1).max(4096);
const sha = z.string().regex(/^[0-9a-f]{64}$/);
const base64 = z.string().max(MAX_MEDIA_BYTES).regex(BASE64);

const text = z.object({ type: z.literal('text'), text: z.string().max(MAX_RESULT_BYTES) });
const image = z.object({
  type: z.literal('image'),
  source: z.object({ type: z.literal('base64'), media_type: z.enum(IMAGE_TYPES), data: base64 }),
});
const document = z.object({
  type: z.literal('document'),
  source: z.object({ type: z.literal('base64'), media_type: z.literal('application/pdf'), data: base64 }),
});
const content = z
  .array(z.discriminatedUnion('type', [text, image, document]))
  .max(MAX_BLOCKS)
  .refine(
    (blocks) =>
      sum(blocks.map((block) => (block.type === 'text' ? block.text.length : 0))) <= MAX_RESULT_BYTES,
  )
  .refine(
    (blocks) =>
      sum(blocks.map((block) => (block.type === 'text' ? 0 : block.source.data.length))) <= MAX_MEDIA_BYTES,
  );

const outputFile = z.object({ path, size: amount, modifiedAt: z.iso.datetime({ offset: true }).max(40) });

/** Malformed entries are left out and counted as `unusable`; the other entries stay. */
export const outputList = z
  .object({
    files: z.array(z.unknown()).max(MAX_OUTPUTS),
    count: amount,
    bytes: amount,
    complete: z.boolean(),
  })
  .transform(({ files: all, ...list }) => {
    const files: OutputFile[] = [];
    for (const one of all) {
      const file = outputFile.safeParse(one);
      if (file.success) files.push(file.data);
    }
    return { ...list, files, unusable: all.length - files.length };
  });
export type OutputListing = z.output<typeof outputList>;

export const health = z.object({
  version: z.union([z.string().regex(/^\d{1,9}$/), amount]),
  bootId: id,
});

export const callState = z.object({
  id,
  state: z.enum(['running', 'finished', 'cancelled', 'cut_off']),
});

export const call = callState
  .extend({
    result: z.object({ content, isError: z.boolean() }).optional(),
    outputs: outputList.optional(),
  })
  .refine(({ state, result }) => state !== 'finished' || result !== undefined);
export type ToolhostCall = z.output<typeof call>;

export const skill = z.object({ name: z.string().min(1).max(255), skillId: id, versionId: id });
export const skills = z.object({ skills: z.array(skill).max(1_000) });

export const memoryScan = z.object({
  marker: z.enum(['ours', 'missing', 'other']),
  files: z
    .record(path, z.object({ sha: sha.nullable(), size: amount }))
    .refine((files) => Object.keys(files).length <= MAX_MEMORY_FILES),
  complete: z.boolean(),
  notes: z.unknown(),
  revision: amount,
});
export const memoryNotes = z.object({ revision: amount });
export const memoryFile = z.object({ content: z.string().nullable() });
const fileOutcome = z.union([z.enum(['done', 'changed']), z.object({ failed: z.string() })]);
export const memoryChanges = z.object({ outcomes: z.record(path, fileOutcome) });

export const sessionEnd = z.object({ killed: amount });

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
