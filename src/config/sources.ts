// Collects the values from the configuration file and from variables; variables win.
import { DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { FILE_TABLE, findConfigFile, type GivenEnvironment, readConfigFile } from './file.ts';
import { ConfigError } from './problems.ts';
import type { Environment } from './references.ts';
import type { Setting, Table, ValuesOf } from './setting.ts';
import { type Given, type Place, type Reading, type Role, readTable } from './values.ts';
import { asVariable, givenByVariables, withoutEmpty } from './variables.ts';

export type EnvironmentValues = ValuesOf<typeof ENVIRONMENT & typeof COMMON> & {
  where: string;
  /** Where a setting of it was given, or of all environments; undefined if it was not. */
  whereGiven(path: string): string | undefined;
};

export interface Values {
  deployment: ValuesOf<typeof DEPLOYMENT & typeof COMMON>;
  environments: EnvironmentValues[];
  /** The variables, without empty ones. */
  env: Record<string, string>;
  configFile: string | undefined;
  /** Everything that was given. */
  given: Given[];
  /** Where a setting of the deployment was given; undefined if it was not. */
  whereGiven(path: string): string | undefined;
  problems: Set<string>;
  secrets: Set<string>;
}

/**
 * The checked values that this process reads; of others those that can be known.
 * @throws ConfigError if the file cannot be read at all
 */
export function readValues(variables: Environment, role: Role): Values {
  const { env, file, configFile, given, reading, readDeployment } = open(variables, role);
  if (file?.environments && env[ENVIRONMENT.id.variable] !== undefined)
    reading.problems.add(
      `${ENVIRONMENT.id.variable} is set, but ${configFile} lists environments: keep one of both`,
    );
  // The webhook server need not know one: the worker finds out to which environment a session belongs.
  const namesNone = role === 'webhook' && env[ENVIRONMENT.id.variable] === undefined;
  const environments = file?.environments ?? (namesNone ? [] : [fromVariables(env)]);
  return {
    deployment: readDeployment({ ...DEPLOYMENT, ...COMMON }),
    environments: environments.map(({ givens, missing, where }) => {
      const find = (path: string) => givens.get(path) ?? given.get(path);
      const values = readTable({ ...ENVIRONMENT, ...COMMON }, reading, find, missing);
      return { ...values, where, whereGiven: (path) => find(path)?.where };
    }),
    env,
    configFile,
    given: [given, ...environments.map(({ givens }) => givens)].flatMap((each) => [...each.values()]),
    whereGiven: (path) => given.get(path)?.where,
    problems: reading.problems,
    secrets: reading.secrets,
  };
}

/**
 * The values of a part of the deployment's settings, for what needs no more of it.
 * @throws ConfigError that lists every missing or malformed setting of it, and everything that is wrong with the file
 */
export function readPart<T extends Table>(table: T, variables: Environment, role: Role): ValuesOf<T> {
  const { readDeployment, reading } = open(variables, role);
  const values = readDeployment(table);
  if (reading.problems.size > 0) throw new ConfigError(reading.problems);
  return values;
}

function open(variables: Environment, role: Role) {
  const env = withoutEmpty(variables);
  const problems = new Set<string>();
  const configFile = findConfigFile(env);
  const file = configFile === undefined ? undefined : readConfigFile(configFile, problems);
  const given = new Map([...(file?.deployment ?? []), ...givenByVariables(FILE_TABLE, env)]);
  const reading: Reading = { role, env, configFile, problems, secrets: new Set() };
  const missing = (path: string, setting: Setting): Place => {
    const { where, example } = asVariable(setting);
    return { where: file ? `${configFile}: ${path}, or the variable ${where},` : where, example };
  };
  const readDeployment = <T extends Table>(table: T) =>
    readTable(table, reading, (path) => given.get(path), missing);
  return { env, file, configFile, given, reading, readDeployment };
}

/** The single environment that needs no file. */
function fromVariables(env: Record<string, string>): GivenEnvironment {
  return {
    givens: givenByVariables(ENVIRONMENT, env),
    where: ENVIRONMENT.id.variable,
    missing: (_path: string, setting: Setting): Place => asVariable(setting),
  };
}
