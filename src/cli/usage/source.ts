// Where figures come from, how far back, and what is missing when a source fails.

/** A source that gave nothing, or not everything. Its message says why and what to do. */
export class SourceFailed extends Error {
  override name = 'SourceFailed';
}

export interface Source {
  name: 'Temporal' | 'E2B' | 'Anthropic';
  /** Whether it gave everything that was asked for. */
  complete: boolean;
  /** How far back it reaches, and what its figures cover. */
  reach: string;
  /** What is missing, and why. */
  missing: string[];
}
