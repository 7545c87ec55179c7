// A machine without CA certificates, like a slim container image.
import { afterEach, expect, it, vi } from 'vitest';
import { connectNative } from '../../src/native-connection.ts';

afterEach(() => vi.unstubAllEnvs());

it('names the package and the setting where a TLS connection finds no CA certificates', async () => {
  vi.stubEnv('SSL_CERT_FILE', '/nonexistent');
  vi.stubEnv('SSL_CERT_DIR', '/nonexistent');
  const config = { connectionOptions: { address: '127.0.0.1:9', tls: true }, namespace: 'default' };
  await expect(connectNative(config)).rejects.toThrow(/ca-certificates.*TEMPORAL_TLS_SERVER_CA_CERT_PATH/);
});
