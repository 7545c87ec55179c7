// Connects a command to Temporal with the settings for Temporal alone.

import { type DeploymentNames, namesOf } from '../../workflows/messages.ts';
import { connectTemporal, type Temporal } from '../clients/temporal.ts';
import { loadTemporalConfig } from '../config.ts';
import type { EncryptionConfig } from '../payload-codec/key-ring.ts';
import { type CommandContext, CommandError, EXIT } from './command.ts';

export interface TemporalAccess extends Temporal {
  namespace: string;
  /** `host:port` */
  address: string;
  /** The keys of encrypted histories, where there are some. */
  encryption: EncryptionConfig | undefined;
  /** Task queue and workflow ids of the configured deployment. */
  names: DeploymentNames;
}

/**
 * Runs a command's work with a connection to Temporal, and closes it.
 * @throws CommandError that names the setting to change if Temporal cannot be used; ConfigError
 */
export async function withTemporal<Result>(
  context: CommandContext,
  work: (temporal: TemporalAccess) => Promise<Result>,
): Promise<Result> {
  const { temporal: config, deployment } = loadTemporalConfig(context.environment());
  let temporal: Temporal;
  try {
    temporal = await connectTemporal(config);
  } catch (error) {
    throw new CommandError((error as Error).message, EXIT.unreachable);
  }
  try {
    const { namespace, connectionOptions, encryption } = config;
    return await work({
      ...temporal,
      namespace,
      encryption,
      address: connectionOptions.address,
      names: namesOf(deployment),
    });
  } finally {
    await temporal.connection.close();
  }
}
