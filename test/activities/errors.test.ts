import { APIConnectionError, APIError } from '@anthropic-ai/sdk';
import { ApplicationFailure } from '@temporalio/common';
import { AuthenticationError, RateLimitError, SandboxError, SandboxNotFoundError, TimeoutError } from 'e2b';
import { expect, it } from 'vitest';
import { classify, toFailure } from '../../activities/errors.ts';
import { SandboxHttpError } from '../../src/clients/sandbox-http.ts';

const api = (status: number, headers: Record<string, string> = {}) =>
  APIError.generate(status, { error: { type: 'x', message: 'y' } }, 'y', new Headers(headers));
const e2b = (statusCode: number) => Object.assign(new SandboxError('x'), { statusCode });

it.each([
  ['408', api(408), 'retry'],
  ['409', api(409), 'retry'],
  ['429', api(429), 'retry'],
  ['500', api(500), 'retry'],
  ['529', api(529), 'retry'],
  ['no connection', new APIConnectionError({ message: 'x' }), 'retry'],
  ['400', api(400), 'final'],
  ['401', api(401), 'refused'],
  ['403', api(403), 'final'],
  ['413', api(413), 'final'],
  ['404', api(404), 'not found'],
  ['E2B without an answer', new TimeoutError('x'), 'retry'],
  ['E2B 500', e2b(500), 'retry'],
  ['E2B 400', e2b(400), 'final'],
  ['E2B limit', new RateLimitError('x'), 'retry'],
  ['E2B key', new AuthenticationError('x'), 'final'],
  ['E2B sandbox', new SandboxNotFoundError('x'), 'not found'],
  ['toolhost away', new SandboxHttpError(0, 'x'), 'retry'],
  ['toolhost behind a closed port', new SandboxHttpError(502, 'x'), 'retry'],
  ['toolhost refuses', new SandboxHttpError(400, 'x'), 'final'],
  ['anything else', new TypeError('fetch failed'), 'retry'],
])('%s: %s', (_name, error, kind) => {
  expect(classify(error).kind).toBe(kind);
});

it('waits as long as the service asks, at most a minute', () => {
  expect(classify(api(429, { 'retry-after': '7' })).retryAfterMs).toBe(7000);
  expect(classify(api(429, { 'retry-after': '7000' })).retryAfterMs).toBe(60_000);
  expect(classify(api(429, { 'retry-after': 'soon' })).retryAfterMs).toBeUndefined();
});

it('leaves an activity as a failure that Temporal can act on', () => {
  expect(toFailure(api(429, { 'retry-after': '7' }))).toMatchObject({
    nonRetryable: false,
    nextRetryDelay: 7000,
  });
  expect(toFailure(api(403))).toMatchObject({ nonRetryable: true, type: 'final' });
  expect(toFailure(api(404))).toMatchObject({ nonRetryable: true, type: 'final' });
  expect(toFailure(new SandboxNotFoundError('probably not running'))).toMatchObject({ nonRetryable: false });
  expect(toFailure(api(401))).toMatchObject({ nonRetryable: false, nextRetryDelay: 15_000 });
  const failure = ApplicationFailure.nonRetryable('kept');
  expect(toFailure(failure)).toBe(failure);
});

it('lets no credential out', () => {
  const text =
    'key sk-ant-oat01-AbCdEf0123456789 token sk-ant-req-zzzzzzzzzz whsec_AAAAbbbbCCCC1234+/= e2b_0123456789abcdef';
  const { message } = toFailure(new Error(text));
  for (const secret of ['AbCdEf0123456789', 'zzzzzzzzzz', 'AAAAbbbbCCCC', '0123456789abcdef'])
    expect(message).not.toContain(secret);
});
