/** Pagination with opaque cursors. A cursor holds the last key shown, so insertions do not shift later pages. */
import { badRequest } from './errors.ts';

export type Order = 'asc' | 'desc';

export interface Page<T> {
  data: T[];
  next_page: string | null;
  prev_page: string | null;
}

export interface PageQuery {
  limit?: string | undefined;
  page?: string | undefined;
}

interface Cursor {
  order: Order;
  towards: 'next' | 'prev';
  key: string;
}

const MAX_LIMIT = 1000;

/**
 * One page of `items`, sorted by `keyOf` (compared as strings) in this order. Throws 400 for a limit outside
 * 1–`maxLimit` and for a cursor of another list or order.
 */
export function paginate<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  order: Order,
  query: PageQuery,
  defaultLimit: number,
  maxLimit = MAX_LIMIT,
): Page<T> {
  const limit = query.limit === undefined ? defaultLimit : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > maxLimit) {
    throw badRequest(`limit: must be an integer from 1 to ${maxLimit}`);
  }
  const sorted = [...items].sort((a, b) => compare(keyOf(a), keyOf(b), order));
  const cursor = query.page ? parse(String(query.page), order) : undefined;
  let start = 0;
  if (cursor?.towards === 'next') {
    start = sorted.findIndex((item) => compare(keyOf(item), cursor.key, order) > 0);
    if (start < 0) start = sorted.length;
  } else if (cursor) {
    const end = sorted.findIndex((item) => compare(keyOf(item), cursor.key, order) >= 0);
    start = Math.max(0, (end < 0 ? sorted.length : end) - limit);
  }
  const data = sorted.slice(start, start + limit);
  const [first, last] = [data[0], data.at(-1)];
  const hasNext = start + data.length < sorted.length;
  return {
    data,
    next_page: hasNext && last ? format({ order, towards: 'next', key: keyOf(last) }) : null,
    prev_page: start > 0 && first ? format({ order, towards: 'prev', key: keyOf(first) }) : null,
  };
}

/** The `order` parameter. Throws 400. */
export function orderOf(value: string | undefined, fallback: Order): Order {
  if (value === undefined) return fallback;
  if (value !== 'asc' && value !== 'desc') throw badRequest('order: must be asc or desc');
  return value;
}

/** Values of a repeated query parameter, named `name` or `name[]`. */
export function repeated(query: Record<string, unknown>, name: string): string[] {
  return [query[name], query[`${name}[]`]].flat().filter((value) => typeof value === 'string');
}

/** A filter by the parameters `created_at[gt|gte|lt|lte]`; without them every time passes. */
export function createdAtFilter(query: Record<string, unknown>): (time: string | null) => boolean {
  const tests: ((at: number) => boolean)[] = [];
  const bound = (name: string, test: (at: number, limit: number) => boolean) => {
    const value = query[`created_at[${name}]`];
    if (value === undefined) return;
    const limit = Date.parse(String(value));
    if (Number.isNaN(limit)) throw badRequest(`created_at[${name}]: must be an RFC 3339 time`);
    tests.push((at) => test(at, limit));
  };
  bound('gt', (at, limit) => at > limit);
  bound('gte', (at, limit) => at >= limit);
  bound('lt', (at, limit) => at < limit);
  bound('lte', (at, limit) => at <= limit);
  return (time) => tests.length === 0 || (time !== null && tests.every((test) => test(Date.parse(time))));
}

/** Sort key: the time of creation, then the id. */
export function creationKey(item: { created_at: string; id: string }): string {
  return `${item.created_at} ${item.id}`;
}

function compare(a: string, b: string, order: Order): number {
  const ascending = a < b ? -1 : a > b ? 1 : 0;
  return order === 'asc' ? ascending : -ascending;
}

function format(cursor: Cursor): string {
  return `page_${Buffer.from(JSON.stringify(cursor)).toString('base64url')}`;
}

function parse(text: string, order: Order): Cursor {
  let cursor: Partial<Cursor> | null = null;
  try {
    cursor = JSON.parse(Buffer.from(text.replace(/^page_/, ''), 'base64url').toString()) as Partial<Cursor>;
  } catch {
    // Refused below, like a cursor without a key.
  }
  if (typeof cursor?.key !== 'string' || !cursor.towards) throw badRequest('page: not a cursor of this list');
  if (cursor.order !== order) throw badRequest(`page: the cursor belongs to order=${cursor.order}`);
  return cursor as Cursor;
}
