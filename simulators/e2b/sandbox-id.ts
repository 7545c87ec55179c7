/** How requests name a sandbox. */
import { ApiError } from './api-error.ts';

const SANDBOX_ID = /^[a-z0-9]{1,40}$/;

/** The id in a path; older clients add a client id behind a dash. Throws a 400 for what can be none. */
export function readSandboxId(text: string): string {
  const id = text.split('-')[0] ?? '';
  if (!SANDBOX_ID.test(id)) throw new ApiError(400, `invalid sandbox ID: ${text}`);
  return id;
}
