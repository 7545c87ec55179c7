// The process of the embedded server.
import { afterEach, expect, it } from 'vitest';
import { startTemporal, type TemporalServer } from '../../../harness/temporal-server.ts';
import { listens } from '../../../src/embedded-temporal/ports.ts';

let server: TemporalServer | undefined;
afterEach(() => server?.close());

it('has released its port when it was killed: another server can start there at once', async () => {
  server = await startTemporal();
  const { port } = new URL(`http://${server.address}`);
  for (let kills = 0; kills < 4; kills += 1) {
    await server.kill();
    expect(await listens(Number(port))).toBe(false);
    server = await startTemporal({ port: Number(port) });
  }
});
