import { expect, it } from 'vitest';
import { openSecret, sealSecret } from '../../../activities/work-queue/item-secret.ts';

const KEY = 'sk-ant-oat01-environment';
const FOR = { sessionId: 'sesn_1', workId: 'work_1' };
const seal = (key = KEY, sealedFor = FOR) => sealSecret(secret, key, sealedFor);
const secret = Buffer.from(JSON.stringify({ sessions_token: 'sk-ant-req-1' })).toString('base64url');

it('opens what it sealed, and nothing of it can be read in between', () => {
  const sealed = seal();
  expect(Buffer.from(sealed, 'base64url').toString('latin1')).not.toContain(secret.slice(0, 12));
  expect(openSecret(sealed, KEY, 'sesn_1')).toBe(secret);
});

it('seals the same secret differently each time', () => {
  expect(seal()).not.toBe(seal());
});

it.each([
  ['another key', seal(), 'sk-ant-oat01-rotated'],
  ['damage', `${seal().slice(0, -4)}AAAA`, KEY],
  ['another session', seal(KEY, { ...FOR, sessionId: 'sesn_2' }), KEY],
  ['the name of another item', seal().replace('work_1', 'work_2'), KEY],
  ['no name of an item', seal().replace('work_1.', ''), KEY],
  ['nothing', '', KEY],
  ['rubbish', 'not sealed at all', KEY],
])('%s gives null', (_name, sealed, key) => {
  expect(openSecret(sealed, key, 'sesn_1')).toBeNull();
});
