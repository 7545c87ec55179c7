// What sessions bring into their sandboxes, as activities report it.

/** What a session brings along, found when its sandbox is made ready. */
export interface Equipment {
  stores: MountedStore[];
  /** Skills that could not be installed, and why. */
  problems: string[];
}

/** A memory store of the session, and where its folder is in the sandbox. */
export interface MountedStore {
  storeId: string;
  mountPath: string;
  readOnly: boolean;
}
