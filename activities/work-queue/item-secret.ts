// The secret of a work item: sealed before it enters a message, opened where it is used.

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type Anthropic from '@anthropic-ai/sdk';
import { APIError } from '@anthropic-ai/sdk';
import { sealedText, workIdOf } from '../../workflows/messages.ts';
import type { Deps } from '../deps.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What a secret is sealed for, and opened for alone. */
export interface SealedFor {
  sessionId: string;
  workId: string;
}

/** A session, and the sealed secret of its work item; null where there is none. */
export interface SessionSecret {
  sessionId: string;
  sealedSecret: string | null;
}

/**
 * AES-256-GCM under a key derived from the environment key. The id of the work item stands before it in clear, where the
 * workflow compares it with the item of the same signal; session and item are authenticated, so that a sealed secret
 * that is put into another message does not open.
 * @returns id, full stop, and base64url of nonce, tag and ciphertext
 */
export function sealSecret(secret: string, environmentKey: string, sealedFor: SealedFor): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(environmentKey), nonce);
  cipher.setAAD(authenticated(sealedFor));
  const sealed = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return sealedText(
    sealedFor.workId,
    Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url'),
  );
}

/** @returns null if it was sealed for another session or item, under another key, as after a rotation, or is damaged */
export function openSecret(sealed: string, environmentKey: string, sessionId: string): string | null {
  const workId = workIdOf(sealed);
  const bytes = Buffer.from(sealed.slice(workId.length + 1), 'base64url');
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      sealingKey(environmentKey),
      bytes.subarray(0, NONCE_BYTES),
    );
    decipher.setAAD(authenticated({ sessionId, workId }));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const body = bytes.subarray(NONCE_BYTES + TAG_BYTES);
    return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/**
 * Calls the API with the work item's own token where there is one. Tokens expire and cannot be renewed, so
 * where it is refused the environment key, which may do the same for a session, is tried.
 */
export async function withWorkItemToken<Result>(
  { anthropic, config }: Pick<Deps, 'anthropic' | 'config'>,
  secret: SessionSecret,
  call: (client: Anthropic) => Promise<Result>,
): Promise<Result> {
  const token = tokenOf(secret, config.anthropic.environmentKey);
  if (!token) return call(anthropic.environment);
  try {
    return await call(anthropic.withToken(token));
  } catch (error) {
    if (!(error instanceof APIError) || (error.status !== 401 && error.status !== 403)) throw error;
    return call(anthropic.environment);
  }
}

/** A client with the work item's own token, for what takes no other credential; null where there is none. */
export function workItemClient(
  { anthropic, config }: Pick<Deps, 'anthropic' | 'config'>,
  secret: SessionSecret,
): Anthropic | null {
  const token = tokenOf(secret, config.anthropic.environmentKey);
  return token ? anthropic.withToken(token) : null;
}

/** The secret is base64url JSON with a `sessions_token`. */
function tokenOf({ sessionId, sealedSecret }: SessionSecret, environmentKey: string): string | null {
  const secret = sealedSecret && openSecret(sealedSecret, environmentKey, sessionId);
  if (!secret) return null;
  try {
    const { sessions_token: token } = JSON.parse(Buffer.from(secret, 'base64url').toString('utf8'));
    return typeof token === 'string' ? token : null;
  } catch {
    return null;
  }
}

function authenticated({ sessionId, workId }: SealedFor): Buffer {
  return Buffer.from(JSON.stringify([sessionId, workId]));
}

function sealingKey(environmentKey: string): Buffer {
  return Buffer.from(hkdfSync('sha256', environmentKey, '', 'managed-agents-router work item secret', 32));
}
