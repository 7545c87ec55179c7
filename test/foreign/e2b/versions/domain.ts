/** Serves a simulator under a domain with TLS, for programs that support only `E2B_DOMAIN`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificate, startTlsFront } from '../../../../harness/tls-front.ts';
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
  const certificate = await makeCertificate(folder, 'DNS:*.e2b.test');
  const front = await startTlsFront(url, certificate);
  return {
    name: `e2b.test:${front.port}`,
    certificate: certificate.file,
    end: async () => {
      front.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
