/** Files that tell programs which sandbox they are in, for those that see none of envd's variables. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BootSettings } from './environment.ts';

export async function writeIdentity(folder: string, { sandboxId, templateId }: BootSettings): Promise<void> {
  const files = { E2B_SANDBOX: 'true', E2B_SANDBOX_ID: sandboxId, E2B_TEMPLATE_ID: templateId };
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, `.${name}`), text, { mode: 0o644 });
}
