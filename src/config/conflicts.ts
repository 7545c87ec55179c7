// Values that are valid each by itself and cannot work together.
import { s3Target } from './kinds.ts';
import type { TemporalConnectionOptions } from './shape.ts';
import type { Values } from './sources.ts';

/**
 * What every process must have right.
 * @param tls what the connection makes of it: half of a client certificate is dropped there, in silence
 */
export function findTemporalConflicts(
  { deployment, whereGiven }: Values,
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
    const [there, absent] = given.clientCertFile
      ? ['clientCertFile', 'temporal.tls.clientKeyFile (TEMPORAL_TLS_CLIENT_KEY_PATH)']
      : ['clientKeyFile', 'temporal.tls.clientCertFile (TEMPORAL_TLS_CLIENT_CERT_PATH)'];
    problems.push(
      `${whereGiven(`temporal.tls.${there}`)} needs ${absent}: certificate and key belong together`,
    );
  }
  return problems;
}

/** What the worker must have right besides. */
export function findWorkerConflicts(values: Values): string[] {
  return [...outputsConflicts(values), ...environmentConflicts(values)];
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
    const [there, absent] = s3AccessKeyId
      ? ['s3AccessKeyId', 'outputs.s3SecretAccessKey (AWS_SECRET_ACCESS_KEY)']
      : ['s3SecretAccessKey', 'outputs.s3AccessKeyId (AWS_ACCESS_KEY_ID)'];
    problems.push(`${whereGiven(`outputs.${there}`)} needs ${absent}: key and secret belong together`);
  }
  return problems;
}

function environmentConflicts({ deployment, environments }: Values): string[] {
  const inAll = deployment.e2b.maxRunningSandboxes;
  const problems: string[] = [];
  environments.forEach((environment, index) => {
    const { id, maxRunningSandboxes, sandbox, session, where } = environment;
    const first = environments.findIndex((each) => each.id === id);
    const wrong = (what: string) => problems.push(`${where} ${what}`);
    if (id !== undefined && first < index) wrong(`has the id of environments[${first}]: list each once`);
    if (inAll > 0 && maxRunningSandboxes > inAll)
      wrong(
        `allows ${maxRunningSandboxes} running sandboxes, more than the ${inAll} of e2b.maxRunningSandboxes for all environments`,
      );
    const { graceSeconds, retentionHours } = session;
    const grace = `${environment.whereGiven('session.graceSeconds') ?? 'session.graceSeconds'} is ${graceSeconds}`;
    if (graceSeconds > sandbox.timeoutSeconds)
      problems.push(
        `${grace}, but E2B pauses a sandbox after ${sandbox.timeoutSeconds} s (sandbox.timeoutSeconds, E2B_SANDBOX_TIMEOUT_SECONDS): the grace must not be longer`,
      );
    if (graceSeconds > retentionHours * 3_600)
      problems.push(
        `${grace}, but a sandbox is kept for ${retentionHours} h (session.retentionHours, SESSION_RETENTION_HOURS): the grace must not be longer`,
      );
  });
  return problems;
}
