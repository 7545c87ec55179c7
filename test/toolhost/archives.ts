// Archives for tests, well-formed and hostile.

import { strToU8, type Zippable, zipSync } from 'fflate';
import { Header, type HeaderData } from 'tar';

type ZipFile = { mode?: number; text?: string; bytes?: Uint8Array };

/** A zip; modes are those of Unix, with the type of file. */
export function zip(files: Record<string, string | ZipFile>): Buffer {
  const entries: Zippable = {};
  for (const [path, file] of Object.entries(files)) {
    const { mode, text = '', bytes } = typeof file === 'string' ? { text: file } : file;
    const content = bytes ?? strToU8(text);
    entries[path] = mode === undefined ? content : [content, { os: 3, attrs: (mode << 16) >>> 0 }];
  }
  return Buffer.from(zipSync(entries));
}

export type TarMember = { path: string; text?: string } & Partial<HeaderData>;

export function tar(...members: TarMember[]): Buffer {
  const blocks = members.flatMap(({ text = '', ...header }) => {
    const body = Buffer.from(text);
    const block = Buffer.alloc(512);
    new Header({ mode: 0o644, type: 'File', size: body.length, mtime: new Date(0), ...header }).encode(block);
    return [block, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
