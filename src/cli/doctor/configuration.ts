// Checks of the configuration: file, variables, keys of encryption, target of outputs.
import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Inspection } from '../../config.ts';
import { type EncryptionConfig, KeyRing } from '../../payload-codec/key-ring.ts';
import { counted } from '../counted.ts';
import { type Check, type Finding, NotChecked, ok, warning } from './check.ts';

const AREA = 'configuration';

/** The checks of every problem and warning, and of what settings refer to on this machine. */
export function configurationChecks({ problems, warnings, configFile, usable }: Inspection): Check[] {
  const valid = configFile
    ? `${configFile} and the variables are valid`
    : 'the variables are valid; there is no file';
  const findings: Finding[] = [
    ...(problems.length === 0 ? [ok(valid)] : []),
    // Each of them says what to do.
    ...problems.map((text): Finding => ({ verdict: 'problem', text })),
    ...warnings.map((text): Finding => ({ verdict: 'warning', text })),
  ];
  const checks: Check[] = findings.map((finding) => ({ area: AREA, name: 'settings', run: () => finding }));
  if (!usable) return checks;
  const { temporal, outputs } = usable;
  const { encryption } = temporal;
  if (encryption) checks.push({ area: AREA, name: 'encryption keys', run: () => keysFinding(encryption) });
  if (outputs) checks.push({ area: AREA, name: 'outputs', run: () => checkOutputs(outputs) });
  return checks;
}

/** Keys that cannot be used are among the problems of the settings. */
function keysFinding({ keyFolder, keyId }: EncryptionConfig): Finding {
  const keys = counted(new KeyRing(keyFolder).ids.length, 'key');
  return ok(
    keyId === undefined
      ? `histories are decrypted with ${keys}; new ones are not encrypted`
      : `${keys}; ${keyId} encrypts`,
  );
}

async function checkOutputs(outputs: NonNullable<NonNullable<Inspection['usable']>['outputs']>) {
  if (outputs.kind === 's3')
    throw new NotChecked(
      `only a copy shows whether ${outputs.bucket} can be written to, and nothing is written here`,
    );
  const existing = await nearestExisting(outputs.path);
  try {
    await access(existing, constants.W_OK);
    return ok(`${existing} on this machine is writable`);
  } catch {
    return warning(
      `${existing} on this machine is not writable`,
      'run this on the machine of the worker, or set OUTPUTS_TARGET to a directory that the worker may write to',
    );
  }
}

/** The directory itself, or the nearest one above it: the first copy creates what is missing. */
async function nearestExisting(path: string): Promise<string> {
  const exists = await stat(path).then(
    () => true,
    () => false,
  );
  return exists || dirname(path) === path ? path : nearestExisting(dirname(path));
}
