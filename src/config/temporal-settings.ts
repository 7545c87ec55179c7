// The settings for Temporal, part of ./deployment-settings.ts.
import { DEFAULT_DEPLOYMENT } from '../../workflows/messages.ts';
import { deploymentName, filePath, flag, hostAndPort, temporalKey, wholeNumber, word } from './kinds.ts';
import { setting } from './setting.ts';

/** How all processes and commands reach Temporal. */
export const TEMPORAL = {
  address: setting(hostAndPort, {
    variable: 'TEMPORAL_ADDRESS',
    meaning:
      'Host and port of the Temporal server. If it is not set, `start` runs an embedded server (docs/temporal.md), and everything else uses that server while it runs, otherwise the default',
    default: '127.0.0.1:7233',
    example: 'my-namespace.a1b2c.tmprl.cloud:7233',
    neededBy: 'both',
  }),
  namespace: setting(word, {
    variable: 'TEMPORAL_NAMESPACE',
    meaning: 'Temporal namespace',
    default: 'default',
    example: 'my-namespace.a1b2c',
    neededBy: 'both',
  }),
  deployment: setting(deploymentName, {
    variable: 'ROUTER_DEPLOYMENT',
    meaning:
      'Name of this deployment. Task queues, workflow ids and the Worker Deployment start with it, so that several deployments can share a namespace',
    default: DEFAULT_DEPLOYMENT,
    example: 'router-staging',
    neededBy: 'both',
  }),
  apiKey: setting(temporalKey, {
    variable: 'TEMPORAL_API_KEY',
    meaning: 'API key of Temporal Cloud; turns TLS on',
    example: 'eyJhbGciOi…',
    neededBy: 'both',
    secret: true,
  }),
  configFile: setting(filePath, {
    variable: 'TEMPORAL_CONFIG_FILE',
    meaning: 'TOML file with connection profiles, in the format of the `temporal` command',
    example: '/etc/temporal/temporal.toml',
    neededBy: 'both',
  }),
  profile: setting(word, {
    variable: 'TEMPORAL_PROFILE',
    meaning: 'Profile to use from that file; its values win over the defaults listed here',
    example: 'production',
    neededBy: 'both',
  }),
  tls: {
    enabled: setting(flag, {
      variable: 'TEMPORAL_TLS',
      meaning: 'Whether the connection uses TLS (default: only with an API key or certificates)',
      example: true,
      neededBy: 'both',
    }),
    clientCertFile: setting(filePath, {
      variable: 'TEMPORAL_TLS_CLIENT_CERT_PATH',
      meaning: 'Client certificate for mutual TLS, a PEM file',
      example: '/run/secrets/temporal.pem',
      neededBy: 'both',
    }),
    clientKeyFile: setting(filePath, {
      variable: 'TEMPORAL_TLS_CLIENT_KEY_PATH',
      meaning: 'Private key of the client certificate, a PEM file',
      example: '/run/secrets/temporal.key',
      neededBy: 'both',
    }),
    serverCaFile: setting(filePath, {
      variable: 'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
      meaning: "Certificate authority of the server's certificate, a PEM file",
      example: '/etc/ssl/temporal-ca.pem',
      neededBy: 'both',
    }),
    serverName: setting(word, {
      variable: 'TEMPORAL_TLS_SERVER_NAME',
      meaning: "Name to expect in the server's certificate, if it is not the host name",
      example: 'temporal.internal',
      neededBy: 'both',
    }),
  },
  embedded: {
    dataFolder: setting(filePath, {
      variable: 'ROUTER_DATA_FOLDER',
      meaning:
        'Folder of the embedded Temporal server: its database, its log and, if it is not installed, its program',
      default: '.managed-agents-router',
      example: '/var/lib/managed-agents-router',
      neededBy: 'both',
    }),
    port: setting(wholeNumber(1, 65_535), {
      variable: 'ROUTER_EMBEDDED_TEMPORAL_PORT',
      meaning:
        'Loopback port of the embedded Temporal server. If it is not set and 7233 is in use, the next free port',
      default: 7233,
      example: 7300,
      neededBy: 'worker',
    }),
    uiPort: setting(wholeNumber(1, 65_535), {
      variable: 'ROUTER_EMBEDDED_TEMPORAL_UI_PORT',
      meaning:
        "Loopback port of the embedded server's UI. If it is not set and 8233 is in use, the next free port",
      default: 8233,
      example: 8300,
      neededBy: 'worker',
    }),
    cli: setting(filePath, {
      variable: 'TEMPORAL_CLI',
      meaning:
        "Temporal's command line, which holds the embedded server. If it is not set, `temporal` on PATH, or a download",
      example: '/usr/local/bin/temporal',
      neededBy: 'worker',
    }),
  },
  encryption: {
    keyFolder: setting(filePath, {
      variable: 'TEMPORAL_ENCRYPTION_KEY_FOLDER',
      meaning:
        'Folder with the keys that histories are encrypted with, one file `<key id>.key` for each; histories are then decrypted',
      example: '/run/secrets/history-keys',
      neededBy: 'both',
    }),
    keyId: setting(word, {
      variable: 'TEMPORAL_ENCRYPTION_KEY_ID',
      meaning: 'Key that encrypts what is written from now on; set it once all processes have the key',
      example: '2026-11',
      neededBy: 'both',
    }),
  },
};
