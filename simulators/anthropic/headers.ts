/** Request headers that several modules read. */
import type { FastifyRequest } from 'fastify';

/** The betas that a request names: the header may be repeated, and may list several. */
export function betasOf({ headers }: FastifyRequest): string[] {
  return String(headers['anthropic-beta'] ?? '')
    .split(',')
    .map((beta) => beta.trim());
}
