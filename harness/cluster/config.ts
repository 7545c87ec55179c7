// The configuration of a Temporal server with all four services on PostgreSQL, and of the UI server: loopback only.
import { stringify } from 'yaml';
import { freePort } from '../free-port.ts';

export interface ClusterPorts {
  frontend: number;
  ui: number;
}

const HOST = '127.0.0.1';
export const DATABASES = { default: 'temporal', visibility: 'temporal_visibility' };
const SHARDS = 128;

export async function serverConfig(
  ports: ClusterPorts,
  postgres: { port: number; user: string },
  dynamicConfigFile: string,
): Promise<string> {
  const store = (databaseName: string, maxConns: number) => ({
    sql: {
      pluginName: 'postgres12',
      databaseName,
      connectAddr: `${HOST}:${postgres.port}`,
      connectProtocol: 'tcp',
      user: postgres.user,
      password: '',
      maxConns,
      maxIdleConns: maxConns,
      maxConnLifetime: '1h',
    },
  });
  const service = async (grpcPort: number, more = {}) => ({
    rpc: { grpcPort, membershipPort: await freePort(), bindOnLocalHost: true, ...more },
  });
  const off = { state: 'disabled', enableRead: false };
  return stringify({
    log: { stdout: true, level: 'warn' },
    persistence: {
      defaultStore: 'default',
      visibilityStore: 'visibility',
      numHistoryShards: SHARDS,
      datastores: { default: store(DATABASES.default, 20), visibility: store(DATABASES.visibility, 10) },
    },
    global: { membership: { maxJoinDuration: '30s', broadcastAddress: HOST } },
    services: {
      frontend: await service(ports.frontend, { httpPort: await freePort() }),
      history: await service(await freePort()),
      matching: await service(await freePort()),
      worker: await service(await freePort()),
    },
    clusterMetadata: {
      enableGlobalNamespace: false,
      failoverVersionIncrement: 10,
      masterClusterName: 'active',
      currentClusterName: 'active',
      clusterInformation: {
        active: {
          enabled: true,
          initialFailoverVersion: 1,
          rpcName: 'frontend',
          rpcAddress: `${HOST}:${ports.frontend}`,
        },
      },
    },
    dcRedirectionPolicy: { policy: 'noop' },
    archival: { history: off, visibility: off },
    dynamicConfigClient: { filepath: dynamicConfigFile, pollInterval: '10s' },
  });
}

/** Otherwise the server would check for newer versions on the internet. */
export function dynamicConfig(): string {
  return stringify({ 'frontend.enableServerVersionCheck': [{ value: false }] });
}

export function uiConfig(ports: ClusterPorts): string {
  return stringify({
    temporalGrpcAddress: `${HOST}:${ports.frontend}`,
    // Without it, the UI would listen on all interfaces.
    host: HOST,
    port: ports.ui,
    enableUi: true,
    disableNewsFetch: true,
    cors: { allowOrigins: [`http://${HOST}:${ports.ui}`] },
  });
}
