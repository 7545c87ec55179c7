/** Writes files with the sandbox's identity, for programs that do not get envd's variables. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BootSettings } from './environment.ts';

export async function writeIdentity(folder: string, { sandboxId, templateId }: BootSettings): Promise<void> {
  const files = { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: sandboxId, E2B_TEMPLATE_ID: templateId };
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, `.${name}`), text, { mode: 0o644 });
}
