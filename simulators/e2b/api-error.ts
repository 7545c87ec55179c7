/** Errors of the control plane, with the body that the SDK expects. */

export class ApiError extends Error {
  readonly status: number;
  readonly errorCode: string | undefined;

  constructor(status: number, message: string, errorCode?: string) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
  }

  /** Fastify's name for `status`. */
  get statusCode(): number {
    return this.status;
  }

  /** For most calls the SDK reads the `code` in the body, not the HTTP status. */
  get body(): Record<string, unknown> {
    return errorBody(this.status, this.message, this.errorCode);
  }
}

export function errorBody(status: number, message: string, errorCode?: string): Record<string, unknown> {
  return { code: status, message, ...(errorCode ? { error_code: errorCode } : {}) };
}

export function notFound(sandboxId: string): ApiError {
  return new ApiError(404, `Sandbox "${sandboxId}" doesn't exist or you don't have access to it`);
}

/** The answer to a request for a feature that the simulator does not have. */
export function notOffered(what: string): ApiError {
  return new ApiError(501, `the local E2B simulator does not offer ${what}`, 'not_offered_by_simulator');
}
