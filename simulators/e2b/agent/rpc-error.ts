/** Errors with the codes of the Connect protocol. */

const STATUS = {
  canceled: 499,
  invalid_argument: 400,
  deadline_exceeded: 504,
  not_found: 404,
  already_exists: 409,
  permission_denied: 403,
  resource_exhausted: 429,
  failed_precondition: 400,
  unimplemented: 501,
  internal: 500,
  unavailable: 503,
  unauthenticated: 401,
} as const;

export type RpcCode = keyof typeof STATUS;

export class RpcError extends Error {
  readonly code: RpcCode;

  constructor(code: RpcCode, message: string) {
    super(message);
    this.code = code;
  }

  get status(): number {
    return STATUS[this.code];
  }
}

const SYSTEM_CODES: Record<string, RpcCode> = {
  ENOENT: 'not_found',
  EEXIST: 'already_exists',
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  ENOTDIR: 'invalid_argument',
  EISDIR: 'invalid_argument',
  ENOSPC: 'resource_exhausted',
  EAGAIN: 'resource_exhausted',
  ELOOP: 'invalid_argument',
  ENAMETOOLONG: 'invalid_argument',
  EINVAL: 'invalid_argument',
  EXDEV: 'invalid_argument',
  // For example a zero byte in a path or variable.
  ERR_INVALID_ARG_VALUE: 'invalid_argument',
};

/** Converts any error; errors of the file system get the matching code. */
export function toRpcError(error: unknown): RpcError {
  if (error instanceof RpcError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new RpcError(SYSTEM_CODES[code ?? ''] ?? 'internal', message);
}
