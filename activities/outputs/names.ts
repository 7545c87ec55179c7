// Names of files as a sandbox lists them, sorted out: which of them can be the name of a copy. Pure.

const MAX_PATH_BYTES = 900;
const MAX_PART_BYTES = 255;
/** Of all names of a session: they are held for as long as the copy takes. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Names that no store can hold, or that lie to people who read a list of them. */
const UNFIT = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\\]/u;

export interface Names {
  /** In order, each once. */
  names: string[];
  unfit: { name: string; why: string }[];
  /** How many there are beyond what is held. */
  excess: number;
}

export function usableNames(files: readonly { path: string }[]): Names {
  const sorted = [...new Set(files.map(({ path }) => path))].sort((a, b) => (a < b ? -1 : 1));
  const clean = new Set(sorted.filter(isClean));
  const unfit: Names['unfit'] = [];
  const names: string[] = [];
  let bytes = 0;
  let excess = 0;
  for (const name of sorted) {
    if (!clean.has(name)) unfit.push({ name, why: 'cannot be the name of a copy' });
    else if (above(name).some((folder) => clean.has(folder)))
      unfit.push({ name, why: 'lies below a name that is listed as a file' });
    else if (bytes + Buffer.byteLength(name) > MAX_BYTES) excess += 1;
    else {
      bytes += Buffer.byteLength(name);
      names.push(name);
    }
  }
  return { names, unfit, excess };
}

/** It must not lead anywhere else, and be what it looks like. */
function isClean(path: string): boolean {
  return (
    Buffer.byteLength(path) <= MAX_PATH_BYTES &&
    !UNFIT.test(path) &&
    path
      .split('/')
      .every((part) => !['', '.', '..'].includes(part) && Buffer.byteLength(part) <= MAX_PART_BYTES)
  );
}

function above(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join('/'));
}
