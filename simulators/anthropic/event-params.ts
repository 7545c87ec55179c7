/** Parses the events that clients send. */
import { z } from 'zod';
import { badRequest, notImplemented } from './errors.ts';

const MAX_INITIAL_EVENTS = 50;

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const image = z.looseObject({ type: z.literal('image'), source: z.looseObject({ type: z.string() }) });
const document = z.looseObject({ type: z.literal('document'), source: z.looseObject({ type: z.string() }) });
const searchResult = z.looseObject({
  type: z.literal('search_result'),
  source: z.string(),
  title: z.string(),
  content: z.array(text),
});
const messageContent = z.array(z.discriminatedUnion('type', [text, image, document])).min(1);
const resultContent = z.array(z.discriminatedUnion('type', [text, image, document, searchResult])).optional();
const result = { content: resultContent, is_error: z.boolean().nullish() };

const eventParams = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('user.message'), content: messageContent }),
  z.strictObject({ type: z.literal('user.interrupt'), session_thread_id: z.string().nullish() }),
  z.strictObject({ type: z.literal('user.tool_result'), tool_use_id: z.string(), ...result }),
  z.strictObject({ type: z.literal('user.custom_tool_result'), custom_tool_use_id: z.string(), ...result }),
  z
    .strictObject({
      type: z.literal('user.tool_confirmation'),
      tool_use_id: z.string(),
      result: z.enum(['allow', 'deny']),
      deny_message: z.string().nullish(),
    })
    .refine((event) => event.result === 'deny' || event.deny_message == null, {
      message: 'only with result=deny',
      path: ['deny_message'],
    }),
  z.strictObject({ type: z.literal('system.message'), content: z.array(text).min(1) }),
]);

export type EventParams = z.infer<typeof eventParams>;

/** The events of a request's body. Throws 400 for a malformed event, 501 for an unsupported one. */
export function parseEvents(body: unknown): EventParams[] {
  const { events } = (body ?? {}) as { events?: unknown };
  if (!Array.isArray(events) || events.length === 0) throw badRequest('events: a list of at least one event');
  const parsed = events.map((event, index) => parseEvent(event, `events.${index}`));
  const system = parsed.findIndex((event) => event.type === 'system.message');
  if (system >= 0 && system !== parsed.length - 1) {
    throw badRequest(`events.${system}: system.message must be the last event of a request`);
  }
  return parsed;
}

/** The initial events of a new session. Throws 400 for other types than `user.message`. */
export function parseInitialEvents(events: unknown): EventParams[] {
  if (events == null) return [];
  if (!Array.isArray(events) || events.length > MAX_INITIAL_EVENTS) {
    throw badRequest(`initial_events: a list of at most ${MAX_INITIAL_EVENTS} events`);
  }
  const parsed = events.map((event, index) => parseEvent(event, `initial_events.${index}`));
  const other = parsed.findIndex((event) => event.type !== 'user.message');
  if (other >= 0) throw badRequest(`initial_events.${other}: must be user.message or user.define_outcome`);
  return parsed;
}

function parseEvent(event: unknown, where: string): EventParams {
  if ((event as { type?: unknown } | null)?.type === 'user.define_outcome') {
    throw notImplemented('user.define_outcome events');
  }
  const parsed = eventParams.safeParse(event);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw badRequest(`${[where, ...(issue?.path ?? [])].join('.')}: ${issue?.message}`);
}
