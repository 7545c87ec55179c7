/** Serves a simulator under a domain with TLS, for programs that support only `E2B_DOMAIN`. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';
import { need } from '../../programs.ts';

export interface Domain {
  /** Name and port: the value of `E2B_DOMAIN`. */
  name: string;
  /** File with the certificate of the certificate authority. */
  certificate: string;
  end(): Promise<void>;
}

/** Forwards `*.e2b.test` to the simulator at this URL. */
export async function domainOf(url: string): Promise<Domain> {
  await need('openssl');
  const folder = await mkdtemp(join(tmpdir(), 'e2b-domain-'));
  const [certificate, key] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=e2b.test'];
  const names = ['-addext', 'subjectAltName=DNS:*.e2b.test'];
  await promisify(execFile)('openssl', [...request, ...names, '-keyout', key, '-out', certificate]);
  const target = { host: '127.0.0.1', port: Number(new URL(url).port) };
  const server = createServer({ cert: await readFile(certificate), key: await readFile(key) }, (client) => {
    const inside = connect(target);
    client.on('error', () => inside.destroy()).pipe(inside);
    inside.on('error', () => client.destroy()).pipe(client);
    client.once('close', () => inside.destroy());
    inside.once('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    name: `e2b.test:${port}`,
    certificate,
    end: async () => {
      server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
