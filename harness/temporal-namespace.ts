// Namespaces of a running Temporal server.
import { lazyTemporal } from '../src/clients/temporal.ts';
import { until } from './until.ts';

const DAY_SECONDS = 86_400;
const USABLE_WITHIN_MS = 60_000;

/**
 * Creates a namespace and waits until it can be used: the services of a cluster learn of new ones with a delay.
 * @param address `host:port`
 */
export async function createNamespace(address: string, namespace: string): Promise<void> {
  const { connection, client } = lazyTemporal({ connectionOptions: { address }, namespace });
  try {
    await connection.workflowService.registerNamespace({
      namespace,
      workflowExecutionRetentionPeriod: { seconds: DAY_SECONDS as never },
    });
    const usable = () =>
      client.workflow
        .count()
        .then(() => true)
        .catch(() => false);
    await until(`the namespace ${namespace} can be used`, usable, USABLE_WITHIN_MS);
  } finally {
    await connection.close();
  }
}
