// The messages and stack traces of failures as payloads, so that they are encrypted too. Only where histories are
// encrypted: Temporal's UI then shows "Encoded failure" until a codec server decodes it.
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });
