// A Temporal cluster as people run it: four services with 128 shards on PostgreSQL, and the UI server.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { listens } from '../../src/embedded-temporal/ports.ts';
import { answers } from '../../src/embedded-temporal/server.ts';
import { freePort } from '../free-port.ts';
import { type ServerProcess, startServer } from '../server-process.ts';
import { DATABASES, dynamicConfig, serverConfig, uiConfig } from './config.ts';
import { startPostgres } from './postgres.ts';
import { findClusterPrograms } from './programs.ts';

export interface Cluster {
  /** `127.0.0.1:port` of the frontend. */
  address: string;
  uiUrl: string;
  /** Kills all four services with SIGKILL, and starts them again. */
  restartServer(): Promise<void>;
  /** Kills PostgreSQL with SIGKILL, and starts it again. */
  restartPostgres(): Promise<void>;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
/** Exists as soon as the server serves. */
const SYSTEM_NAMESPACE = 'temporal-system';

/**
 * @param folder for configuration and logs
 * @param progress receives what is built and started
 */
export async function startCluster(folder: string, progress: (line: string) => void): Promise<Cluster> {
  const programs = await findClusterPrograms(progress);
  const logDir = join(folder, 'logs');
  mkdirSync(logDir, { recursive: true });
  const ending: (() => Promise<void>)[] = [];
  const close = async () => {
    for (let end = ending.pop(); end; end = ending.pop()) await end().catch(() => undefined);
  };
  try {
    const postgres = await startPostgres(logDir, progress);
    ending.push(postgres.close);
    progress(`PostgreSQL ${HOST}:${postgres.port}`);
    createSchema(programs.sqlTool, postgres);

    const ports = { frontend: await freePort(), ui: await freePort() };
    const file = (name: string) => join(folder, name);
    writeFileSync(file('dynamic.yaml'), dynamicConfig());
    writeFileSync(file('temporal.yaml'), await serverConfig(ports, postgres, file('dynamic.yaml')));
    const startTemporal = (): Promise<ServerProcess> =>
      startServer('Temporal', {
        command: programs.server,
        args: ['--config-file', file('temporal.yaml'), '--allow-no-auth', 'start'],
        cwd: folder,
        logFile: join(logDir, 'temporal.log'),
        ready: () => answers(ports.frontend, SYSTEM_NAMESPACE),
      });
    let temporal = await startTemporal();
    ending.push(() => temporal.stop());
    progress(`Temporal ${HOST}:${ports.frontend}`);

    mkdirSync(file('ui'), { recursive: true });
    writeFileSync(file('ui/cluster.yaml'), uiConfig(ports));
    const ui = await startServer('The UI server', {
      command: programs.ui,
      args: ['--root', folder, '--config', 'ui', '--env', 'cluster', 'start'],
      logFile: join(logDir, 'ui.log'),
      ready: () => listens(ports.ui),
    });
    ending.push(ui.stop);
    progress(`UI http://${HOST}:${ports.ui}`);

    return {
      address: `${HOST}:${ports.frontend}`,
      uiUrl: `http://${HOST}:${ports.ui}`,
      restartServer: async () => {
        await temporal.kill();
        temporal = await startTemporal();
      },
      restartPostgres: postgres.restart,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function createSchema(sqlTool: string, { port, user }: { port: number; user: string }): void {
  const connection = ['--plugin', 'postgres12', '--ep', HOST, '-p', String(port), '-u', user];
  for (const [store, database] of Object.entries(DATABASES)) {
    const schema = `postgresql/v12/${store === 'default' ? 'temporal' : store}`;
    for (const command of [
      ['create-database'],
      ['setup-schema', '-v', '0.0'],
      ['update-schema', '--schema-name', schema],
    ])
      execFileSync(sqlTool, [...connection, '--db', database, ...command], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
  }
}
