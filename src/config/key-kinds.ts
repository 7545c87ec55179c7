// Tells the kind of a key by its prefix, because a key is easily put into the setting of another.

export interface KeyKind {
  /** For people, with its article. */
  name: string;
  /** The variable that such a key belongs in; absent if the router reads none. */
  variable?: string;
}

const ENVIRONMENT = { name: 'an environment key of Anthropic', variable: 'ANTHROPIC_ENVIRONMENT_KEY' };

/** The first prefix that fits decides. */
const KINDS: readonly [prefix: string, kind: KeyKind][] = [
  ['sk-ant-oat', ENVIRONMENT],
  ['sk-ant-api', { name: 'an API key of your Anthropic organisation', variable: 'ANTHROPIC_API_KEY' }],
  ['sk-ant-admin', { name: 'an admin key of your Anthropic organisation' }],
  ['sk-ant-req', { name: 'the token of a single work item' }],
  ['sk-ant-', { name: 'another key of Anthropic' }],
  ['sk_e2b_', { name: 'an access token of an E2B user' }],
  ['e2b_', { name: 'an API key of an E2B team', variable: 'E2B_API_KEY' }],
  ['whsec_', { name: 'the signing key of a webhook', variable: 'ANTHROPIC_WEBHOOK_SIGNING_KEY' }],
];

/** The kind of a key. @returns undefined for text without a known prefix */
export function keyKindOf(text: string): KeyKind | undefined {
  return KINDS.find(([prefix]) => text.startsWith(prefix))?.[1];
}

/** Whether the text may be a key for this variable: it has a prefix of that kind, or no known prefix. */
export function mayBeKeyFor(variable: string, text: string): boolean {
  const kind = keyKindOf(text);
  return kind === undefined || kind.variable === variable;
}

/**
 * Says what a value is that was refused, without quoting it.
 * @param what the value that was wanted, with the beginning of one
 * @returns text that continues "… must be X"; empty for a value without a known prefix
 */
export function butHolds(value: unknown, what: string): string {
  if (typeof value !== 'string') return '';
  const [prefix, kind] = KINDS.find(([beginning]) => value.startsWith(beginning)) ?? [];
  if (!prefix || !kind) return '';
  if (what.includes(prefix)) return ', but is cut off, or has characters that no key has';
  return `, but holds ${kind.name}${kind.variable ? `, which belongs in ${kind.variable}` : ''}`;
}
