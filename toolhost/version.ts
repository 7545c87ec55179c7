// The toolhost's version, a whole number. Raise it whenever the toolhost's behaviour changes: the router replaces the
// toolhost in sandboxes that have an older version.

export const TOOLHOST_VERSION = '5';

/** Templates carry it beside their own tag, so that `doctor` sees without a sandbox which toolhost is in them. */
export const TOOLHOST_TAG = `toolhost-${TOOLHOST_VERSION}`;
