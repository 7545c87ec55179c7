/** Records of session resources: skills and their versions, memory stores and their memories. */

export interface SkillRecord {
  id: string;
  /** The name from `SKILL.md`, which all versions share. */
  name: string;
  /** The label given at its creation. */
  display_title: string | null;
  source: 'custom' | 'anthropic';
  created_at: string;
  updated_at: string;
}

/** The files of a version are a zip archive in the blobs, under the version's id. */
export interface SkillVersionRecord {
  id: string;
  /** Time of creation in microseconds since 1970: names the version in the API's beta. Unique and increasing. */
  epoch: string;
  skill_id: string;
  name: string;
  description: string;
  created_at: string;
}

/** A skill of an agent; the version is an id, an epoch, or `latest`. */
export interface SkillReference {
  type: 'custom' | 'anthropic';
  skill_id: string;
  version: string;
}

export interface MemoryStoreRecord {
  id: string;
  name: string;
  description: string;
  metadata: Record<string, string>;
  created_at: string;
  updated_at: string;
  archived_at: string | null;
}

export interface MemoryRecord {
  id: string;
  memory_store_id: string;
  memory_version_id: string;
  path: string;
  content: string;
  content_sha256: string;
  content_size_bytes: number;
  created_at: string;
  updated_at: string;
}

export type Actor = { type: 'api_actor'; api_key_id: string } | { type: 'session_actor'; session_id: string };

/** One change of a memory. Redaction empties the record; the version of a deletion has no content. */
export interface MemoryVersionRecord {
  id: string;
  memory_id: string;
  memory_store_id: string;
  operation: 'created' | 'modified' | 'deleted';
  path: string | null;
  content: string | null;
  content_sha256: string | null;
  content_size_bytes: number | null;
  created_at: string;
  created_by: Actor;
  redacted_at: string | null;
  redacted_by: Actor | null;
}

/** A memory store attached to a session, with its name and description at that time. */
export interface AttachedStore {
  type: 'memory_store';
  memory_store_id: string;
  access: 'read_write' | 'read_only';
  instructions: string | null;
  mount_path: string;
  name: string;
  description: string;
}
