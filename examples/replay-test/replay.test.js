// Checks before an upgrade that running sessions can continue on the new version.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { replayHistory } from 'managed-agents-router/replay';

const folder = new URL('histories/', import.meta.url);

for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
  const content = JSON.parse(readFileSync(new URL(name, folder), 'utf8'));
  // What `sessions history export --output -` prints holds every run of a session; any other file holds one history.
  for (const [index, history] of (content.runs?.map((run) => run.history) ?? [content]).entries())
    test(`${name}, run ${index + 1}`, () => replayHistory(history));
}
