// Saves histories as files with one event per line, without secrets and without names of the recording machine.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { projectPath } from '../../src/paths.ts';

const DIR = projectPath('test/histories');

/** A history in the format of Temporal's tools. */
export interface SavedHistory {
  events: HistoryEvent[];
}

export interface HistoryEvent {
  eventId: string;
  eventType: string;
  [attributes: string]: unknown;
}

/** Saves the history of one run of a workflow; the replay tests replay every saved history. */
export async function saveHistory(name: string, handle: WorkflowHandle): Promise<SavedHistory> {
  const recorded = JSON.parse(historyToJSON(await handle.fetchHistory())) as SavedHistory;
  const { events } = anonymous(recorded) as SavedHistory;
  const lines = events.map((event) => JSON.stringify(event)).join(',\n');
  writeFileSync(join(DIR, `${name}.json`), `{"events":[\n${lines}\n]}\n`);
  return { events };
}

export function readHistory(name: string): SavedHistory {
  return JSON.parse(readFileSync(join(DIR, `${name}.json`), 'utf8')) as SavedHistory;
}

/** All saved histories, by name. */
export function readHistories(): Record<string, SavedHistory> {
  const names = readdirSync(DIR).filter((file) => file.endsWith('.json'));
  return Object.fromEntries(names.map((file) => [file.slice(0, -5), readHistory(file.slice(0, -5))]));
}

/** The whole history with decoded payloads, as one text. */
export function readable(value: unknown): string {
  return JSON.stringify(value, (_key, part) => (isPayload(part) ? textOf(part) : part));
}

function anonymous(value: unknown): unknown {
  if (typeof value === 'string') return value.replaceAll(hostname(), 'worker');
  if (Array.isArray(value)) return value.map(anonymous);
  if (isPayload(value)) return { ...value, data: encode(textOf(value)) };
  if (!value || typeof value !== 'object') return value;
  // Stack traces contain paths of the recording machine, and replay does not need them.
  const kept = Object.entries(value).filter(([key]) => key !== 'stackTrace');
  return Object.fromEntries(kept.map(([key, part]) => [key, anonymous(part)]));
}

interface Payload {
  metadata: Record<string, string>;
  data: string;
}

function isPayload(value: unknown): value is Payload {
  return value !== null && typeof value === 'object' && 'metadata' in value && 'data' in value;
}

/** Sealed secrets are removed too, although they cannot be opened without the environment key. */
function textOf({ data }: Payload): string {
  const text = Buffer.from(data, 'base64').toString('utf8');
  return text.replace(/"sealedSecret":"[^"]*"/g, '"sealedSecret":"sealed"');
}

function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
