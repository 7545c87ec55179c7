// Finds values that are valid on their own but cannot work together.
import { s3Target } from './kinds.ts';
import type { TemporalConnectionOptions } from './shape.ts';
import type { TemporalValues, Values } from './sources.ts';

/**
 * Conflicts that stop every process.
 * @param tls TLS options as Temporal's SDK resolved them: it silently drops a certificate without its key
 * @returns one sentence for each problem
 */
export function findTemporalConflicts(
  { deployment, whereGiven }: TemporalValues,
  { tls }: TemporalConnectionOptions,
): string[] {
  const { apiKey, tls: given } = deployment.temporal;
  const problems: string[] = [];
  if (apiKey && given.enabled === false)
    problems.push(
      `${whereGiven('temporal.tls.enabled')} turns TLS off while an API key is set: the key would travel in clear text`,
    );
  const hasPair = typeof tls === 'object' && tls?.clientCertPair !== undefined;
  if ((given.clientCertFile || given.clientKeyFile) && !hasPair && given.enabled !== false) {
    const [present, missing] = given.clientCertFile
      ? ['clientCertFile', 'temporal.tls.clientKeyFile (TEMPORAL_TLS_CLIENT_KEY_PATH)']
      : ['clientKeyFile', 'temporal.tls.clientCertFile (TEMPORAL_TLS_CLIENT_CERT_PATH)'];
    problems.push(
      `${whereGiven(`temporal.tls.${present}`)} needs ${missing}: certificate and key belong together`,
    );
  }
  const { keyFolder, keyId } = deployment.temporal.encryption;
  if (keyId && !keyFolder)
    problems.push(
      `${whereGiven('temporal.encryption.keyId')} needs temporal.encryption.keyFolder (TEMPORAL_ENCRYPTION_KEY_FOLDER), the folder of the keys`,
    );
  return problems;
}

/** Conflicts that stop the worker, in addition. @returns one sentence for each problem */
export function findWorkerConflicts(values: Values): string[] {
  return [...outputsConflicts(values), ...hookConflicts(values), ...environmentConflicts(values)];
}

function outputsConflicts({ deployment, whereGiven }: Values): string[] {
  const { target, s3Endpoint, s3AccessKeyId, s3SecretAccessKey } = deployment.outputs;
  const toS3 = target !== undefined && s3Target(target) !== undefined;
  const problems: string[] = [];
  if (s3Endpoint && !toS3)
    problems.push(
      `${whereGiven('outputs.s3Endpoint')} needs an outputs.target (OUTPUTS_TARGET) like s3://bucket/prefix`,
    );
  if (toS3 && (s3AccessKeyId === undefined) !== (s3SecretAccessKey === undefined)) {
    const [present, missing] = s3AccessKeyId
      ? ['s3AccessKeyId', 'outputs.s3SecretAccessKey (AWS_SECRET_ACCESS_KEY)']
      : ['s3SecretAccessKey', 'outputs.s3AccessKeyId (AWS_ACCESS_KEY_ID)'];
    problems.push(`${whereGiven(`outputs.${present}`)} needs ${missing}: key and secret belong together`);
  }
  return problems;
}

function hookConflicts({ deployment: { hook }, whereGiven }: Values): string[] {
  if ((hook.url === undefined) === (hook.secret === undefined)) return [];
  return [
    hook.url
      ? `${whereGiven('hook.url')} needs hook.secret (HOOK_SECRET): every call of the hook is signed`
      : `${whereGiven('hook.secret')} needs hook.url (HOOK_URL), the address to call`,
  ];
}

function environmentConflicts({ deployment, environments }: Values): string[] {
  const inAll = deployment.e2b.maxRunningSandboxes;
  const problems: string[] = [];
  environments.forEach((environment, index) => {
    const { id, maxRunningSandboxes, sandbox, session, where } = environment;
    const first = environments.findIndex((each) => each.id === id);
    const wrong = (what: string) => problems.push(`${where} ${what}`);
    if (id !== undefined && first < index)
      wrong(`has the id of environments[${first}]: list each environment once`);
    if (inAll > 0 && maxRunningSandboxes > inAll)
      wrong(
        `allows ${maxRunningSandboxes} running sandboxes (maxRunningSandboxes), but e2b.maxRunningSandboxes allows only ${inAll} for all environments together`,
      );
    const { graceSeconds, retentionHours } = session;
    const grace = `${environment.whereGiven('session.graceSeconds') ?? 'session.graceSeconds'} is ${graceSeconds}`;
    if (graceSeconds > sandbox.timeoutSeconds)
      problems.push(
        `${grace}, but E2B pauses a sandbox after ${sandbox.timeoutSeconds} s (sandbox.timeoutSeconds, E2B_SANDBOX_TIMEOUT_SECONDS): lower session.graceSeconds or raise the time-out`,
      );
    if (graceSeconds > retentionHours * 3_600)
      problems.push(
        `${grace}, but a sandbox is kept for ${retentionHours} h (session.retentionHours, SESSION_RETENTION_HOURS): lower session.graceSeconds or raise the retention`,
      );
  });
  return problems;
}
