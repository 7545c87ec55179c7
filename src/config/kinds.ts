// The kinds of values that settings have: a description for people, a check, and a parser for the text of variables.
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { scrub } from '../log.ts';
import { keyKindOf, mayBeKeyFor } from './key-kinds.ts';

export interface Kind<T extends Scalar = Scalar> {
  /** Completes the sentence "It must be …". */
  what: string;
  /** Checks a value as it stands in the file; its only message is "must be …". */
  schema: z.ZodType<T>;
  /** Parses the text of a variable. Text that does not parse is returned unchanged, so that the schema rejects it. */
  fromText(text: string): unknown;
}

type Scalar = string | number | boolean;

const SIGNING_KEY = /^whsec_[A-Za-z0-9+/]{16,}={0,2}$/;
const S3_TARGET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

export const filePath = string('the path of a file', /\S/);
export const word = string('one word without spaces', /^[\x21-\x7e]+$/);
export const environmentId = string('the id of an environment', /^[\w-]{1,128}$/);
export const agentId = string('the id of an agent', /^[\w-]{1,128}$/);
export const deploymentName = string('letters, digits, - and _, at most 64', /^[\w-]{1,64}$/);
export const hostAndPort = string('host:port', /^(\[[0-9a-fA-F:]+\]|[^\s:/]+):\d{1,5}$/);
export const url = string('an http:// or https:// address', /^https?:\/\/\S+$/, URL.canParse);
export const signingKeys = text(
  'a signing key as the Console shows it, whsec_ and base64',
  /^[\w+/=,\s]+$/,
  (value) => splitKeys(value).every(isSigningKey),
);
export const hookSecrets = text(
  'a secret of Standard Webhooks, whsec_ and base64 of 24 to 64 bytes, like the output of: echo "whsec_$(openssl rand -base64 32)"',
  /^[\w+/=,\s]+$/,
  (value) => splitKeys(value).every(isSigningKey),
);
export const headerList = text('name=value pairs, separated by commas', /^[\x20-\x7e]+$/, (value) =>
  value.split(',').every((pair) => /^\s*[\w.-]+=\S[^,]*$/.test(pair)),
);
export const outputsTarget = string(
  'the absolute path of a directory, or s3://bucket/prefix',
  /^(\/|[A-Za-z]:|s3:)/,
  (value) => S3_TARGET.test(value) || isAbsolute(value),
);

export const environmentKey = key(
  'the key of an environment, like sk-ant-oat01-…',
  'ANTHROPIC_ENVIRONMENT_KEY',
);
export const organizationKey = key(
  'an API key of an Anthropic organisation, like sk-ant-api03-…',
  'ANTHROPIC_API_KEY',
);
export const e2bKey = key('a team key of E2B, like e2b_…', 'E2B_API_KEY');
export const temporalKey = key('an API key of Temporal', 'TEMPORAL_API_KEY');

export const flag: Kind<boolean> = {
  what: 'true or false',
  schema: z.boolean('must be true or false'),
  fromText: (value) => (/^(true|false|1|0)$/i.test(value) ? /^(true|1)$/i.test(value) : value),
};

export function number(min: number, max: number): Kind<number> {
  const what = `a number from ${min} to ${max}`;
  const message = `must be ${what}`;
  return { what, schema: z.number(message).min(min, message).max(max, message), fromText: toNumber };
}

export function wholeNumber(min: number, max: number): Kind<number> {
  const what = `a whole number from ${min} to ${max}`;
  const message = `must be ${what}`;
  return { what, schema: z.int(message).min(min, message).max(max, message), fromText: toNumber };
}

export function choice<const T extends string>(...values: [T, ...T[]]): Kind<T> {
  const what = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(values);
  return { what, schema: z.enum(values, `must be ${what}`), fromText: (value) => value };
}

/** Whether the value has the form of a webhook signing key: `whsec_` and base64. */
export function isSigningKey(value: string): boolean {
  return SIGNING_KEY.test(value);
}

/** The signing keys in a text, separated by commas or white space. */
export function splitKeys(value: string): string[] {
  return value.split(/[\s,]+/).filter(Boolean);
}

/** The bucket and prefix of `s3://bucket/prefix`. @returns undefined for any other target */
export function s3Target(target: string): { bucket: string; prefix: string } | undefined {
  const [, bucket, prefix = ''] = S3_TARGET.exec(target) ?? [];
  return bucket === undefined ? undefined : { bucket, prefix: prefix.replace(/^\/+|\/+$/g, '') };
}

/** Text that is shown, so no key may stand there. */
function string(what: string, pattern: RegExp, isValid?: (value: string) => boolean): Kind<string> {
  return text(what, pattern, (value) => !isKey(value) && (isValid?.(value) ?? true));
}

function text(what: string, pattern: RegExp, isValid: (value: string) => boolean): Kind<string> {
  const message = `must be ${what}`;
  const schema = z.string(message).regex(pattern, message).refine(isValid, message);
  return { what, schema, fromText: (value) => value };
}

/** A short name may begin like a key. */
function isKey(value: string): boolean {
  return keyKindOf(value) !== undefined && scrub(value) !== value;
}

/** @param variable a key with the prefix of a key for another variable is refused */
function key(what: string, variable: string): Kind<string> {
  return text(what, /^[\x21-\x7e]+$/, (value) => mayBeKeyFor(variable, value));
}

function toNumber(value: string): unknown {
  const parsed = Number(value);
  return Number.isNaN(parsed) ? value : parsed;
}
