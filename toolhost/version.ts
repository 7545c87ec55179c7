// The toolhost's version, a whole number. Raise it whenever the toolhost's behaviour changes: a sandbox whose
// toolhost is older gets a new one.

export const TOOLHOST_VERSION = '5';
