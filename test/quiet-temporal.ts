// Temporal's SDK reports every start and stop, and every failure that a test causes on purpose: only errors are shown.
import { DefaultLogger, Runtime } from '@temporalio/worker';

/** Call it before the first worker of the process is made. */
export function quietTemporal(): void {
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
}
