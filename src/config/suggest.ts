// "Did you mean …?" for names that are not known.

/** Names further apart than this have nothing to do with each other, however long they are. */
const MAX_EDITS = 3;

/**
 * The candidate that was probably meant: the same name in another place or spelling, or a few letters away.
 * @param candidates paths, of which the last part counts; in doubt the first wins
 */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(name);
  const limit = Math.min(MAX_EDITS, Math.floor(wanted.length / 3));
  const ranked = candidates
    .map((path) => ({ path, edits: editsBetween(wanted, plain(path.slice(path.lastIndexOf('.') + 1))) }))
    .filter(({ edits }) => edits <= limit)
    .sort((a, b) => a.edits - b.edits);
  return ranked[0]?.path;
}

function plain(name: string): string {
  return name
    .replace(/[^a-z0-9]/gi, '')
    .toLowerCase()
    .slice(0, 64);
}

/** Levenshtein's distance. */
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
