// The webhook's signing keys: from the configuration, and from a file that may appear or change while the server runs.
import { stat } from 'node:fs/promises';
import { readSmallFile } from '../config/small-file.ts';
import { isSigningKey } from '../config.ts';
import type { Logger } from '../log.ts';

export interface SigningKeys {
  /** All valid keys, those of the configuration first; empty while there is none. */
  current(): Promise<readonly string[]>;
}

/** The file is checked at most this often, however many deliveries arrive. */
const CHECK_INTERVAL_MS = 1_000;

/**
 * @param options.keys keys that are always valid
 * @param options.file file with one key per line; empty lines and lines that begin with `#` are skipped
 * @param options.now the clock, in milliseconds
 */
export function createSigningKeys(options: {
  keys: readonly string[];
  file?: string;
  log: Logger;
  now?: () => number;
}): SigningKeys {
  const { keys, file, log, now = Date.now } = options;
  if (file === undefined) return { current: async () => keys };

  let fromFile: readonly string[] = [];
  let version = '';
  let checkedAt = Number.NEGATIVE_INFINITY;
  let checking: Promise<void> | undefined;

  const wrongLine = (line: number) =>
    log.warn({ file, line }, 'this line is not a signing key (whsec_ and base64) and is ignored');
  const check = async (): Promise<void> => {
    const found = await fileVersion(file);
    if (found === version) return;
    try {
      fromFile = found === '' ? [] : parseKeys(readSmallFile(file), wrongLine);
      version = found;
      log.info({ file, keys: fromFile.length }, 'webhook signing keys read');
    } catch (error) {
      // The keys stay as they are: a file that is just being replaced is read at the next check.
      log.warn(
        { file, reason: (error as Error).message },
        'the webhook signing key file cannot be read; the keys read before stay valid',
      );
    }
  };

  return {
    async current() {
      if (now() - checkedAt >= CHECK_INTERVAL_MS) {
        checkedAt = now();
        checking = check();
      }
      await checking;
      return [...keys, ...fromFile];
    },
  };
}

/** The valid keys in the file. @throws Error if it cannot be read or is too large */
export async function readSigningKeyFile(file: string): Promise<string[]> {
  return parseKeys(readSmallFile(file), () => undefined);
}

async function fileVersion(file: string): Promise<string> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found === undefined ? '' : `${found.ino}:${found.size}:${found.mtimeNs}`;
}

/** @param onWrongLine called with the number of each line that is no key */
function parseKeys(content: string, onWrongLine: (line: number) => void): string[] {
  const keys: string[] = [];
  for (const [index, raw] of content.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (isSigningKey(line)) keys.push(line);
    else onWrongLine(index + 1);
  }
  return keys;
}
