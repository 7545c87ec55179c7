// The JSON Schema of the configuration file, for editors: published with the package as config.schema.json.
import { z } from 'zod';
import { ENVIRONMENT_TABLE, FILE_TABLE } from './file.ts';
import { REFERENCE_PATTERN } from './references.ts';
import { isSetting, type Setting, type Table } from './setting.ts';

const reference = z.string().regex(new RegExp(REFERENCE_PATTERN)).meta({
  description: 'A reference: ${env:NAME} or ${file:/path}',
});

/** The schema of the file. It does not look references up and does not compare values with each other. */
const fileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    environments: z
      .array(z.strictObject(shapeOf(ENVIRONMENT_TABLE)))
      .min(1)
      .meta({
        description: 'The environments to serve. Each may override the settings for all environments.',
      })
      .optional(),
    ...shapeOf(FILE_TABLE),
  })
  .meta({ title: 'Configuration of managed-agents-router' });

/** The content of config.schema.json. */
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

/** No setting is required in the file, because a variable may set it. */
function schemaOf(setting: Setting): z.ZodType {
  const { meaning, secret, kind, variable } = setting;
  const description = variable === undefined ? `${meaning}.` : `${meaning}. Variable: ${variable}`;
  const meta = { description, ...(setting.default === undefined ? {} : { default: setting.default }) };
  return (secret ? reference : z.union([kind.schema, reference])).meta(meta).optional();
}
