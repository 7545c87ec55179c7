// Shows the configured limits of running sandboxes, so that an alert can compare.
import type { EnvironmentConfig } from '../config.ts';
import { sandboxesLimit } from './metrics.ts';

export function showLimits(environments: readonly EnvironmentConfig[]): void {
  for (const { anthropic, limits } of environments) {
    if (limits.account.running > 0) sandboxesLimit.set({ environment: '' }, limits.account.running);
    if (limits.ofEnvironment > 0)
      sandboxesLimit.set({ environment: anthropic.environmentId }, limits.ofEnvironment);
  }
}
