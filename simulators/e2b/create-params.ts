/** Parses the bodies of requests about sandboxes. Refuses options that the simulator does not support, by name. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { ApiError, notOffered } from './api-error.ts';
import type { Catalogue } from './catalogue.ts';
import type { EgressUpdate, NewSandbox } from './record.ts';

const DEFAULT_TIMEOUT_S = 300;
const MAX_TIMEOUT_S = 24 * 3600;

export const Timeout = z
  .int()
  .min(0)
  .max(MAX_TIMEOUT_S, { error: 'Timeout cannot be greater than 24 hours' })
  .default(DEFAULT_TIMEOUT_S);

const CreateBody = z.looseObject({
  templateID: z.string().min(1),
  metadata: z.record(z.string(), z.string()).nullish(),
  envVars: z.record(z.string(), z.string()).nullish(),
  timeout: Timeout,
  autoPause: z.boolean().nullish(),
  autoPauseMemory: z.boolean().nullish(),
  autoResume: z.looseObject({ enabled: z.boolean().nullish() }).nullish(),
  allow_internet_access: z.boolean().nullish(),
  network: z
    .looseObject({ denyOut: z.array(z.string()).nullish(), allowPublicTraffic: z.boolean().nullish() })
    .nullish(),
  secure: z.boolean().nullish(),
});

const ConnectBody = z.looseObject({ timeout: Timeout, memory: z.boolean().default(true) });
const PauseBody = z.looseObject({ memory: z.boolean().default(true) });
const ResumeBody = z.looseObject({ timeout: Timeout, autoPause: z.boolean().nullish() });
const NetworkBody = z.looseObject({
  allow_internet_access: z.boolean().nullish(),
  denyOut: z.array(z.string()).nullish(),
});
const RefreshBody = z.looseObject({ duration: z.number().int().min(0).max(3600).default(15) });
const TimeoutBody = z.looseObject({ timeout: Timeout.unwrap() });

/**
 * `mayBeOpen`: whether this version of the API allows sandboxes without `secure`. Throws a 400, a 404 for an unknown
 * template, or a 501 for an unsupported option.
 */
export function readCreate(body: unknown, templates: Catalogue, mayBeOpen: boolean): NewSandbox {
  const asked = parse(CreateBody, body);
  // `mcp` is ignored: the service only counts it, and the SDK itself starts the gateway in the sandbox.
  for (const field of ['iam', 'volumeMounts', 'egressProxy']) {
    if (!isEmpty(asked[field])) throw notOffered(`"${field}" of a sandbox`);
  }
  assertEgress(asked.network ?? {});
  const template = templates.resolve(asked.templateID);
  if (!template) {
    const names = templates
      .list()
      .flatMap(({ name, tags }) => Object.keys(tags).map((tag) => `${name}:${tag}`))
      .join(', ');
    throw new ApiError(
      404,
      `template '${asked.templateID}' not found (the local E2B simulator has: ${names})`,
    );
  }
  const open = mayBeOpen && !asked.secure;
  const allowPublicTraffic = asked.network?.allowPublicTraffic !== false;
  if (open && !allowPublicTraffic)
    throw new ApiError(
      400,
      "You cannot create a sandbox without public access unless you enable secure envd access via 'secure' flag.",
    );
  const autoResume = asked.autoResume?.enabled ?? false;
  const keepMemory = asked.autoPauseMemory ?? true;
  if (autoResume && !keepMemory) throw new ApiError(400, 'autoResume needs a pause that keeps the memory');
  return {
    template: template.name,
    buildId: template.buildId,
    metadata: asked.metadata ?? {},
    env: asked.envVars ?? {},
    timeoutMs: asked.timeout * 1000,
    onTimeout: asked.autoPause ? 'pause' : 'kill',
    keepMemory,
    autoResume,
    allowPublicTraffic,
    allowInternetAccess: asked.allow_internet_access ?? null,
    network: asked.network ?? null,
    open,
  };
}

export function readConnect(body: unknown): { timeoutMs: number; memory: boolean } {
  const { timeout, memory } = parse(ConnectBody, body);
  return { timeoutMs: timeout * 1000, memory };
}

export function readPause(body: unknown): { memory: boolean } {
  return parse(PauseBody, body);
}

export function readTimeout(body: unknown): number {
  return parse(TimeoutBody, body).timeout * 1000;
}

export function readResume(body: unknown): { timeoutMs: number; autoPause?: boolean } {
  const { timeout, autoPause } = parse(ResumeBody, body);
  return { timeoutMs: timeout * 1000, ...(typeof autoPause === 'boolean' ? { autoPause } : {}) };
}

export function readRefresh(body: unknown): number {
  return parse(RefreshBody, body).duration * 1000;
}

/** New egress rules of a sandbox. Throws a 400, or a 501 for unsupported rules. */
export function readNetwork(body: unknown): EgressUpdate {
  const asked = parse(NetworkBody, body);
  assertEgress(asked);
  return { allowInternetAccess: asked.allow_internet_access ?? null, denyOut: asked.denyOut ?? undefined };
}

/** Throws a 400 for an invalid address, a 501 for a rule that would give a sandbox access to the network. */
function assertEgress(network: { denyOut?: string[] | null | undefined; [field: string]: unknown }): void {
  for (const denied of network.denyOut ?? [])
    if (!isAddressOrBlock(denied)) throw new ApiError(400, `invalid denied CIDR ${denied}`);
  for (const field of ['allowOut', 'rules', 'egressProxy']) {
    if (!isEmpty(network[field]))
      throw notOffered(`"network.${field}" of a sandbox: it has no network but its own`);
  }
}

/** Whether the text is an IP address or CIDR block. Of all-zero addresses, E2B accepts only `0.0.0.0/0`. */
function isAddressOrBlock(text: string): boolean {
  if (text === '0.0.0.0/0') return true;
  const [address = '', prefix, ...more] = text.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0 || /^[0:.]+$/.test(address)) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (version === 4 ? 32 : 128);
}

/** Parses a body. Throws a 400 that names the wrong fields. */
export function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  throw new ApiError(
    400,
    result.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  );
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
