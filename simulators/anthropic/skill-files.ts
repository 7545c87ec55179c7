/** The files of a skill: reads them from an upload, validates them, and packs the archive that clients download. */
import { unzipSync, type Zippable, zipSync } from 'fflate';
import { ApiError, badRequest } from './errors.ts';
import type { Upload } from './multipart.ts';

const MAX_BYTES = 30 * 1024 * 1024;
const MAX_NAME = 64;
const MAX_DESCRIPTION = 1024;
/** Unix file type and permissions, in the upper half of a zip entry's attributes. */
const zipMode = (mode: number) => ({ os: 3, attrs: (0o100000 | mode) * 0x10000 });

export interface SkillFiles {
  name: string;
  description: string;
  /** A zip archive with one folder, named like the skill. */
  archive: Uint8Array;
}

/**
 * Reads a skill from the `files` of an upload: single files, or one zip archive, in one folder. With `requiresFolder`
 * the folder has the skill's name; otherwise it may have any name, or be absent. Throws 400 or 413.
 */
export function readSkill(upload: Upload, requiresFolder: boolean): SkillFiles {
  const uploaded = upload.files.filter((file) => file.field === 'files' || file.field === 'files[]');
  if (uploaded.length === 0) throw badRequest('files: at least one file is required');
  const [first] = uploaded;
  const isZip = uploaded.length === 1 && first?.name.toLowerCase().endsWith('.zip');
  const files = isZip && first ? unpack(first.bytes) : uploaded.map(({ name, bytes }) => ({ name, bytes }));
  const size = files.reduce((sum, file) => sum + file.bytes.length, 0);
  if (size > MAX_BYTES) throw new ApiError(413, 'files: the total size exceeds 30 MB');
  const paths = files.map((file) => file.name);
  mustBePaths(paths);
  const isBare = !requiresFolder && paths.includes('SKILL.md');
  const folder = isBare ? undefined : commonFolder(paths);
  const start = folder === undefined ? 0 : folder.length + 1;
  const inside = files.map(({ name, bytes }) => ({ path: name.slice(start), bytes }));
  const guide = inside.find((file) => file.path === 'SKILL.md');
  if (!guide) throw badRequest('files: SKILL.md must be at the root of the top-level directory');
  const front = frontMatter(Buffer.from(guide.bytes).toString('utf8'));
  const name = checkedName(front.get('name') || folder || '');
  if (requiresFolder && folder !== name) {
    throw badRequest(`files: the top-level directory must be named ${name}, as in SKILL.md`);
  }
  return { name, description: checkedDescription(front.get('description')), archive: pack(name, inside) };
}

function unpack(bytes: Uint8Array): { name: string; bytes: Uint8Array }[] {
  let size = 0;
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes, {
      filter: (entry) => {
        size += entry.originalSize;
        return size <= MAX_BYTES && !entry.name.endsWith('/');
      },
    });
  } catch {
    throw badRequest('files: not a zip archive that can be read');
  }
  if (size > MAX_BYTES) throw new ApiError(413, 'files: the total size exceeds 30 MB');
  return Object.entries(entries).map(([name, content]) => ({ name, bytes: content }));
}

function mustBePaths(names: string[]): void {
  for (const name of names) {
    if (name.split('/').some((part) => part === '' || part === '.' || part === '..') || name.includes('\\')) {
      throw badRequest(`files: ${name} is not a path inside the skill`);
    }
  }
  if (new Set(names).size < names.length) throw badRequest('files: a path occurs twice');
}

/** The top-level folder of all files. */
function commonFolder(names: string[]): string {
  const folder = names[0]?.split('/')[0] ?? '';
  if (names.every((name) => name.startsWith(`${folder}/`))) return folder;
  throw badRequest('files: all files must be in the same top-level directory');
}

function pack(name: string, files: { path: string; bytes: Uint8Array }[]): Uint8Array {
  const entries: Zippable = {};
  for (const { path, bytes } of files) {
    // Uploads carry no file modes: a file that begins with #! becomes executable.
    const isProgram = bytes[0] === 0x23 && bytes[1] === 0x21;
    entries[`${name}/${path}`] = [bytes, zipMode(isProgram ? 0o755 : 0o644)];
  }
  return zipSync(entries);
}

function checkedName(name: string): string {
  if (name.length <= MAX_NAME && /^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) return name;
  throw badRequest(
    `SKILL.md: name must be lowercase words joined by hyphens, at most ${MAX_NAME} characters`,
  );
}

function checkedDescription(text: string | undefined): string {
  if (text && text.length <= MAX_DESCRIPTION) return text;
  throw badRequest(`SKILL.md: description must have 1 to ${MAX_DESCRIPTION} characters`);
}

/** The pairs of a file's YAML front matter; values are plain, quoted, or a block of indented lines. */
function frontMatter(text: string): Map<string, string> {
  const block = /^---[^\S\n]*\r?\n([\s\S]*?)\r?\n---[^\S\n]*(?:\r?\n|$)/.exec(text)?.[1];
  if (block === undefined) throw badRequest('SKILL.md: must begin with YAML front matter');
  const pairs = new Map<string, string>();
  let key = '';
  for (const line of block.split(/\r?\n/)) {
    const pair = /^([A-Za-z_][\w-]*):\s*(.*)$/.exec(line);
    if (pair) {
      key = pair[1] ?? '';
      pairs.set(key, unquote((pair[2] ?? '').trim().replace(/^[>|][+-]?$/, '')));
    } else if (key && /^\s+\S/.test(line)) {
      pairs.set(key, `${pairs.get(key)} ${line.trim()}`.trim());
    }
  }
  return pairs;
}

function unquote(value: string): string {
  const quoted = /^"(.*)"$|^'(.*)'$/.exec(value);
  return quoted ? (quoted[1] ?? quoted[2] ?? '') : value;
}
