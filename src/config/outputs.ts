// Turns the settings below `outputs` into the configuration of a store.
import type { OutputsConfig } from '../outputs/store.ts';
import type { DEPLOYMENT } from './deployment-settings.ts';
import { s3Target } from './kinds.ts';
import type { ValuesOf } from './setting.ts';

/** @returns undefined if no target is set: outputs are not copied */
export function outputsOf(values: ValuesOf<typeof DEPLOYMENT.outputs>): OutputsConfig | undefined {
  const { target, s3Endpoint, s3AccessKeyId, s3SecretAccessKey, s3SessionToken } = values;
  if (target === undefined) return undefined;
  const s3 = s3Target(target);
  if (!s3) return { kind: 'directory', path: target };
  return {
    kind: 's3',
    ...s3,
    region: values.s3Region,
    ...(s3Endpoint ? { endpoint: s3Endpoint } : {}),
    ...(s3AccessKeyId && s3SecretAccessKey
      ? {
          credentials: {
            accessKeyId: s3AccessKeyId,
            secretAccessKey: s3SecretAccessKey,
            ...(s3SessionToken ? { sessionToken: s3SessionToken } : {}),
          },
        }
      : {}),
  };
}
