// Temporal servers for the demo, the tests and development: on free ports, with their logs in the project's cache.
import {
  type TemporalServerOptions as ServerOptions,
  startTemporalServer,
  type TemporalServer,
} from '../src/embedded-temporal/server.ts';
import { projectPath } from '../src/paths.ts';
import { freePort } from './free-port.ts';
import { findTemporalCli } from './temporal-binary.ts';

export type { TemporalServer } from '../src/embedded-temporal/server.ts';

/** Default: free ports; no UI, and a free port for it if `uiPort` is 0; the log in `.cache/temporal/server-<port>.log`. */
export type TemporalServerOptions = Partial<ServerOptions>;

/**
 * Starts a server with our search attributes. Resolves when it answers for the namespace `default`.
 * @throws Error with the end of the server's output if it does not start
 */
export async function startTemporal(options: TemporalServerOptions = {}): Promise<TemporalServer> {
  const port = options.port || (await freePort());
  const uiPort = options.uiPort === 0 ? await freePort() : options.uiPort;
  return startTemporalServer({
    cli: await findTemporalCli(),
    logFile: projectPath(`.cache/temporal/server-${port}.log`),
    ...options,
    port,
    ...(uiPort === undefined ? {} : { uiPort }),
  });
}
