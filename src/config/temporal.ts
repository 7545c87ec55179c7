// How this process reaches Temporal: our settings win over Temporal's profile file, and both over our defaults.
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { KeyRing } from '../payload-codec/key-ring.ts';
import { findTemporalConflicts } from './conflicts.ts';
import { DEPLOYMENT } from './deployment-settings.ts';
import { isExecutable } from './is-executable.ts';
import { optional } from './optional.ts';
import { runningServer } from './running-server.ts';
import { settingsOf } from './setting.ts';
import type { Config } from './shape.ts';
import type { TemporalValues } from './sources.ts';

/** The Temporal server that `start` runs where no address is set. */
export interface EmbeddedTemporalConfig {
  /** Its database, log and program; a relative path starts at the working folder. */
  dataFolder: string;
  namespace: string;
  port: EmbeddedPort;
  /** Absent: no UI. */
  uiPort?: EmbeddedPort;
  /** Whether the server's HTTP API refuses all requests; programs of ours use gRPC. */
  refuseHttp?: true;
  /** Path of the Temporal CLI, if it is set. */
  cli?: string;
  /** The variable PATH. */
  path?: string;
}

interface EmbeddedPort {
  port: number;
  /** The variable that sets it. */
  variable: string;
  /** Whether it is set; otherwise another port may take its place. */
  given: boolean;
}

/**
 * Without an address: the embedded server of the data folder while it runs, otherwise the default. Adds to the problems of
 * the values.
 */
export function temporalPart(values: TemporalValues): Config['temporal'] {
  const { temporal } = values.deployment;
  const { connectionOptions, namespace } = connectConfig(values);
  const embedded = connectionOptions.address ? undefined : runningServer(temporal.embedded.dataFolder);
  const address = connectionOptions.address ?? embedded?.address ?? temporal.address;
  return {
    connectionOptions: { ...connectionOptions, address },
    namespace,
    ...optional('uiUrl', embedded?.uiUrl || undefined),
    ...optional('encryption', encryptionOf(values)),
  };
}

/** @returns undefined if an address is set; adds to the problems of the values */
export function embeddedPart(values: TemporalValues): EmbeddedTemporalConfig | undefined {
  const { connectionOptions, namespace } = connectConfig(values);
  const { address, apiKey, tls } = connectionOptions;
  if (address !== undefined) return undefined;
  if (apiKey || tls)
    values.problems.add(
      'TEMPORAL_ADDRESS is not set, but an API key or TLS for a Temporal server is. Example: TEMPORAL_ADDRESS=my-namespace.a1b2c.tmprl.cloud:7233',
    );
  const { dataFolder, port, uiPort, cli } = values.deployment.temporal.embedded;
  if (cli !== undefined && !isExecutable(cli))
    values.problems.add(`${values.whereGiven('temporal.embedded.cli')} is not an executable file: ${cli}`);
  const { PATH: path } = values.env;
  const portOf = (name: 'port' | 'uiPort', value: number): EmbeddedPort => ({
    port: value,
    variable: DEPLOYMENT.temporal.embedded[name].variable,
    given: values.whereGiven(`temporal.embedded.${name}`) !== undefined,
  });
  return {
    dataFolder,
    namespace,
    port: portOf('port', port),
    uiPort: portOf('uiPort', uiPort),
    ...optional('cli', cli),
    ...optional('path', path),
  };
}

function connectConfig(values: TemporalValues) {
  const { temporal } = values.deployment;
  const given = settingsOf({ temporal: DEPLOYMENT.temporal }).flatMap(([path, { variable = '' }]) => {
    const value = values.whereGiven(path) === undefined ? undefined : valueAt(values.deployment, path);
    return value === undefined ? [] : [[variable, String(value)]];
  });
  try {
    const { connectionOptions, namespace = temporal.namespace } = loadClientConnectConfig({
      overrideEnvVars: { ...values.env, ...Object.fromEntries(given) },
    });
    const conflicts = findTemporalConflicts(values, { ...connectionOptions, address: temporal.address });
    for (const problem of conflicts) values.problems.add(problem);
    return { connectionOptions, namespace };
  } catch {
    // The caught error is not shown: it may quote a file that holds keys.
    values.problems.add(
      'TEMPORAL_* cannot be used: TEMPORAL_CONFIG_FILE, TEMPORAL_PROFILE or a TEMPORAL_TLS_* file is missing or malformed. Example: TEMPORAL_ADDRESS=127.0.0.1:7233',
    );
    return { connectionOptions: { address: temporal.address }, namespace: temporal.namespace };
  }
}

/** Keys that cannot be used are a problem, and otherwise as if they were not set. */
function encryptionOf({ deployment, problems, whereGiven }: TemporalValues) {
  const { keyFolder, keyId } = deployment.temporal.encryption;
  if (keyFolder === undefined) return undefined;
  try {
    const ring = new KeyRing(keyFolder);
    if (keyId !== undefined) ring.key(keyId);
    return { keyFolder, ...optional('keyId', keyId) };
  } catch (error) {
    problems.add(
      `${whereGiven('temporal.encryption.keyFolder')} cannot be used: ${(error as Error).message}`,
    );
    return undefined;
  }
}

function valueAt(values: object, path: string): unknown {
  return path.split('.').reduce<unknown>((node, name) => Object(node)[name], values);
}
