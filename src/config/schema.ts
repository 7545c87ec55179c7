// The JSON Schema of the configuration file, for editors: published with the package as config.schema.json.
import { z } from 'zod';
import { ENVIRONMENT_TABLE, FILE_TABLE } from './file.ts';
import { REFERENCE_PATTERN } from './references.ts';
import { isSetting, type Setting, type Table } from './setting.ts';

const reference = z.string().regex(new RegExp(REFERENCE_PATTERN)).meta({
  description: 'A reference: ${env:NAME} or ${file:/path}',
});

/** What the file may hold, as a schema; references are not looked up, and values not compared with each other. */
export const fileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    environments: z
      .array(z.strictObject(shapeOf(ENVIRONMENT_TABLE)))
      .min(1)
      .meta({ description: 'The environments that are served. Each may set for itself what is set for all.' })
      .optional(),
    ...shapeOf(FILE_TABLE),
  })
  .meta({ title: 'Configuration of managed-agents-router' });

export function jsonSchema(): object {
  return z.toJSONSchema(fileSchema, { target: 'draft-7', io: 'input' });
}

function shapeOf(table: Table): Record<string, z.ZodType> {
  return Object.fromEntries(
    Object.entries(table).map(([name, node]) => [
      name,
      isSetting(node) ? schemaOf(node) : z.strictObject(shapeOf(node)).nullable().optional(),
    ]),
  );
}

/** Nothing is required here: what the file leaves out, a variable may set. */
function schemaOf(setting: Setting): z.ZodType {
  const { meaning, secret, kind, variable } = setting;
  const description = variable === undefined ? `${meaning}.` : `${meaning}. Variable: ${variable}`;
  const meta = { description, ...(setting.default === undefined ? {} : { default: setting.default }) };
  return (secret ? reference : z.union([kind.schema, reference])).meta(meta).optional();
}
