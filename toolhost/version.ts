// The toolhost's version. Raise it whenever its behaviour changes: a sandbox whose toolhost is older gets a new one.

export const TOOLHOST_VERSION = '1';
