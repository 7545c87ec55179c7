// How workflows read payloads: as usual, but a payload that cannot be read must not fail the workflow task for ever.
// Any program with access to the namespace may send any signal; the handler then sees a malformed message.
import { defaultPayloadConverter, type Payload, type PayloadConverter } from '@temporalio/common';

const UNREADABLE = { unreadable: true };

export const payloadConverter: PayloadConverter = {
  toPayload: (value) => defaultPayloadConverter.toPayload(value),
  fromPayload<T>(payload: Payload): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload);
    } catch {
      return UNREADABLE as T;
    }
  },
};
