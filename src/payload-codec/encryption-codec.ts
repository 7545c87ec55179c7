// Encrypts payloads with AES-256-GCM in the format of Temporal's samples, so that workers, replay tests and codec servers
// in other languages can use the codecs published there (docs/encryption.md):
//
//   metadata  encoding = binary/encrypted, encryption-key-id = <key id>
//   data      nonce (12 bytes), ciphertext of the serialized payload, tag (16 bytes)
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec, ValueError } from '@temporalio/common';
import { decode as decodeText, encode as encodeText } from '@temporalio/common/lib/encoding.js';
import proto from '@temporalio/proto';
import type { KeyRing } from './key-ring.ts';

const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

const { Payload: PayloadMessage } = proto.temporal.api.common.v1;

export class EncryptionCodec implements PayloadCodec {
  readonly #keys: KeyRing;
  readonly #keyId: string | undefined;

  /**
   * @param keyId the key that encrypts; without one, payloads are only decrypted
   * @throws ValueError if there is no such key
   */
  constructor(keys: KeyRing, keyId?: string) {
    this.#keys = keys;
    this.#keyId = keyId;
    if (keyId !== undefined) keys.key(keyId);
  }

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const keyId = this.#keyId;
    return keyId === undefined ? payloads : payloads.map((payload) => this.#encrypt(payload, keyId));
  }

  /**
   * Payloads in clear text stay as they are: they are from before the encryption was turned on.
   * @throws ValueError that names a key that is not there, or says that a payload was changed
   */
  async decode(payloads: Payload[]): Promise<Payload[]> {
    return payloads.map((payload) => (isEncrypted(payload) ? this.#decrypt(payload) : payload));
  }

  #encrypt(payload: Payload, keyId: string): Payload {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.#keys.key(keyId), nonce);
    const plain = PayloadMessage.encode(payload).finish();
    const data = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    return { metadata: { [METADATA_ENCODING_KEY]: encodeText(ENCODING), [KEY_ID]: encodeText(keyId) }, data };
  }

  #decrypt({ metadata, data }: Payload): Payload {
    const keyId = metadata?.[KEY_ID];
    if (!keyId) throw new ValueError('an encrypted payload names no key');
    const key = this.#keys.key(decodeText(keyId));
    try {
      const bytes = data ?? new Uint8Array();
      const decipher = createDecipheriv(CIPHER, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
      const plain = [decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()];
      return PayloadMessage.decode(Buffer.concat(plain));
    } catch {
      throw new ValueError(
        `a payload cannot be decrypted with the key ${decodeText(keyId)}: it was changed, or the key is another one of that name`,
      );
    }
  }
}

/** Whether a payload has the form that this codec writes. */
export function isEncrypted({ metadata }: Payload): boolean {
  const encoding = metadata?.[METADATA_ENCODING_KEY];
  return encoding !== undefined && decodeText(encoding) === ENCODING;
}
