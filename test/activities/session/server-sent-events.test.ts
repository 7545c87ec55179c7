import { expect, it } from 'vitest';
import { ServerSentEvents } from '../../../activities/session/server-sent-events.ts';

const TEXT = [
  'event: ping\ndata: {"type":"ping"}\n\n',
  ': keep-alive\n\n',
  'event: a\r\ndata: {"x":\r\ndata: "é 漢 \u{1f600}"}\r\n\r\n',
  'id: 7\nretry: 10\ndata:no space\n\n',
  'event: without data\n\n',
  'data\rdata: empty line before\r\r',
].join('');
const EVENTS = [
  { event: 'ping', data: '{"type":"ping"}' },
  { event: null, data: null },
  { event: 'a', data: '{"x":\n"é 漢 \u{1f600}"}' },
  { event: null, data: 'no space' },
  { event: null, data: '\nempty line before' },
];

it.each([1, 2, 3, 7, 1_000])('reads the same events from pieces of %i bytes', (size) => {
  const bytes = new TextEncoder().encode(TEXT);
  const reader = new ServerSentEvents();
  const events = [];
  for (let at = 0; at < bytes.length; at += size) events.push(...reader.push(bytes.subarray(at, at + size)));
  expect(events).toEqual(EVENTS);
});

it('takes an event of megabytes in small pieces, and refuses one without an end', () => {
  const reader = new ServerSentEvents();
  const piece = new TextEncoder().encode('x'.repeat(16_384));
  reader.push(new TextEncoder().encode('data: '));
  for (let n = 0; n < 1_000; n += 1) reader.push(piece);
  const [event] = reader.push(new TextEncoder().encode('\n\n'));
  expect(event?.data).toHaveLength(16_384_000);
  expect(() => {
    for (let n = 0; n < 3_000; n += 1) reader.push(piece);
  }).toThrow('too large');
});

it('refuses an event of endlessly many lines', () => {
  const reader = new ServerSentEvents();
  const lines = new TextEncoder().encode('data: x\n'.repeat(10_000));
  expect(() => {
    for (let n = 0; n < 1_000; n += 1) reader.push(lines);
  }).toThrow('too large');
});
