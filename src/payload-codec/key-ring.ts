// The keys that encrypt histories: a folder with one file for each key, as secrets are mounted into containers.
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { ValueError } from '@temporalio/common';
import { readSmallFile } from '../config/small-file.ts';

const SUFFIX = '.key';
const KEY_BYTES = 32;
/** A key id stands in clear text beside each payload. */
const KEY_ID = /^[\w.-]{1,64}$/;
/** How often a key id that is not known makes the folder be read again. */
const READ_AGAIN_MS = 1_000;

export interface EncryptionConfig {
  /** Folder with a file `<key id>.key` for each key: 32 bytes in base64. */
  keyFolder: string;
  /** The key that encrypts. Absent: payloads are decrypted only. */
  keyId?: string;
}

/** Keys by id. A key that is added to the folder is found without a restart. */
export class KeyRing {
  readonly #folder: string;
  #keys: ReadonlyMap<string, Buffer>;
  #readAt = Date.now();

  /** @throws Error that names the folder, or the file whose content is no key; never the content */
  constructor(folder: string) {
    this.#folder = folder;
    this.#keys = readKeys(folder);
  }

  get ids(): string[] {
    return [...this.#keys.keys()];
  }

  /** @throws ValueError that names the key and the folder if the folder has no such key */
  key(id: string): Buffer {
    const known = this.#keys.get(id);
    if (known) return known;
    if (Date.now() - this.#readAt >= READ_AGAIN_MS) {
      this.#readAt = Date.now();
      this.#keys = readKeys(this.#folder);
    }
    const key = this.#keys.get(id);
    if (key) return key;
    // The id comes from a payload, which any program with access to the namespace can write.
    const name = KEY_ID.test(id) ? `${id}${SUFFIX}` : 'of that id';
    throw new ValueError(`there is no key ${name} in ${this.#folder} (temporal.encryption.keyFolder)`);
  }
}

function readKeys(folder: string): ReadonlyMap<string, Buffer> {
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith(SUFFIX) && KEY_ID.test(idOf(name)));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(`temporal.encryption.keyFolder: ${folder} cannot be read (${code})`);
  }
  if (names.length === 0)
    throw new Error(
      `temporal.encryption.keyFolder: ${folder} holds no key, no file named like 2026-11${SUFFIX}`,
    );
  return new Map(names.sort().map((name) => [idOf(name), readKey(join(folder, name))]));
}

function idOf(name: string): string {
  return basename(name, SUFFIX);
}

function readKey(file: string): Buffer {
  const wrong = `temporal.encryption.keyFolder: ${file} must hold ${KEY_BYTES} bytes in base64, like the output of: openssl rand -base64 ${KEY_BYTES}`;
  let text: string;
  try {
    text = readSmallFile(file).trim();
  } catch (error) {
    throw new Error(`temporal.encryption.keyFolder: ${file} ${(error as Error).message}`);
  }
  const key = Buffer.from(text, 'base64');
  // Node decodes what it can and skips the rest.
  if (key.length !== KEY_BYTES || key.toString('base64') !== text) throw new Error(wrong);
  return key;
}
