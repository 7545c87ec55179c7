// How workflows read payloads: as usual, but one that cannot be read is no reason to fail a workflow task for ever.
// A stranger with access to the cluster may signal anything; whoever gets it finds a malformed message.
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
