// The id of the sandbox that this process runs in.
import { readFileSync } from 'node:fs';

/** envd writes it at each boot and each wake-up. */
const FILE = '/run/e2b/.E2B_SANDBOX_ID';

/**
 * Read from the file at each call: E2B runs a template's start command when the template is built, and every sandbox wakes from
 * that snapshot of memory. The variable E2B_SANDBOX_ID names the sandbox of the build.
 * @returns undefined outside E2B
 */
export function ownSandboxId(file = FILE): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
