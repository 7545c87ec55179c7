// Finds the name for "Did you mean …?".

const MAX_EDITS = 3;

/**
 * The candidate with the same or almost the same name, at any place and in any spelling (camelCase, snake_case, …).
 * @param candidates paths; only their last parts are compared; of equally close candidates the first wins
 * @param maxEdits names that differ by more edits are unrelated, however long they are
 * @returns undefined if no candidate is close
 */
export function nearest(
  name: string,
  candidates: readonly string[],
  maxEdits = MAX_EDITS,
): string | undefined {
  const wanted = normalize(name);
  const limit = Math.min(maxEdits, Math.floor(wanted.length / 3));
  const ranked = candidates
    .map((path) => ({ path, edits: editsBetween(wanted, normalize(path.slice(path.lastIndexOf('.') + 1))) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits);
  return ranked[0]?.path;
}

function normalize(name: string): string {
  return name
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase()
    .slice(0, 64);
}

/** The Levenshtein distance. */
function editsBetween(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const replaced = (row[j] ?? 0) + (letter === other ? 0 : 1);
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
