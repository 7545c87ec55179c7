// How clients and workers convert what they exchange with Temporal: encrypted, where a key is configured.
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DataConverter } from '@temporalio/common';
import { projectPath } from '../paths.ts';
import { EncryptionCodec } from './encryption-codec.ts';
import { type EncryptionConfig, KeyRing } from './key-ring.ts';

/** Temporal's SDK loads it by its path: a source file, or a compiled one like this. */
const FAILURE_CONVERTER = fileURLToPath(
  new URL(`../../workflows/failure-converter${extname(import.meta.url)}`, import.meta.url),
);

/** Path of the workflows' code: workflows convert their failures themselves. */
export function workflowBundle(encryption: EncryptionConfig | undefined): string {
  return projectPath(
    encryption?.keyId === undefined ? 'bundles/workflows.js' : 'bundles/workflows-encrypted.js',
  );
}

/**
 * @returns options for Temporal's `Client` and `Worker`; empty where nothing is encrypted
 * @throws Error that names the key or the key file that cannot be used
 */
export function dataConverterOf(encryption: EncryptionConfig | undefined): { dataConverter?: DataConverter } {
  if (!encryption) return {};
  const codec = new EncryptionCodec(new KeyRing(encryption.keyFolder), encryption.keyId);
  return {
    dataConverter: {
      payloadCodecs: [codec],
      ...(encryption.keyId === undefined ? {} : { failureConverterPath: FAILURE_CONVERTER }),
    },
  };
}
