// Everything that was given: by the configuration file, and by variables, which win over it.
import { DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { FILE_TABLE, findConfigFile, type GivenEnvironment, readConfigFile } from './file.ts';
import type { Environment } from './references.ts';
import type { Setting, ValuesOf } from './setting.ts';
import { type Given, type Reading, type Role, readTable } from './values.ts';
import { asVariable, givenByVariables, withoutEmpty } from './variables.ts';

export interface Values {
  deployment: ValuesOf<typeof DEPLOYMENT & typeof COMMON>;
  environments: (ValuesOf<typeof ENVIRONMENT & typeof COMMON> & { where: string })[];
  /** The variables, without empty ones. */
  env: Record<string, string>;
  /** Where a setting of the deployment was given; undefined if it was not. */
  whereGiven(path: string): string | undefined;
  problems: Set<string>;
}

/**
 * The checked values that this process reads; of others those that can be known.
 * @throws ConfigError if the file cannot be read at all
 */
export function readValues(variables: Environment, role: Role): Values {
  const env = withoutEmpty(variables);
  const problems = new Set<string>();
  const configFile = findConfigFile(env);
  const file = configFile === undefined ? undefined : readConfigFile(configFile, problems);
  const given = new Map([...(file?.deployment ?? []), ...givenByVariables(FILE_TABLE, env)]);
  const reading: Reading = { role, env, configFile, problems };
  const find = (path: string) => given.get(path);
  const missing = (path: string, setting: Setting) => {
    const { where, example } = asVariable(setting);
    return { where: file ? `${configFile}: ${path}, or the variable ${where},` : where, example };
  };
  if (file?.environments && env[ENVIRONMENT.id.variable ?? ''] !== undefined)
    problems.add(`${ENVIRONMENT.id.variable} is set, but ${configFile} lists environments: keep one of both`);
  const environments = file?.environments ?? [fromVariables(env)];
  return {
    deployment: readTable({ ...DEPLOYMENT, ...COMMON }, reading, find, missing),
    environments: environments.map((environment) => ({
      ...readTable(
        { ...ENVIRONMENT, ...COMMON },
        reading,
        (path) => environment.givens.get(path) ?? given.get(path),
        environment.missing,
      ),
      where: environment.where,
    })),
    env,
    whereGiven: (path) => given.get(path)?.where,
    problems,
  };
}

/** The single environment that needs no file. */
function fromVariables(env: Record<string, string>): GivenEnvironment {
  return {
    givens: givenByVariables(ENVIRONMENT, env),
    where: ENVIRONMENT.id.variable ?? '',
    missing: (_path: string, setting: Setting): Pick<Given, 'where' | 'example'> => asVariable(setting),
  };
}
