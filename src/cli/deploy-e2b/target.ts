// Which router a command is about, and how E2B is reached.
import { loadCommandSettings, loadTemporalConfig } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import type { E2BAccess } from '../setup/templates.ts';

/** A router inside E2B: there is one for each environment of a deployment. */
export interface Target {
  e2b: E2BAccess;
  environmentId: string;
  deployment: string;
}

export interface TargetOptions {
  environment?: string;
}

/** @throws CommandError if a setting is missing; ConfigError */
export function targetOf(context: CommandContext, options: TargetOptions): Target {
  const env = context.environment();
  const { e2b, environments } = loadCommandSettings(env);
  const ids = environments.flatMap(({ id }) => (id ? [id] : []));
  const [first, ...others] = options.environment ? [options.environment] : ids;
  if (!e2b.apiKey)
    throw new CommandError(
      'E2B_API_KEY is not set. Take a key of your team from https://e2b.dev/dashboard?tab=keys',
      EXIT.usage,
    );
  if (!first)
    throw new CommandError(
      'ANTHROPIC_ENVIRONMENT_ID is not set: set it, or add --environment ID',
      EXIT.usage,
    );
  if (others.length > 0)
    throw new CommandError(
      `Several environments are configured (${ids.join(', ')}), and a router inside E2B serves one: choose it with --environment ID`,
      EXIT.usage,
    );
  return {
    e2b: { ...e2b, apiKey: e2b.apiKey },
    environmentId: first,
    deployment: loadTemporalConfig(env).deployment,
  };
}
