// OUTPUTS_TARGET and what belongs to it, as the configuration reads them.
import { isAbsolute } from 'node:path';
import type { OutputsConfig } from './store.ts';

const S3_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;
const DEFAULT_REGION = 'us-east-1';

export function isOutputsTarget(value: string): boolean {
  return S3_URL.test(value) || isAbsolute(value);
}

export interface OutputsVariables {
  OUTPUTS_TARGET?: string | undefined;
  OUTPUTS_S3_ENDPOINT?: string | undefined;
  AWS_REGION?: string | undefined;
  AWS_DEFAULT_REGION?: string | undefined;
  AWS_ACCESS_KEY_ID?: string | undefined;
  AWS_SECRET_ACCESS_KEY?: string | undefined;
  AWS_SESSION_TOKEN?: string | undefined;
}

/** @returns undefined where outputs are not copied. Variables of AWS count here too when they stand in `.env`. */
export function outputsOf(given: OutputsVariables): OutputsConfig | undefined {
  const { OUTPUTS_TARGET: target } = given;
  if (!target) return undefined;
  const [, bucket, prefix = ''] = S3_URL.exec(target) ?? [];
  if (!bucket) return { kind: 'directory', path: target };
  const { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_SESSION_TOKEN: token } = given;
  return {
    kind: 's3',
    bucket,
    prefix: prefix.replace(/^\/+|\/+$/g, ''),
    region: given.AWS_REGION ?? given.AWS_DEFAULT_REGION ?? DEFAULT_REGION,
    ...(given.OUTPUTS_S3_ENDPOINT ? { endpoint: given.OUTPUTS_S3_ENDPOINT } : {}),
    ...(id && secret
      ? {
          credentials: {
            accessKeyId: id,
            secretAccessKey: secret,
            ...(token ? { sessionToken: token } : {}),
          },
        }
      : {}),
  };
}
