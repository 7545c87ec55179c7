// The tools "read" and "edit" on files of every kind and encoding.
import { chmodSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { GIF, JPEG, PDF, png, WEBP } from './images.ts';
import { RunningToolhost } from './running-toolhost.ts';

const host = new RunningToolhost();
let calls = 0;

beforeAll(() => host.start());
afterAll(() => host.remove());

const file = (name: string) => join(host.workdir, name);
const write = (name: string, content: Buffer | string) => writeFileSync(file(name), content);

async function read(name: string, view_range?: number[]) {
  const call = await host.put(`call_${calls++}`, 'read', {
    file_path: name,
    ...(view_range ? { view_range } : {}),
  });
  return call.result;
}

async function edit(
  name: string,
  old_string: string,
  new_string: string,
  more: object = {},
): Promise<string> {
  const input = { file_path: name, old_string, new_string, ...more };
  const { result } = await host.put(`call_${calls++}`, 'edit', input);
  const [block] = result?.content ?? [];
  const text = block?.type === 'text' ? block.text : '';
  expect(result?.isError).toBe(!text.startsWith('edited '));
  return text;
}

describe('read', () => {
  test.each([
    ['a.png', 'image/png', png(3, 2)],
    ['a.jpg', 'image/jpeg', JPEG],
    ['a.gif', 'image/gif', GIF],
    ['a.webp', 'image/webp', WEBP],
    ['png-by-another-name.txt', 'image/png', png(1, 1)],
  ])('%s is an image block', async (name, media_type, bytes) => {
    write(name, bytes);
    const source = { type: 'base64', media_type, data: bytes.toString('base64') };
    expect(await read(name)).toEqual({ content: [{ type: 'image', source }], isError: false });
  });

  test('a PDF is a document block', async () => {
    write('a.pdf', PDF);
    const source = { type: 'base64', media_type: 'application/pdf', data: PDF.toString('base64') };
    expect(await read('a.pdf')).toEqual({ content: [{ type: 'document', source }], isError: false });
  });

  test.each([
    ['half.png', png(300, 300).subarray(0, 60), 'damaged or not complete'],
    ['half.jpg', JPEG.subarray(0, 40), 'damaged or not complete'],
    ['half.webp', WEBP.subarray(0, 30), 'damaged or not complete'],
    ['empty.gif', Buffer.from('GIF89a'), 'damaged or not complete'],
    ['wide.png', png(8_001, 1), '8001 x 1 pixels, and a side may have at most 8000'],
    ['secret.pdf', Buffer.concat([PDF, Buffer.from('/Encrypt 9 0 R')]), 'it is encrypted'],
  ])('%s, which the API would refuse, is an error that says why', async (name, bytes, why) => {
    write(name, bytes);
    expect(await read(name)).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining(why) }],
    });
  });

  test('the largest image that is accepted, and an image one byte larger', async () => {
    write('large.png', Buffer.concat([png(2, 2), Buffer.alloc(3_932_160)]));
    truncateSync(file('large.png'), 3_932_160);
    expect((await read('large.png'))?.content[0]?.type).toBe('image');
    truncateSync(file('large.png'), 3_932_161);
    expect(await read('large.png')).toMatchObject({
      isError: true,
      content: [
        { text: expect.stringContaining('of 3932161 bytes that cannot be shown: at most 3932160 bytes can') },
      ],
    });
  });

  test.each([
    ['a.gz', gzipSync('text'), 'gzip archive'],
    ['a.sqlite', Buffer.from('SQLite format 3\0'), 'SQLite database'],
    ['a.elf', Buffer.from('\x7fELF\x02\x01\x01\0', 'latin1'), 'ELF program or library'],
    ['a.bin', Buffer.from([1, 2, 0, 3]), 'binary data'],
    [
      'utf16.txt',
      Buffer.from('\ufeffhello', 'utf16le'),
      'UTF-16 text (convert it with `iconv -f UTF-16 -t UTF-8`)',
    ],
  ])('%s is an error that says type and size', async (name, bytes, type) => {
    write(name, bytes);
    const text = `read: ${name} is not text but a file of type: ${type}, ${bytes.length} bytes.`;
    expect(await read(name)).toEqual({ isError: true, content: [{ type: 'text', text }] });
  });

  test('a text that is not UTF-8 is shown with a note', async () => {
    write('latin1.txt', Buffer.from('caf\xe9\n', 'latin1'));
    expect(await read('latin1.txt')).toEqual({
      isError: false,
      content: [
        { type: 'text', text: 'caf\uFFFD\n' },
        { type: 'text', text: expect.stringContaining('bytes that are not UTF-8') },
      ],
    });
    write('utf8.txt', 'café\n');
    expect((await read('utf8.txt'))?.content).toEqual([{ type: 'text', text: 'café\n' }]);
  });
});

describe('edit', () => {
  test.each([
    ['latin-1', Buffer.from('na\xefve = 1\r\ncaf\xe9 = 2\r\n', 'latin1')],
    [
      'bytes that are no text',
      Buffer.concat([Buffer.from([0, 0xff, 0xfe]), Buffer.from(' = 1\n'), Buffer.from([0xc3])]),
    ],
    ['a byte order mark', Buffer.from('\ufeffx = 1\n')],
    ['no line end', Buffer.from('x = 1')],
    ['half of a character at the end', Buffer.from('x = 1\n\xe2\x82', 'latin1')],
  ])('bytes that were not asked to change never change: %s', async (_, bytes) => {
    write('bytes', bytes);
    expect(await edit('bytes', ' = 1', ' = one')).toBe('edited bytes (1 replacement(s))');
    const expected = bytes.toString('latin1').replace(' = 1', ' = one');
    expect(readFileSync(file('bytes')).toString('latin1')).toBe(expected);
  });

  test('UTF-8 in the file and in both strings', async () => {
    write('utf8', 'a – ✓ 😀 b');
    expect(await edit('utf8', '– ✓', '… ✗ $& $1')).toContain('edited');
    expect(readFileSync(file('utf8'), 'utf8')).toBe('a … ✗ $& $1 😀 b');
  });

  test('an edit that would mix encodings or finds nothing is refused with the reason and changes nothing', async () => {
    const latin1 = Buffer.from('caf\xe9 = 1', 'latin1');
    write('latin1', latin1);
    expect(await edit('latin1', '= 1', '= é')).toContain(
      'not UTF-8, so new_string may have ASCII characters alone',
    );
    expect(await edit('latin1', 'café', 'tea')).toContain(
      'old_string not found in latin1. The file is not UTF-8',
    );
    expect(await edit('latin1', '= 1', '\ud83d')).toContain('half of a surrogate pair');
    expect(readFileSync(file('latin1'))).toEqual(latin1);
    write('utf16', Buffer.from('\ufeffx = 1', 'utf16le'));
    expect(await edit('utf16', 'x = 1', 'x = 2')).toContain('The file is not UTF-8');
    write('crlf', 'one\r\ntwo\r\n');
    expect(await edit('crlf', 'one\ntwo', 'three')).toContain('The lines of the file end in \\r\\n');
  });

  test('counts replacements, reports missing files, and keeps the mode of a file', async () => {
    write('many', 'aaaa aa');
    chmodSync(file('many'), 0o750);
    expect(await edit('many', 'aa', 'b')).toBe('edit: old_string appears 3 times in many (must be unique)');
    expect(await edit('many', 'aa', 'b', { replace_all: true })).toBe('edited many (3 replacement(s))');
    expect(readFileSync(file('many'), 'utf8')).toBe('bb b');
    expect(statSync(file('many')).mode & 0o777).toBe(0o750);
    expect(await edit('nowhere', 'a', 'b')).toBe('edit: nowhere: no such file or directory');
    expect(await edit('.', 'a', 'b')).toBe('edit: . is not a regular file');
    expect(await edit('/etc/passwd', 'a', 'b')).toContain("outside the session's working directory");
  });
});
