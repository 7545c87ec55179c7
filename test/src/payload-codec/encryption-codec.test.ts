// Payloads are encrypted in the published format, and only with the keys of the folder can they be read.
import { createDecipheriv, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import proto from '@temporalio/proto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { EncryptionCodec } from '../../../src/payload-codec/encryption-codec.ts';
import { KeyRing } from '../../../src/payload-codec/key-ring.ts';

let folder: string;
const old = randomBytes(32);
const current = randomBytes(32);

const addKey = (id: string, content: string | Buffer) =>
  writeFileSync(join(folder, `${id}.key`), Buffer.isBuffer(content) ? content.toString('base64') : content);
const codecWith = (keyId?: string) => new EncryptionCodec(new KeyRing(folder), keyId);
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value) as Payload;
const text = (bytes?: Uint8Array | null) => Buffer.from(bytes ?? []).toString();
const flip = (bytes: Buffer, at: number) => {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'keys-'));
  addKey('2025', old);
  addKey('2026', current);
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

it('decrypts what it has encrypted, also of no and of many payloads', async () => {
  const codec = codecWith('2026');
  const payloads = [payloadOf('ls -l'), payloadOf({ a: [1, null] }), payloadOf(undefined), {}];
  const encrypted = await codec.encode(payloads);
  expect(encrypted.map(({ data }) => text(data)).join()).not.toContain('ls -l');
  const decrypted = await codec.decode(encrypted);
  expect(decrypted.map(({ data }) => text(data))).toEqual(payloads.map(({ data }) => text(data)));
  expect(decrypted.map(({ metadata }) => text(metadata?.encoding))).toEqual([
    'json/plain',
    'json/plain',
    'binary/null',
    '',
  ]);
  expect(await codec.encode([])).toEqual([]);
});

it("writes the format of Temporal's samples: nonce, ciphertext of the serialized payload, tag", async () => {
  const [{ metadata, data } = {}] = await codecWith('2026').encode([payloadOf('hello')]);
  expect(text(metadata?.encoding)).toBe('binary/encrypted');
  expect(text(metadata?.['encryption-key-id'])).toBe('2026');
  const bytes = Buffer.from(data ?? []);
  const decipher = createDecipheriv('aes-256-gcm', current, bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(-16));
  const plain = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  expect(text(proto.temporal.api.common.v1.Payload.decode(plain).data)).toBe('"hello"');
});

it('the same payload never looks the same twice', async () => {
  const codec = codecWith('2026');
  const [one, other] = await codec.encode([payloadOf('same'), payloadOf('same')]);
  expect(text(one?.data)).not.toBe(text(other?.data));
});

it('reads what an older key has encrypted, and payloads from before the encryption', async () => {
  const [encrypted] = await codecWith('2025').encode([payloadOf('old')]);
  const decrypted = await codecWith('2026').decode([encrypted as Payload, payloadOf('clear')]);
  expect(decrypted.map(({ data }) => text(data))).toEqual(['"old"', '"clear"']);
});

it('without a key id it decrypts and does not encrypt', async () => {
  const [encrypted] = await codecWith('2026').encode([payloadOf('secret')]);
  const reader = codecWith();
  expect(text((await reader.decode([encrypted as Payload]))[0]?.data)).toBe('"secret"');
  expect(text((await reader.encode([payloadOf('clear')]))[0]?.data)).toBe('"clear"');
});

it('finds a key that was added to the folder later', async () => {
  vi.useFakeTimers();
  const reader = codecWith();
  addKey('2027', randomBytes(32));
  const encrypted = await codecWith('2027').encode([payloadOf('new')]);
  vi.advanceTimersByTime(2_000);
  expect(text((await reader.decode(encrypted))[0]?.data)).toBe('"new"');
});

it('names a key that is not there, and the folder', async () => {
  addKey('lost', randomBytes(32));
  const encrypted = await codecWith('lost').encode([payloadOf('x')]);
  rmSync(join(folder, 'lost.key'));
  await expect(codecWith().decode(encrypted)).rejects.toThrow(`there is no key lost.key in ${folder}`);
  expect(() => codecWith('2028')).toThrow('2028.key');
});

it.each([
  ['a changed byte', (bytes: Buffer) => flip(bytes, 14)],
  ['a changed tag', (bytes: Buffer) => flip(bytes, bytes.length - 1)],
  ['too few bytes', (bytes: Buffer) => bytes.subarray(0, 20)],
  ['no bytes', () => Buffer.alloc(0)],
])('refuses a payload with %s', async (_what, change) => {
  const codec = codecWith('2026');
  const [payload] = await codec.encode([payloadOf('x'.repeat(40))]);
  const changed = { ...payload, data: change(Buffer.from(payload?.data ?? [])) };
  await expect(codec.decode([changed])).rejects.toThrow('cannot be decrypted with the key 2026');
});

it('refuses a payload of another key of the same name', async () => {
  const encrypted = await codecWith('2026').encode([payloadOf('x')]);
  addKey('2026', randomBytes(32));
  await expect(codecWith('2026').decode(encrypted)).rejects.toThrow('the key is another one of that name');
});

it.each([
  ['text', 'not a key'],
  ['too short a key', randomBytes(16)],
  ['nothing', ''],
  ['two keys', `${randomBytes(32).toString('base64')}\n${randomBytes(32).toString('base64')}`],
  ['a large file', 'A'.repeat(2_000)],
])('a key file with %s is named, and not shown', (_what, content) => {
  addKey('wrong', content);
  let message = '';
  try {
    codecWith();
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toContain(join(folder, 'wrong.key'));
  expect(message).toContain('openssl rand -base64 32');
  if (content.length > 0) expect(message).not.toContain(String(content).slice(0, 8));
});

it('folders and other files beside the keys are ignored, as mounted secrets have them', () => {
  mkdirSync(join(folder, '..data'));
  writeFileSync(join(folder, 'README'), 'keys');
  expect(new KeyRing(folder).ids).toEqual(['2025', '2026']);
});

it('names a folder without any key', () => {
  rmSync(join(folder, '2025.key'));
  rmSync(join(folder, '2026.key'));
  writeFileSync(join(folder, 'a key.key'), current.toString('base64'));
  expect(() => codecWith()).toThrow(`${folder} holds no key`);
});

it('names a folder that does not exist', () => {
  expect(() => new KeyRing(join(folder, 'none'))).toThrow(`${join(folder, 'none')} cannot be read (ENOENT)`);
});
