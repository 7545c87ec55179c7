// A PostgreSQL server with an empty database cluster of its own, from the distribution's packages.
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from '../free-port.ts';
import { type ServerProcess, startServer } from '../server-process.ts';

export interface Postgres {
  port: number;
  user: string;
  /** Kills the server with SIGKILL, and starts it again: it recovers from its write-ahead log. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

const HOST = '127.0.0.1';
const USER = 'temporal';
const MAX_CONNECTIONS = 200;
/** Where Debian and its relatives put each version. */
const VERSIONS = '/usr/lib/postgresql';
const INSTALL = 'apt-get install --yes --no-install-recommends postgresql';
/** Set, and run as root, a missing PostgreSQL is installed. */
const MAY_INSTALL = 'CLUSTER_MAY_INSTALL';

export async function startPostgres(logDir: string, progress: (line: string) => void): Promise<Postgres> {
  const programs = findPostgres(progress);
  const owner = process.getuid?.() === 0 ? unprivilegedUser() : undefined;
  // In a folder that its user may enter, whatever the folder of the test allows.
  const folder = mkdtempSync(join(tmpdir(), 'managed-agents-router-postgres-'));
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o700 });
  if (owner) for (const path of [folder, data]) chownSync(path, owner.uid, owner.gid);
  const initdb = [
    '-D',
    data,
    '-A',
    'trust',
    '-U',
    USER,
    '-E',
    'UTF8',
    '--locale=C.UTF-8',
    '--no-instructions',
  ];
  execFileSync(join(programs, 'initdb'), initdb, {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...owner,
  });

  const port = await freePort();
  const start = (): Promise<ServerProcess> =>
    startServer('PostgreSQL', {
      command: join(programs, 'postgres'),
      args: [
        ...['-D', data, '-p', String(port)],
        ...['-c', `listen_addresses=${HOST}`, '-c', `unix_socket_directories=${folder}`],
        ...['-c', `max_connections=${MAX_CONNECTIONS}`],
      ],
      cwd: folder,
      logFile: join(logDir, 'postgres.log'),
      ready: async () => {
        try {
          const ask = ['-h', HOST, '-p', String(port), '-q'];
          execFileSync(join(programs, 'pg_isready'), ask, { stdio: 'ignore' });
          return true;
        } catch {
          return false;
        }
      },
      ...(owner ? { owner } : {}),
    });
  let server = await start();
  return {
    port,
    user: USER,
    restart: async () => {
      await server.kill();
      server = await startAgain(start);
    },
    close: async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The children of a killed server end a moment later; until then its shared memory is in use. */
async function startAgain(start: () => Promise<ServerProcess>): Promise<ServerProcess> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

/** @returns the folder of PostgreSQL's programs, of the newest version */
function findPostgres(progress: (line: string) => void): string {
  const found = installedPostgres();
  if (found) return found;
  if (process.getuid?.() !== 0 || !process.env[MAY_INSTALL])
    throw new Error(
      `PostgreSQL not found. Install it (Debian: ${INSTALL}); as root, ${MAY_INSTALL}=1 does that`,
    );
  progress(INSTALL);
  const [command, ...args] = INSTALL.split(' ') as [string, ...string[]];
  execFileSync(command, args, {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  const installed = installedPostgres();
  if (!installed) throw new Error(`${INSTALL} has installed no PostgreSQL server in ${VERSIONS}`);
  return installed;
}

function installedPostgres(): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : [];
  const folders = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(VERSIONS, version, 'bin'))
    .concat((process.env.PATH ?? '').split(delimiter));
  return folders.find((folder) => ['initdb', 'postgres'].every((name) => existsSync(join(folder, name))));
}

/** PostgreSQL refuses to run as root. */
function unprivilegedUser(): { uid: number; gid: number } {
  const users = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of ['postgres', 'nobody']) {
    const [, , uid, gid] = users.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody');
}
