/** Ids and secrets in the form of the real service. */
import { randomBytes, randomInt } from 'node:crypto';

const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

function randomText(length: number): string {
  return Array.from({ length }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
}

/** `sesn_01…`, `work_01…`: the prefix is given without its underscore. */
export function newId(prefix: string): string {
  return `${prefix}_01${randomText(22)}`;
}

export function newApiKey(): string {
  return `sk-ant-api03-${randomText(48)}`;
}

export function newEnvironmentKey(): string {
  return `sk-ant-oat01-${randomText(48)}`;
}

export function newSessionsToken(): string {
  return `sk-ant-req-${randomText(48)}`;
}

export function newAdminToken(): string {
  return `admin-${randomText(32)}`;
}

/** A Standard Webhooks signing key of 32 bytes. */
export function newSigningKey(): string {
  return `whsec_${randomBytes(32).toString('base64')}`;
}
