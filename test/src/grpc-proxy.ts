// A proxy before Temporal that answers calls of one method itself, as a server does that is at its rate limit or slow.
import { once } from 'node:events';
import {
  connect,
  createServer,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';

const RESOURCE_EXHAUSTED = 8;

export interface GrpcProxy {
  /** `host:port` */
  address: string;
  /** Calls of the method that have arrived. */
  calls(): number;
  close(): Promise<void>;
}

/**
 * @param address of the real server
 * @param method name of the method that the proxy answers: `refuse` with RESOURCE_EXHAUSTED, `silence` never
 */
export async function startGrpcProxy(
  address: string,
  method: string,
  answer: 'refuse' | 'silence',
): Promise<GrpcProxy> {
  const upstream = connect(`http://${address}`);
  const sessions = new Set<Http2Session>([upstream]);
  let calls = 0;
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    if (!headers[':path']?.endsWith(`/${method}`)) return forward(stream, headers);
    calls += 1;
    if (answer === 'silence') return;
    stream.respond(
      {
        ':status': 200,
        'content-type': 'application/grpc',
        'grpc-status': String(RESOURCE_EXHAUSTED),
        'grpc-message': 'namespace rate limit exceeded',
      },
      { endStream: true },
    );
  });
  const forward = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
    const request = upstream.request(headers);
    request.on('error', () => stream.close());
    request.on('response', ({ ':status': status, ...rest }) => {
      let trailers: IncomingHttpHeaders = {};
      request.on('trailers', (received) => {
        trailers = received;
      });
      stream.respond({ ':status': status, ...rest }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      request.pipe(stream);
    });
    stream.pipe(request);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls: () => calls,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
