// The size of the SQLite database of Temporal's dev server.
import { DatabaseSync } from 'node:sqlite';

/** MiB in use, with the writes that wait to be merged; pages that are free do not count. */
export function databaseMiB(file: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const read = (pragma: string) =>
      Number(Object.values(database.prepare(`PRAGMA ${pragma}`).get() ?? {})[0]);
    return ((read('page_count') - read('freelist_count')) * read('page_size')) / 2 ** 20;
  } finally {
    database.close();
  }
}
