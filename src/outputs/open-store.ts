// Opens the store for the configured target. S3 needs packages that are not installed with the router.
import { ConfigError } from '../config.ts';
import { DirectoryStore } from './directory.ts';
import { S3Store } from './s3.ts';
import type { OutputStore, OutputsConfig } from './store.ts';

const S3_PACKAGES = ['@aws-sdk/client-s3', '@aws-sdk/lib-storage'];

/** @throws ConfigError if the target is S3 and its packages are not installed */
export function openOutputStore(config: OutputsConfig): OutputStore {
  if (config.kind === 'directory') return new DirectoryStore(config);
  for (const name of S3_PACKAGES) {
    if (!isInstalled(name))
      throw new ConfigError([`OUTPUTS_TARGET is S3, which needs: npm install ${S3_PACKAGES.join(' ')}`]);
  }
  return new S3Store(config);
}

function isInstalled(name: string): boolean {
  try {
    import.meta.resolve(name);
    return true;
  } catch {
    return false;
  }
}
