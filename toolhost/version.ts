// The toolhost's version, a whole number. Raise it whenever the toolhost's behaviour changes: the router replaces the
// toolhost in sandboxes that have an older version.

export const TOOLHOST_VERSION = '5';
