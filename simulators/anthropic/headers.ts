/** Headers that several routes read. */
import type { FastifyRequest } from 'fastify';

/** The betas that a request asks for; the header may name several, and occur several times. */
export function betasOf({ headers }: FastifyRequest): string[] {
  return String(headers['anthropic-beta'] ?? '')
    .split(',')
    .map((beta) => beta.trim());
}
