import { describe, expect, it } from 'vitest';
import { EMPTY_NOTES, type Folder, merge, type Notes } from '../../../activities/memory/merge.ts';

const NOW = 1_000_000;
type Side = Record<string, string>;

/** Plans a sync in a word per path. */
function plan(
  side: { folder?: Side; store?: Side; base?: Side } & Partial<Omit<Notes, 'base'>>,
  more: Partial<Folder> & { readOnly?: boolean; last?: boolean } = {},
) {
  const { folder = {}, store = {}, base = {}, ...notes } = side;
  const { readOnly = false, last = false, ...rest } = more;
  const memories = new Map(Object.entries(store).map(([path, sha]) => [path, { id: `mem_${path}`, sha }]));
  const files = new Map(Object.entries(folder));
  const planned = merge(
    { marker: 'ours', complete: true, files, ...rest },
    memories,
    { ...EMPTY_NOTES, base, ...notes },
    { readOnly, last, now: NOW },
  );
  const does: Record<string, string> = {};
  for (const { path, over } of planned.push) does[path] = over ? 'update' : 'create';
  for (const { path } of planned.pull) does[path] = 'pull';
  for (const { path } of planned.deleteMemory) does[path] = 'delete memory';
  for (const { path } of planned.removeFile) does[path] = 'remove file';
  return { does, notes: planned.notes, conflicts: planned.conflicts };
}
const does = (...args: Parameters<typeof plan>) => plan(...args).does;

describe('a path', () => {
  it('that is the same on both sides is left alone', () => {
    expect(does({ folder: { a: '1' }, store: { a: '1' }, base: { a: '1' } })).toEqual({});
    expect(plan({ folder: { a: '1' }, store: { a: '1' } }).notes.base).toEqual({ a: '1' });
  });
  it('that changed on one side is brought to the other', () => {
    expect(does({ store: { a: '1' } })).toEqual({ a: 'pull' });
    expect(does({ folder: { a: '1' } })).toEqual({ a: 'create' });
    expect(does({ folder: { a: '2' }, store: { a: '1' }, base: { a: '1' } })).toEqual({ a: 'update' });
    expect(does({ folder: { a: '1' }, store: { a: '2' }, base: { a: '1' } })).toEqual({ a: 'pull' });
  });
  it('that changed on both sides is taken from the store, and named', () => {
    const { does: done, conflicts } = plan({ folder: { a: '2' }, store: { a: '3' }, base: { a: '1' } });
    expect(done).toEqual({ a: 'pull' });
    expect(conflicts).toEqual(['a']);
    expect(does({ folder: { a: '2' }, store: { a: '3' } })).toEqual({ a: 'pull' });
  });
  it('that was deleted in the store goes, unless the file holds more', () => {
    expect(does({ folder: { a: '1' }, base: { a: '1' } })).toEqual({ a: 'remove file' });
    expect(does({ folder: { a: '2' }, base: { a: '1' } })).toEqual({ a: 'create' });
    expect(does({ base: { a: '1' } })).toEqual({});
  });
  it('that the service refused waits until it changes', () => {
    expect(does({ folder: { a: '1' }, refused: { a: '1' } })).toEqual({});
    expect(plan({ folder: { a: '1' }, refused: { a: '1' } }).notes.refused).toEqual({ a: '1' });
    expect(does({ folder: { a: '2' }, refused: { a: '1' } })).toEqual({ a: 'create' });
  });
});

describe('a missing file', () => {
  const gone = { folder: { b: '1' }, store: { a: '1', b: '1' }, base: { a: '1', b: '1' } };
  it('is deleted in the store after half a minute, or at the end of the turn', () => {
    const first = plan(gone);
    expect(first.does).toEqual({});
    expect(first.notes.missing).toEqual({ a: NOW });
    expect(does({ ...gone, missing: { a: NOW - 29_999 } })).toEqual({});
    expect(does({ ...gone, missing: { a: NOW - 30_000 } })).toEqual({ a: 'delete memory' });
    expect(does(gone, { last: true })).toEqual({ a: 'delete memory' });
  });
  it('comes back where the store has changed it, or it may only be read', () => {
    expect(does({ ...gone, store: { a: '2', b: '1' } }, { last: true })).toEqual({ a: 'pull' });
    expect(does(gone, { last: true, readOnly: true })).toEqual({ a: 'pull' });
  });
  it('comes back where the folder looks wiped', () => {
    expect(does(gone, { last: true, marker: 'missing' })).toEqual({ a: 'pull' });
    const wiped = { store: gone.store, base: gone.base };
    expect(does(wiped, { last: true })).toEqual({ a: 'pull', b: 'pull' });
    expect(does({ store: { a: '1' }, base: { a: '1' } }, { last: true })).toEqual({ a: 'delete memory' });
  });
  it('says nothing in a folder that was not looked at whole', () => {
    expect(does(gone, { last: true, complete: false })).toEqual({});
  });
  it('goes with few others at a time', () => {
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, '1']));
    const side = { folder: { f0: '1' }, store: many, base: many };
    expect(Object.keys(does(side, { last: true }))).toHaveLength(25);
  });
});

it('a store that may only be read gets nothing, and its folder is put right', () => {
  const side = { folder: { a: '2', b: '1' }, store: { a: '1' }, base: { a: '1' } };
  expect(does(side, { readOnly: true })).toEqual({ a: 'pull' });
});

describe('after a sync that was cut off', () => {
  it('what it sent is told from what others changed', () => {
    const sent = { folder: { a: '3' }, store: { a: '2' }, base: { a: '1' } };
    expect(does(sent)).toEqual({ a: 'pull' });
    expect(does({ ...sent, sent: { a: '2' } })).toEqual({ a: 'update' });
  });
  it('what it wrote and the session edited since is sent', () => {
    const written = { folder: { a: '3' }, store: { a: '2' } };
    expect(does(written)).toEqual({ a: 'pull' });
    expect(does({ ...written, pulled: { a: { sha: '2', was: null } } })).toEqual({ a: 'update' });
  });
  it('what it did not come to is done', () => {
    const left = { folder: { a: '1' }, store: { a: '2' }, base: { a: '1' } };
    expect(does({ ...left, pulled: { a: { sha: '2', was: '1' } } })).toEqual({ a: 'pull' });
    expect(does({ store: { a: '2' }, pulled: { a: { sha: '2', was: null } } })).toEqual({ a: 'pull' });
  });
  it('notes name what comes next', () => {
    const { notes } = plan({ folder: { a: '1', c: '2' }, store: { b: '1', c: '1' }, base: { c: '1' } });
    expect(notes.sent).toEqual({ a: '1', c: '2' });
    expect(notes.pulled).toEqual({ b: { sha: '1', was: null } });
  });
});
