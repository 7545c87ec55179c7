// Temporal answers the first requests of a command and then no more, or with an error: the command says so and ends.
import { once } from 'node:events';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterAll, expect, it, vi } from 'vitest';
import { EXIT } from '../../../src/cli/command.ts';
import { runCommand } from './command-line.ts';

vi.setConfig({ testTimeout: 180_000 });

const servers: Http2Server[] = [];
afterAll(() => {
  for (const server of servers) server.close();
});

const COMMANDS = [
  ['sessions', 'list'],
  ['sessions', 'show', 'sesn_1'],
  ['sessions', 'watch', 'sesn_1'],
  ['sessions', 'pause', 'sesn_1'],
  ['approvals', 'list'],
  ['environments', 'show'],
];

/** Speaks gRPC: an empty message to the requests with which a command connects, `answer` to all others. */
async function temporal(answer: 'nothing' | { status: number }): Promise<string> {
  const server = createServer();
  servers.push(server);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    stream.resume();
    const connects = /\/(GetSystemInfo|DescribeNamespace)$/.test(String(headers[':path']));
    if (!connects && answer === 'nothing') return;
    const status = connects || answer === 'nothing' ? 0 : answer.status;
    const grpc = { ':status': 200, 'content-type': 'application/grpc' };
    stream.on('end', () => {
      if (status > 0) {
        const failed = { ...grpc, 'grpc-status': String(status), 'grpc-message': 'by %1B[2Ja test' };
        return stream.respond(failed, { endStream: true });
      }
      stream.respond(grpc, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

it.each<[string, 'nothing' | { status: number }, RegExp]>([
  ['nothing', 'nothing', /has stopped answering \(no answer in time\)/],
  ['permission denied', { status: 7 }, /check TEMPORAL_API_KEY/],
  ['an internal error', { status: 13 }, /does not answer as expected: by a test/],
])('%s', async (_name, answer, text) => {
  const address = await temporal(answer);
  const all = await Promise.all(
    COMMANDS.map(async (args) => ({ args, ran: await runCommand(args, { TEMPORAL_ADDRESS: address }) })),
  );
  for (const { args, ran } of all) {
    expect(ran, args.join(' ')).toMatchObject({ code: EXIT.unreachable, stdout: '' });
    expect(ran.stderr, args.join(' ')).toMatch(text);
    expect(ran.stderr).not.toMatch(/\bat .*\.[jt]s:/);
    expect(ran.stderr).not.toContain('\u001b');
  }
});
