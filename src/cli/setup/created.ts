// Marks and finds what setup creates at Anthropic, so that a second run finishes what a first began.
import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import type Anthropic from '@anthropic-ai/sdk';
import { askAnthropic } from './clients.ts';

const CREATED_BY = 'managed-agents-router setup';
const KEY = 'ANTHROPIC_API_KEY';

/** Metadata of what is created for the deployment in this folder; other folders have their own. */
export function creationMetadata(folder: string): Record<string, string> {
  const place = createHash('sha256').update(`${hostname()}:${folder}`).digest('hex').slice(0, 16);
  return { created_by: CREATED_BY, created_for: place };
}

/** Whether setup created it, in whatever folder. */
export function isCreated(metadata: Record<string, string> | null | undefined): boolean {
  return metadata?.created_by === CREATED_BY;
}

/** The environment that an earlier run created for this folder. */
export async function findCreatedEnvironment(client: Anthropic, folder: string): Promise<string | undefined> {
  return askAnthropic(KEY, 'the list of environments', async () => {
    for await (const { id, metadata } of client.beta.environments.list())
      if (sameMetadata(metadata, creationMetadata(folder))) return id;
    return undefined;
  });
}

/** The agent that an earlier run created for this folder. */
export async function findCreatedAgent(client: Anthropic, folder: string): Promise<string | undefined> {
  return askAnthropic(KEY, 'the list of agents', async () => {
    for await (const { id, metadata } of client.beta.agents.list())
      if (sameMetadata(metadata, creationMetadata(folder))) return id;
    return undefined;
  });
}

function sameMetadata(
  found: Record<string, string> | null | undefined,
  wanted: Record<string, string>,
): boolean {
  return Object.entries(wanted).every(([name, value]) => found?.[name] === value);
}
