// Finds what is probably a mistake although the configuration is valid: misspelt and unused variables.
import { CONFIG_FILE, DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { settingsOf } from './setting.ts';
import { nearest } from './suggest.ts';

/** The process's environment holds many names that are none of ours, so only close ones are suspicious. */
const MAX_EDITS = 2;
/** Temporal's SDK reads these by itself. */
const READ_BY_TEMPORAL = /^TEMPORAL_(TLS_.*_DATA|TLS_DISABLE_HOST_VERIFICATION|CODEC_|GRPC_META_)/;

const VARIABLES = [
  ...settingsOf({ ...DEPLOYMENT, ...COMMON, ...ENVIRONMENT }).map(([, { variable }]) => variable),
  CONFIG_FILE.variable,
].filter((variable) => variable !== undefined);

/**
 * @param env the variables of the process and of `.env`, without empty ones
 * @param references every reference in the configuration file
 * @param listedIn the configuration file, if it lists the environments
 * @returns one sentence for each suspicious variable; values are not shown
 */
export function findWarnings(
  env: Record<string, string>,
  references: readonly string[],
  listedIn: string | undefined,
): string[] {
  const referred = new Set(references.map((reference) => /^\$\{env:(.+)\}$/.exec(reference)?.[1]));
  const warnings = Object.keys(env).flatMap((name) => {
    const meant = referred.has(name) ? undefined : misspeltFrom(name);
    return meant ? [`the variable ${name} is not a setting. Did you mean ${meant}?`] : [];
  });
  const key = ENVIRONMENT.key.variable;
  if (listedIn !== undefined && env[key] !== undefined && !referred.has(key))
    warnings.push(
      `${key} is set but not used: ${listedIn} lists the environments and takes their keys from elsewhere. Remove the variable, or write "key: \${env:${key}}" there`,
    );
  return warnings;
}

/** The variable that was meant. @returns undefined for names that are right, or none of ours */
function misspeltFrom(name: string): string | undefined {
  if (VARIABLES.includes(name) || READ_BY_TEMPORAL.test(name)) return undefined;
  const meant = nearest(name, VARIABLES, MAX_EDITS);
  // A further word makes another name: E2B sets E2B_TEMPLATE_ID in its sandboxes.
  const isContinued = meant !== undefined && (name.startsWith(`${meant}_`) || meant.startsWith(`${name}_`));
  return isContinued ? undefined : meant;
}
