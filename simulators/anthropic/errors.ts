/** The error envelope of the API: `{"type":"error","error":{…},"request_id"}`. */
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { newId } from './ids.ts';

const TYPES: Record<number, string> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'invalid_request_error',
  412: 'invalid_request_error',
  413: 'request_too_large',
  415: 'invalid_request_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
};

function typeOf(status: number): string {
  return TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error');
}

/** An error response. `details` is copied into the envelope. */
export class ApiError extends Error {
  readonly status: number;
  readonly details: Record<string, unknown> | undefined;

  constructor(status: number, message: string, details?: Record<string, unknown>) {
    super(message);
    this.status = status;
    this.details = details;
  }

  /** The `error` object of the envelope. */
  envelope(): Record<string, unknown> {
    const { status, message, details } = this;
    return { type: typeOf(status), message, ...(details ? { details } : {}) };
  }
}

/** An error whose type does not follow from its status, with further fields beside the message. */
export class TypedError extends ApiError {
  readonly #type: string;
  readonly #fields: Record<string, unknown>;

  constructor(status: number, type: string, message: string, fields: Record<string, unknown> = {}) {
    super(status, message);
    this.#type = type;
    this.#fields = fields;
  }

  override envelope(): Record<string, unknown> {
    return { type: this.#type, message: this.message, ...this.#fields };
  }
}

export function badRequest(message: string): ApiError {
  return new ApiError(400, message);
}

/** `what` is the kind of object, such as `Session`. */
export function notFound(what: string, id: string): ApiError {
  return new ApiError(404, `${what} ${id} not found.`);
}

/** The answer to a request for a feature that the simulator does not have. */
export function notImplemented(what: string): ApiError {
  return new ApiError(501, `This simulator does not implement ${what}.`);
}

export function errorBody(request: FastifyRequest, error: ApiError): Record<string, unknown> {
  return { type: 'error', error: error.envelope(), request_id: request.id };
}

/** A request id in the API's form; sent in the `request-id` header. */
export function newRequestId(): string {
  return newId('req');
}

/** Sends a thrown error in the envelope. Errors of neither the API nor the framework become a 500. */
export function handleError(error: FastifyError | ApiError, request: FastifyRequest, reply: FastifyReply) {
  const known = error instanceof ApiError ? error : fromFramework(error);
  if (known.status === 500) request.log.error({ err: error }, 'request failed');
  // The SDKs retry every 5xx, but a retry cannot help against a missing feature.
  if (known.status === 501) reply.header('x-should-retry', 'false');
  return reply.code(known.status).send(errorBody(request, known));
}

function fromFramework(error: FastifyError): ApiError {
  const status = error.statusCode ?? 500;
  if (status === 413) return new ApiError(413, 'Request exceeds the maximum allowed number of bytes.');
  if (status >= 400 && status < 500) return new ApiError(status, error.message);
  return new ApiError(500, 'Internal server error');
}
