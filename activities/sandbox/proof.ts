// The proof that we made a sandbox, carried in its metadata. Every program with the team's key can create sandboxes with
// any metadata, and a fork copies the metadata of its original: a session's id alone says nothing.
//
// A workflow records a nonce in its history before it requests a sandbox. The nonce counts for that request alone: once a
// sandbox is assigned the next request has another, so that a fork is never taken in place of a lost original. The
// metadata can be read by others and the history may be lost (a workflow that was terminated, or deleted), so the
// nonce is signed for its session, or its shared sandbox, with a key that only our workers can derive.
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import type { SandboxInfo } from 'e2b';
import type { SandboxRequest } from '../../workflows/contract.ts';
import type { Deps } from '../deps.ts';

type ProofDeps = Pick<Deps, 'config'>;
type Metadata = Record<string, string>;

/** @param metadata what the sandbox is made for */
export function withProof(deps: ProofDeps, metadata: Metadata, nonce: string): Metadata {
  return { ...metadata, nonce, proof: sign(deps, metadata, nonce) };
}

/** Sandboxes that were created for this request. */
export function madeFor(
  deps: ProofDeps,
  found: SandboxInfo[],
  metadata: Metadata,
  { nonce }: SandboxRequest,
): SandboxInfo[] {
  return found.filter((info) => info.metadata.nonce === nonce && isProven(deps, info, metadata));
}

/**
 * Sandboxes that may be adopted: created for this request or, if the workflow never had one, for an earlier workflow. A
 * fork cannot be distinguished from its original, so where there are forks none is used.
 */
export function adoptable(
  deps: ProofDeps,
  found: SandboxInfo[],
  metadata: Metadata,
  wish: SandboxRequest,
): SandboxInfo[] {
  const proven = wish.hadSandbox
    ? madeFor(deps, found, metadata, wish)
    : found.filter((info) => isProven(deps, info, metadata));
  const creationOf = ({ metadata: { nonce, attempt, created_at } }: SandboxInfo) =>
    JSON.stringify([nonce, attempt, created_at]);
  return proven.filter((one) =>
    proven.every((other) => other === one || creationOf(other) !== creationOf(one)),
  );
}

/** Whether we made the sandbox for what this metadata names; of a sandbox and its forks, all are proven. */
export function isProven(
  deps: ProofDeps,
  { metadata: { nonce, proof } }: SandboxInfo,
  metadata: Metadata,
): boolean {
  if (!nonce || !proof) return false;
  const [given, wanted] = [Buffer.from(proof), Buffer.from(sign(deps, metadata, nonce))];
  return given.length === wanted.length && timingSafeEqual(given, wanted);
}

function sign({ config }: ProofDeps, metadata: Metadata, nonce: string): string {
  const { environmentKey } = config.anthropic;
  const key = Buffer.from(hkdfSync('sha256', environmentKey, '', 'managed-agents-router sandbox proof', 32));
  const { environment, session, shared } = metadata;
  return createHmac('sha256', key)
    .update(JSON.stringify([environment, session ?? null, shared ?? null, nonce]))
    .digest('base64url');
}
