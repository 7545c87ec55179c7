/** Sandbox ids in requests. */
import { ApiError } from './api-error.ts';

const SANDBOX_ID = /^[a-z0-9]{1,40}$/;

/** Parses the id in a path, to which older clients append `-<client id>`. Throws a 400. */
export function readSandboxId(text: string): string {
  const id = text.split('-')[0] ?? '';
  if (!SANDBOX_ID.test(id)) throw new ApiError(400, `invalid sandbox ID: ${text}`);
  return id;
}
