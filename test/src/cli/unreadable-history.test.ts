import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { afterAll, expect, it } from 'vitest';
import { type History, whyUnreadable } from '../../../src/cli/sessions/history.ts';
import { dataConverterOf } from '../../../src/payload-codec/data-converter.ts';
import { EncryptionCodec } from '../../../src/payload-codec/encryption-codec.ts';
import { KeyRing } from '../../../src/payload-codec/key-ring.ts';

const folder = mkdtempSync(join(tmpdir(), 'keys-'));
for (const id of ['first', 'second'])
  writeFileSync(join(folder, `${id}.key`), randomBytes(32).toString('base64'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a history that began before the encryption was turned on is encrypted, too', async () => {
  const clear = [defaultPayloadConverter.toPayload('clear')] as Payload[];
  const encrypted = await new EncryptionCodec(new KeyRing(folder), 'first').encode(clear);
  const history = (result: Payload[]) =>
    ({
      events: [
        { workflowExecutionStartedEventAttributes: { input: { payloads: clear } } },
        { activityTaskCompletedEventAttributes: { result: { payloads: result } } },
      ],
    }) as History;
  const withKeys = new Client(dataConverterOf({ keyFolder: folder }));
  expect(await whyUnreadable(new Client(), history(encrypted))).toBe('no folder of keys is set');
  expect(await whyUnreadable(withKeys, history(encrypted))).toBeNull();
  expect(await whyUnreadable(new Client(), history(clear))).toBeNull();
  rmSync(join(folder, 'first.key'));
  expect(await whyUnreadable(new Client(dataConverterOf({ keyFolder: folder })), history(encrypted))).toMatch(
    'first.key',
  );
});
