// Checks a tool's input against the tool's own schema, because the SDK's tools do not check it.

interface PropertySchema {
  type?: string;
  items?: PropertySchema;
}

export interface InputSchema {
  properties?: unknown;
  required?: readonly string[] | null;
}

/** What is wrong with an input, in words for the model; undefined if the input is valid. */
export function inputProblem(schema: InputSchema, input: unknown): string | undefined {
  if (!isObject(input)) return 'the input must be an object';
  const missing = schema.required?.find((name) => input[name] === undefined);
  if (missing) return `${missing} is required`;
  for (const [name, property] of Object.entries(
    (schema.properties ?? {}) as Record<string, PropertySchema>,
  )) {
    const value = input[name];
    if (value === undefined || fits(property, value)) continue;
    return `${name} must be ${describe(property)}`;
  }
  return undefined;
}

function fits({ type, items }: PropertySchema, value: unknown): boolean {
  switch (type) {
    case 'integer':
      return Number.isInteger(value);
    case 'array':
      return Array.isArray(value) && (!items || value.every((item) => fits(items, item)));
    case 'object':
      return isObject(value);
    case undefined:
      return true;
    default:
      // The names of the other JSON types are those of JavaScript's typeof.
      return typeof value === type;
  }
}

function describe({ type, items }: PropertySchema): string {
  if (type === 'array') return items?.type ? `a list of ${items.type}s` : 'a list';
  return /^[aeiou]/.test(type ?? '') ? `an ${type}` : `a ${type}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
