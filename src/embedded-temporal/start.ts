// The Temporal server that `start` brings up where no Temporal address is set.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lazyTemporal } from '../clients/temporal.ts';
import { removeRecord, runningServer, writeRecord } from '../config/running-server.ts';
import type { EmbeddedTemporalConfig } from '../config.ts';
import { projectPath } from '../paths.ts';
import { takeDataFolder } from './data-folder.ts';
import { freePortFrom, listens } from './ports.ts';
import { findProgram, TEMPORAL_CLI } from './program.ts';
import { startTemporalServer } from './server.ts';

export interface EmbeddedTemporal {
  /** `127.0.0.1:port` */
  address: string;
  /** Empty without a UI. */
  uiUrl: string;
  /** Rejects if the server ends without being stopped. */
  finished: Promise<void>;
  stop(): Promise<void>;
}

/** How long ended sessions can be looked up; as long as an unused session keeps its sandbox by default. */
const RETENTION_DAYS = 7;
/** A server whose router was killed needs this long to end. */
const LEFT_BEHIND_MS = 15_000;
const POLL_MS = 100;

/**
 * Starts the server on its data folder. The state is on disk; writes survive a power cut.
 * @param progress receives what takes long or differs from the settings, for people
 * @throws Error that names the setting to change
 */
export async function startEmbeddedTemporal(
  config: EmbeddedTemporalConfig,
  progress: (line: string) => void,
): Promise<EmbeddedTemporal> {
  const folder = await takeDataFolder(config.dataFolder);
  try {
    const cli = await findProgram(TEMPORAL_CLI, {
      named: config.cli,
      path: config.path,
      folders: [join(folder.path, 'bin'), projectPath('.cache/temporal')],
      progress,
    });
    await untilEarlierServerHasEnded(folder.path);
    const port = await choosePort(config.port, progress);
    const uiPort = config.uiPort && (await choosePort(config.uiPort, progress, [port]));
    const dbFile = join(folder.path, 'temporal.db');
    const isNew = !existsSync(dbFile);
    const server = await startTemporalServer({
      cli,
      port,
      ...(uiPort === undefined ? {} : { uiPort }),
      ...(config.refuseHttp ? { dynamicConfig: [refuseHttp()] } : {}),
      dbFile,
      syncWrites: true,
      logFile: join(folder.path, 'temporal.log'),
      namespace: config.namespace,
    });
    const { address, uiUrl = '', pid } = server;
    if (isNew) await keepEndedSessions(address, config.namespace);
    writeRecord(folder.path, { pid, address, uiUrl, namespace: config.namespace });
    let stopping = false;
    const finished = server.ended.then((why) => {
      if (stopping) return;
      throw new Error(
        `the embedded Temporal server has ended: ${why}. Its log is ${join(folder.path, 'temporal.log')}. ` +
          'Sessions go on at the next start',
      );
    });
    return {
      address,
      uiUrl,
      finished,
      stop: async () => {
        stopping = true;
        await server.close();
        removeRecord(folder.path);
        await folder.release();
      },
    };
  } catch (error) {
    await folder.release();
    throw error;
  }
}

/** The server of a router that was killed ends by itself, a moment later. */
async function untilEarlierServerHasEnded(folder: string): Promise<void> {
  const deadline = Date.now() + LEFT_BEHIND_MS;
  for (let left = runningServer(folder); left; left = runningServer(folder)) {
    const port = Number(new URL(`http://${left.address}`).port);
    if (!(await listens(port)) || Date.now() > deadline) break;
    await sleep(POLL_MS);
  }
  removeRecord(folder);
}

/** The HTTP API cannot be turned off, but it can be restricted to a host name: here a random one that does not exist. */
function refuseHttp(): string {
  return `frontend.httpAllowedHosts=["${randomBytes(16).toString('hex')}.invalid"]`;
}

async function choosePort(
  { port, variable, given }: EmbeddedTemporalConfig['port'],
  progress: (line: string) => void,
  taken: number[] = [],
): Promise<number> {
  const free = await freePortFrom(port, taken);
  if (free === port) return port;
  if (given)
    throw new Error(`Port ${port} of the embedded Temporal server is in use: set ${variable} to another one`);
  progress(
    `Port ${port} is in use; the embedded Temporal server takes ${free}. To choose another port, set ${variable}; to use a ` +
      'Temporal server that runs already, set TEMPORAL_ADDRESS',
  );
  return free;
}

/** Without a setting of ours, the server forgets sessions one day after they have ended. */
async function keepEndedSessions(address: string, namespace: string): Promise<void> {
  const { connection } = lazyTemporal({ connectionOptions: { address }, namespace });
  try {
    await connection.workflowService.updateNamespace({
      namespace,
      config: { workflowExecutionRetentionTtl: { seconds: RETENTION_DAYS * 86_400, nanos: 0 } as never },
    });
  } finally {
    await connection.close();
  }
}
