/** Errors of the control plane, with the body that the SDK reads. */

export class ApiError extends Error {
  readonly status: number;
  readonly errorCode: string | undefined;

  constructor(status: number, message: string, errorCode?: string) {
    super(message);
    this.status = status;
    this.errorCode = errorCode;
  }

  /** As Fastify knows it. */
  get statusCode(): number {
    return this.status;
  }

  /** The SDK tells the errors of most calls apart by the `code` in the body. */
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

/** What the simulator does not do is refused by name. */
export function notOffered(what: string): ApiError {
  return new ApiError(501, `the local E2B simulator does not offer ${what}`, 'not_offered_by_simulator');
}
