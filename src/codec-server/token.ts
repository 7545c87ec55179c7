// Who may use the codec server: callers that send its token, as bearer token (the `temporal` command: --codec-auth) or
// as password of basic authentication, which browsers ask a person for.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readSmallFile } from '../config/small-file.ts';

const MIN_TOKEN_LENGTH = 16;
const MAX_TOKEN_LENGTH = 4096;

/** @throws Error that names the file and says what it must hold; never its content */
export function readToken(file: string): string {
  let content: string;
  try {
    content = readSmallFile(file).trim();
  } catch (error) {
    throw new Error(`CODEC_SERVER_TOKEN_FILE: ${file} ${(error as Error).message}`);
  }
  const { length } = content;
  if (length > MAX_TOKEN_LENGTH || length < MIN_TOKEN_LENGTH || !/^[\x21-\x7e]+$/.test(content))
    throw new Error(
      `CODEC_SERVER_TOKEN_FILE: ${file} must hold one word of at least ${MIN_TOKEN_LENGTH} characters, like the output of: openssl rand -hex 32`,
    );
  return content;
}

/** @returns whether the `Authorization` header carries the token; takes equally long for every wrong one */
export function carriesToken(authorization: string | undefined, token: string): boolean {
  const [scheme, credentials = ''] = (authorization ?? '').split(' ', 2);
  const given = scheme?.toLowerCase() === 'basic' ? passwordOf(credentials) : credentials;
  return /^(basic|bearer)$/i.test(scheme ?? '') && timingSafeEqual(digest(given), digest(token));
}

function passwordOf(credentials: string): string {
  return Buffer.from(credentials, 'base64')
    .toString('utf8')
    .replace(/^[^:]*:/, '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
