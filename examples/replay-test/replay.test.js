// Checks before an upgrade that running sessions can continue on the new version.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { replayHistory } from 'managed-agents-router/replay';

const folder = new URL('histories/', import.meta.url);

for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  test(name, () => replayHistory(JSON.parse(readFileSync(new URL(name, folder), 'utf8'))));
}
