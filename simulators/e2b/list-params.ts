/** Filters, order and pages of lists. */
import { ApiError } from './api-error.ts';
import type { SandboxRecord } from './record.ts';
import { shownState } from './views.ts';

type Query = Record<string, string | string[] | undefined>;

const MAX_LIMIT = 100;

export interface Page {
  records: SandboxRecord[];
  next: string | undefined;
}

/** One page of sandboxes. The token holds the position of its last entry. Throws a 400 for a bad limit, state or token. */
export function listPage(
  all: SandboxRecord[],
  query: Query,
  pageSize: number,
  template: (reference: string) => string | undefined,
): Page {
  const metadata = metadataFilter(first(query.metadata));
  const states = listOf(query.state);
  for (const state of states) {
    if (state !== 'running' && state !== 'paused') throw new ApiError(400, `unknown state '${state}'`);
  }
  const startedAfter = first(query.startedAfter);
  const wantedTemplate = first(query.template);
  const ascending = first(query.order) === 'asc';
  const compare = (a: Position, b: Position) =>
    (a.startedAt - b.startedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)) * (ascending ? 1 : -1);
  const after = readToken(first(query.nextToken));
  const matching = all
    .filter((record) => states.length === 0 || states.includes(shownState(record)))
    .filter((record) => Object.entries(metadata).every(([key, value]) => record.metadata[key] === value))
    .filter((record) => !startedAfter || record.startedAt >= Date.parse(startedAfter))
    .filter((record) => !wantedTemplate || record.template === template(wantedTemplate))
    .sort(compare)
    .filter((record) => !after || compare(record, after) > 0);
  const size = Math.min(limitOf(first(query.limit)), pageSize);
  const records = matching.slice(0, size);
  const last = records.at(-1);
  return { records, next: last && matching.length > size ? writeToken(last) : undefined };
}

interface Position {
  startedAt: number;
  id: string;
}

/** One page of a list without an `order` parameter, newest first. Throws a 400 for a bad limit or token. */
export function newestFirst<T extends { id: string; createdAt: number }>(
  all: readonly T[],
  query: Query,
): { records: T[]; next: string | undefined } {
  const after = readToken(first(query.nextToken));
  const isBehind = ({ createdAt, id }: T) =>
    !after || createdAt < after.startedAt || (createdAt === after.startedAt && id > after.id);
  const matching = [...all]
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
    .filter(isBehind);
  const records = matching.slice(0, limitOf(first(query.limit)));
  const last = records.at(-1);
  const next =
    last && matching.length > records.length ? { startedAt: last.createdAt, id: last.id } : undefined;
  return { records, next: next && writeToken(next) };
}

/** The SDK encodes keys and values twice. */
function metadataFilter(text: string | undefined): Record<string, string> {
  if (!text) return {};
  const decoded = [...new URLSearchParams(text)].map(([key, value]) => [
    decodeURIComponent(key),
    decodeURIComponent(value),
  ]);
  return Object.fromEntries(decoded);
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? MAX_LIMIT : Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new ApiError(400, `limit must be between 1 and ${MAX_LIMIT}`);
}

function writeToken({ startedAt, id }: Position): string {
  return Buffer.from(JSON.stringify([startedAt, id])).toString('base64url');
}

function readToken(token: string | undefined): Position | undefined {
  if (!token) return undefined;
  try {
    const [startedAt, id] = JSON.parse(Buffer.from(token, 'base64url').toString()) as [number, string];
    return { startedAt, id };
  } catch {
    throw new ApiError(400, 'Invalid next token');
  }
}

function first(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function listOf(value: string | string[] | undefined): string[] {
  return (Array.isArray(value) ? value : [value ?? '']).flatMap((part) => part.split(',')).filter(Boolean);
}
