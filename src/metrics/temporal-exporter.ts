// The metrics of Temporal's native core, which has a Prometheus exporter of its own: on a loopback port that only the
// admin server reads, so that an operator scrapes one address for each process.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

const READ_WITHIN_MS = 2_000;

export interface TemporalExporter {
  /** Option of Temporal's `Runtime`. */
  bindAddress: string;
  /** @returns the metrics as text */
  read(): Promise<string>;
}

/** @param host address of the loopback interface */
export async function reserveTemporalExporter(host = '127.0.0.1'): Promise<TemporalExporter> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  const bindAddress = `${host}:${port}`;
  return {
    bindAddress,
    read: async () => {
      const answer = await fetch(`http://${bindAddress}/metrics`, {
        signal: AbortSignal.timeout(READ_WITHIN_MS),
      });
      return answer.ok ? await answer.text() : '';
    },
  };
}
