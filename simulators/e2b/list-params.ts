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

/** One page. The token holds the last entry's place. Throws a 400 for a bad limit, state or token. */
export function listPage(
  all: SandboxRecord[],
  query: Query,
  pageSize: number,
  template: (reference: string) => string | undefined,
): Page {
  const metadata = metadataFilter(one(query.metadata));
  const states = many(query.state);
  for (const state of states) {
    if (state !== 'running' && state !== 'paused') throw new ApiError(400, `unknown state '${state}'`);
  }
  const startedAfter = one(query.startedAfter);
  const wantedTemplate = one(query.template);
  const ascending = one(query.order) === 'asc';
  const compare = (a: Place, b: Place) =>
    (a.startedAt - b.startedAt || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)) * (ascending ? 1 : -1);
  const after = readToken(one(query.nextToken));
  const matching = all
    .filter((record) => states.length === 0 || states.includes(shownState(record)))
    .filter((record) => Object.entries(metadata).every(([key, value]) => record.metadata[key] === value))
    .filter((record) => !startedAfter || record.startedAt > Date.parse(startedAfter))
    .filter((record) => !wantedTemplate || record.template === template(wantedTemplate))
    .sort(compare)
    .filter((record) => !after || compare(record, after) > 0);
  const size = Math.min(limitOf(one(query.limit)), pageSize);
  const records = matching.slice(0, size);
  const last = records.at(-1);
  return { records, next: last && matching.length > size ? writeToken(last) : undefined };
}

interface Place {
  startedAt: number;
  id: string;
}

/** One page of what has no other order, the newest first. Throws a 400 for a bad limit or token. */
export function newestFirst<T extends { id: string; createdAt: number }>(
  all: readonly T[],
  query: Query,
): { records: T[]; next: string | undefined } {
  const after = readToken(one(query.nextToken));
  const isBehind = ({ createdAt, id }: T) =>
    !after || createdAt < after.startedAt || (createdAt === after.startedAt && id > after.id);
  const matching = [...all]
    .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1))
    .filter(isBehind);
  const records = matching.slice(0, limitOf(one(query.limit)));
  const last = records.at(-1);
  const next =
    last && matching.length > records.length ? { startedAt: last.createdAt, id: last.id } : undefined;
  return { records, next: next && writeToken(next) };
}

/** Keys and values are encoded once more than the query itself. */
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

function writeToken({ startedAt, id }: Place): string {
  return Buffer.from(JSON.stringify([startedAt, id])).toString('base64url');
}

function readToken(token: string | undefined): Place | undefined {
  if (!token) return undefined;
  try {
    const [startedAt, id] = JSON.parse(Buffer.from(token, 'base64url').toString()) as [number, string];
    return { startedAt, id };
  } catch {
    throw new ApiError(400, 'Invalid next token');
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value;
}

function many(value: string | string[] | undefined): string[] {
  return (Array.isArray(value) ? value : [value ?? '']).flatMap((part) => part.split(',')).filter(Boolean);
}
