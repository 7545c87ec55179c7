// Checks of the webhook server: is it there, which version is it, has it a signing key.
import type { Inspection } from '../../config.ts';
import { routerCommand } from '../../program-name.ts';
import { VERSION } from '../../version.ts';
import { readSigningKeyFile } from '../../webhook/signing-keys.ts';
import { type Check, CONNECT_LIMIT_MS, type Finding, NotChecked, ok, once, warning } from './check.ts';
import { reasonOf } from './http.ts';

const AREA = 'webhook';
const MAX_BYTES = 64 * 1024;
const OPTIONAL = 'without webhooks, the worker still finds all work in the queue';

/** @param url address of the webhook server; default: the configured host and port on this machine */
export function webhookChecks({ usable }: Inspection, url?: string): Check[] {
  if (!usable) return [];
  const { host, port, signingKeys, signingKeyFile } = usable.webhook;
  const local = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;
  const origin = url ?? `http://${local.includes(':') ? `[${local}]` : local}:${port}`;
  const health = once(() => readHealth(origin));
  return [
    {
      area: AREA,
      name: 'server',
      run: async () => {
        if (port === 0 && url === undefined)
          throw new NotChecked('it listens on any free port; name it with --webhook-url');
        try {
          return serverFinding(origin, await health());
        } catch (error) {
          return warning(
            `no webhook server answers at ${origin} (${reasonOf(error)}); ${OPTIONAL}`,
            `${routerCommand('webhook')} (or start); name another address with --webhook-url`,
          );
        }
      },
    },
    {
      area: AREA,
      name: 'signing key',
      run: async () => {
        const { signingKeySet } = await health().catch(() => ({ signingKeySet: undefined }));
        const fromFile =
          signingKeyFile === undefined ? [] : await readSigningKeyFile(signingKeyFile).catch(() => []);
        const here = signingKeys.length + fromFile.length;
        if (signingKeySet === true) return ok('the webhook server has one');
        if (here > 0 && signingKeySet === undefined) return ok(`${here} set here`);
        return warning(
          here > 0
            ? 'the webhook server runs without the signing key that is set here'
            : `there is none: deliveries are answered with 503; ${OPTIONAL}`,
          here > 0
            ? 'restart the webhook server'
            : 'set ANTHROPIC_WEBHOOK_SIGNING_KEY or ANTHROPIC_WEBHOOK_SIGNING_KEY_FILE; the Console shows the key once',
        );
      },
    },
  ];
}

interface Health {
  version?: string;
  signingKeySet?: boolean;
}

async function readHealth(origin: string): Promise<Health> {
  const answer = await fetch(`${origin}/health`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(CONNECT_LIMIT_MS),
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > MAX_BYTES) throw new Error('answers something else than our /health');
    chunks.push(chunk);
  }
  try {
    const { version, signingKeySet } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    if (typeof version === 'string' && typeof signingKeySet === 'boolean') return { version, signingKeySet };
  } catch {
    // Not JSON.
  }
  throw new Error('answers something else than our /health');
}

function serverFinding(origin: string, { version }: Health): Finding {
  if (version === VERSION) return ok(`version ${version} answers at ${origin}`);
  return warning(
    `version ${version} answers at ${origin}; this is ${VERSION}`,
    'bring all processes to one version, unless an upgrade is under way',
  );
}
