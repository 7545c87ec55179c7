// What a session brings along and what it makes, as its workflow keeps it.

/** A memory store of the session, and where its folder is in the sandbox. */
export interface MountedStore {
  storeId: string;
  mountPath: string;
  readOnly: boolean;
}

/** What a session brings along: found when its sandbox is made ready. */
export interface Equipment {
  stores: MountedStore[];
  /** Skills that could not be installed, and why. */
  problems: string[];
}

/** The files below `outputs/`, as far as they are shown. */
export interface Outputs {
  /** Changes when they do. */
  mark: string;
  files: { path: string; size: number }[];
  count: number;
  bytes: number;
  /** False where there are more than were counted. */
  complete: boolean;
}
