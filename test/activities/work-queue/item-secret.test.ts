import { expect, it } from 'vitest';
import { openSecret, sealSecret } from '../../../activities/work-queue/item-secret.ts';

const KEY = 'sk-ant-oat01-environment';
const secret = Buffer.from(JSON.stringify({ sessions_token: 'sk-ant-req-1' })).toString('base64url');

it('opens what it sealed, and nothing of it can be read in between', () => {
  const sealed = sealSecret(secret, KEY);
  expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain(secret.slice(0, 12));
  expect(openSecret(sealed, KEY)).toBe(secret);
});

it('seals the same secret differently each time', () => {
  expect(sealSecret(secret, KEY)).not.toBe(sealSecret(secret, KEY));
});

it.each([
  ['another key', sealSecret(secret, KEY), 'sk-ant-oat01-rotated'],
  ['damage', `${sealSecret(secret, KEY).slice(0, -4)}AAAA`, KEY],
  ['nothing', '', KEY],
  ['rubbish', 'not sealed at all', KEY],
])('%s gives null', (_name, sealed, key) => {
  expect(openSecret(sealed, key)).toBeNull();
});
