// Collects the values from the configuration file and from variables; variables win.
import { DEPLOYMENT } from './deployment-settings.ts';
import { COMMON, ENVIRONMENT } from './environment-settings.ts';
import { FILE_TABLE, findConfigFile, type GivenEnvironment, readConfigFile } from './file.ts';
import { ConfigError } from './problems.ts';
import type { Environment } from './references.ts';
import type { Setting, Table, ValuesOf } from './setting.ts';
import { type Given, type Place, type Reader, type Reading, readTable } from './values.ts';
import { asVariable, givenByVariables, withoutEmpty } from './variables.ts';
import { findWarnings } from './warnings.ts';

export type EnvironmentValues = ValuesOf<typeof ENVIRONMENT & typeof COMMON> & {
  where: string;
  /** Where a setting was given for this environment or for all; undefined if it was not given. */
  whereGiven(path: string): string | undefined;
};

export interface Values {
  deployment: ValuesOf<typeof DEPLOYMENT & typeof COMMON>;
  environments: EnvironmentValues[];
  /** The environment variables, without empty ones. */
  env: Record<string, string>;
  configFile: string | undefined;
  /** Every value that was given, by the file or by variables. */
  given: Given[];
  /** Where a setting of the deployment was given; undefined if it was not given. */
  whereGiven(path: string): string | undefined;
  problems: Set<string>;
  /** What is probably a mistake although it is valid. */
  warnings: string[];
  secrets: Set<string>;
}

/**
 * Reads and checks all values. References in settings that this process does not read stay unresolved.
 * @throws ConfigError if the file cannot be read at all
 */
export function readValues(variables: Environment, role: Reader): Values {
  const { env, file, configFile, given, reading, readDeployment, warnings } = open(variables, role);
  if (file?.environments && env[ENVIRONMENT.id.variable] !== undefined)
    reading.problems.add(
      `${ENVIRONMENT.id.variable} is set, but ${configFile} lists environments: keep one of the two`,
    );
  // The webhook server runs without an environment: the worker finds out to which environment a session belongs.
  const namesNone = (role === 'webhook' || role === 'commands') && env[ENVIRONMENT.id.variable] === undefined;
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
    warnings,
    secrets: reading.secrets,
  };
}

/**
 * Reads and checks the settings of one table only.
 * @throws ConfigError that lists every missing or malformed setting of the table and every problem of the file
 */
export function readPart<T extends Table>(table: T, variables: Environment, role: Reader): ValuesOf<T> {
  const { readDeployment, reading, warnings } = open(variables, role);
  const values = readDeployment(table);
  if (reading.problems.size > 0) throw new ConfigError(reading.problems, warnings);
  return values;
}

/** What the settings for Temporal are made of. */
export type TemporalValues = Pick<Values, 'env' | 'problems' | 'warnings' | 'secrets' | 'whereGiven'> & {
  deployment: ValuesOf<Pick<typeof DEPLOYMENT, 'temporal'>>;
};

/**
 * Reads and checks the settings for Temporal only.
 * @throws ConfigError if the file cannot be read at all
 */
export function readTemporalValues(variables: Environment): TemporalValues {
  const { env, given, reading, readDeployment, warnings } = open(variables, 'worker');
  return {
    deployment: readDeployment({ temporal: DEPLOYMENT.temporal }),
    env,
    whereGiven: (path) => given.get(path)?.where,
    problems: reading.problems,
    warnings,
    secrets: reading.secrets,
  };
}

function open(variables: Environment, role: Reader) {
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
  const references = [file?.deployment, ...(file?.environments ?? []).map(({ givens }) => givens)]
    .flatMap((givens) => [...(givens?.values() ?? [])])
    .flatMap(({ reference }) => reference ?? []);
  const warnings = findWarnings(env, references, file?.environments && configFile);
  return { env, file, configFile, given, reading, readDeployment, warnings };
}

/** The single environment that variables describe. */
function fromVariables(env: Record<string, string>): GivenEnvironment {
  return {
    givens: givenByVariables(ENVIRONMENT, env),
    where: ENVIRONMENT.id.variable,
    missing: (_path: string, setting: Setting): Place => asVariable(setting),
  };
}
