// A namespace of the shared Temporal server for one test file: apart from the workflows and workers of other files.
import { randomUUID } from 'node:crypto';
import { inject } from 'vitest';
import { lazyTemporal, type Temporal } from '../src/clients/temporal.ts';
import type { Config } from '../src/config.ts';

export interface TestNamespace extends Temporal {
  /** What a configuration that uses it says. */
  config: Config['temporal'];
  close(): Promise<void>;
}

/** An empty namespace, usable at once; close it to close the connection. */
export async function newNamespace(): Promise<TestNamespace> {
  const namespace = `test-${randomUUID()}`;
  const config = { connectionOptions: { address: inject('temporalAddress') }, namespace };
  const temporal = lazyTemporal(config);
  await temporal.connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: { seconds: 86_400 as never },
  });
  return { ...temporal, config, close: () => temporal.connection.close() };
}
