/** Records of what a session can be given: skills with their versions, memory stores with their memories. */

export interface SkillRecord {
  id: string;
  /** The slug that all versions share. */
  name: string;
  /** The label that its creator gave it. */
  display_title: string | null;
  source: 'custom' | 'anthropic';
  created_at: string;
  updated_at: string;
}

/** The files of a version lie in the blobs, as a zip archive under the version's id. */
export interface SkillVersionRecord {
  id: string;
  /** Microseconds since 1970, at which it was made: its name in the API's beta. Grows from version to version. */
  epoch: string;
  skill_id: string;
  name: string;
  description: string;
  created_at: string;
}

/** A skill that an agent has; the version is an id, an epoch, or `latest`. */
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

/** One change of a memory. Redaction empties it; a deletion has no content. */
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

/** A memory store that is attached to a session; name and description as they were then. */
export interface AttachedStore {
  type: 'memory_store';
  memory_store_id: string;
  access: 'read_write' | 'read_only';
  instructions: string | null;
  mount_path: string;
  name: string;
  description: string;
}
