// The codec server: decrypts payloads for Temporal's UI and command line, which never get a key. Protocol:
// https://docs.temporal.io/production-deployment/data-encryption#codec-server-setup
import cors from '@fastify/cors';
import type { Payload, PayloadCodec } from '@temporalio/common';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { z } from 'zod';
import type { Logger } from '../log.ts';
import { carriesToken } from './token.ts';

export interface CodecServerOptions {
  codec: PayloadCodec;
  token: string;
  /** The only origin whose pages may read the answers. */
  uiOrigin: string;
  log: Logger;
}

/** Temporal's server refuses larger messages than 4 MiB; base64 and JSON make them larger. */
const MAX_BODY_BYTES = 8 * 1024 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;

/** Payloads in the JSON of Temporal's API: bytes are base64. */
const PAYLOADS = z.object({
  payloads: z
    .array(
      z.object({
        metadata: z.record(z.string(), z.base64()).optional(),
        data: z.base64().optional(),
      }),
    )
    .max(10_000),
});
type PayloadJson = z.infer<typeof PAYLOADS>['payloads'][number];

/** Creates the server, not yet listening: `POST /decode`, `POST /encode`, `GET /login`, `GET /health`. */
export async function createCodecServer(options: CodecServerOptions): Promise<FastifyInstance> {
  const { codec, token, uiOrigin, log } = options;
  const app = Fastify({ logger: false, bodyLimit: MAX_BODY_BYTES, requestTimeout: REQUEST_TIMEOUT_MS });
  await app.register(cors, {
    origin: new URL(uiOrigin).origin,
    methods: ['POST'],
    credentials: true,
    allowedHeaders: ['authorization', 'content-type', 'x-namespace'],
  });

  // Before the body is read.
  const authorize = async (request: FastifyRequest, reply: FastifyReply) => {
    if (carriesToken(request.headers.authorization, token)) return;
    log.info({ path: request.routeOptions.url, status: 401 }, 'request refused');
    return reply
      .code(401)
      .header('www-authenticate', 'Basic realm="codec server", charset="UTF-8"')
      .send({ message: 'Send the token of the codec server, as bearer token or as password' });
  };

  for (const [path, convert] of [
    ['/decode', (payloads: Payload[]) => codec.decode(payloads)],
    ['/encode', (payloads: Payload[]) => codec.encode(payloads)],
  ] as const)
    app.post(path, {
      onRequest: authorize,
      handler: async (request, reply) => {
        const parsed = PAYLOADS.safeParse(request.body);
        if (!parsed.success) return reply.code(400).send({ message: 'The body must be {"payloads": […]}' });
        try {
          const converted = await convert(parsed.data.payloads.map(fromJson));
          return { payloads: converted.map(toJson) };
        } catch (error) {
          // The codec's messages name a key and hold nothing of the payload.
          log.warn({ path, reason: (error as Error).message }, 'payloads could not be converted');
          return reply.code(400).send({ message: (error as Error).message });
        }
      },
    });

  // A browser asks for the password only on a page of its own, and then sends it with the UI's requests, too.
  app.get('/login', { onRequest: authorize }, async () => ({
    message: "Temporal's UI in this browser can now use the codec server",
  }));
  app.get('/health', async () => ({ ok: true }));
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ message: 'No such address' }));
  app.setErrorHandler((error: FastifyError, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status >= 500) log.error({ err: error }, 'the codec server failed on a request');
    return reply.code(status).send({ message: status >= 500 ? 'Internal error' : error.message });
  });
  return app;
}

function fromJson({ metadata = {}, data }: PayloadJson): Payload {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata).map(([key, value]) => [key, Buffer.from(value, 'base64')]),
    ),
    ...(data === undefined ? {} : { data: Buffer.from(data, 'base64') }),
  };
}

function toJson({ metadata, data }: Payload): PayloadJson {
  return {
    metadata: Object.fromEntries(
      Object.entries(metadata ?? {}).map(([key, value]) => [key, Buffer.from(value).toString('base64')]),
    ),
    ...(data ? { data: Buffer.from(data).toString('base64') } : {}),
  };
}
