// TLS in front of a server on this machine, with a certificate that is its own authority.
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { promisify } from 'node:util';

export interface Certificate {
  /** File with the certificate, for `NODE_EXTRA_CA_CERTS`. */
  file: string;
  cert: string;
  key: string;
}

/**
 * Makes a certificate with openssl.
 * @param name such as `DNS:*.e2b.test` or `IP:127.0.0.1`
 */
export async function makeCertificate(folder: string, name: string): Promise<Certificate> {
  await mkdir(folder, { recursive: true });
  const [file, keyFile] = [join(folder, 'certificate.pem'), join(folder, 'key.pem')];
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=local'];
  const more = ['-addext', `subjectAltName=${name}`, '-keyout', keyFile, '-out', file];
  await promisify(execFile)('openssl', [...request, ...more]);
  return { file, cert: await readFile(file, 'utf8'), key: await readFile(keyFile, 'utf8') };
}

export interface TlsFront {
  port: number;
  /** Takes no new connections. */
  close(): void;
}

/** Forwards what it decrypts to the server at this URL. It does not keep the process alive. */
export async function startTlsFront(url: string, { cert, key }: Certificate): Promise<TlsFront> {
  const target = { host: '127.0.0.1', port: Number(new URL(url).port), noDelay: true };
  const server = createServer({ cert, key, noDelay: true }, (client) => {
    const inside = connect(target);
    client.on('error', () => inside.destroy()).pipe(inside);
    inside.on('error', () => client.destroy()).pipe(client);
    client.once('close', () => inside.destroy());
    inside.once('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  server.unref();
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}
