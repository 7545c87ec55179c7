// What sessions put out below `/mnt/session/outputs`, as activities report it.
export const MOST_OUTPUTS_SHOWN = 10;
export const MOST_PROBLEMS = 10;

/** The files below `outputs/`, of which `MOST_OUTPUTS_SHOWN` are named. */
export interface Outputs {
  /** Changes when they do. */
  mark: string;
  files: { path: string; size: number }[];
  count: number;
  bytes: number;
  /** False where there are more than were counted. */
  complete: boolean;
}

export type Copied =
  /** `problems`: files that stay behind, and why; at most `MOST_PROBLEMS`. */
  | { outcome: 'copied'; target: string; files: number; bytes: number; problems: string[] }
  | { outcome: 'sandbox lost' };
