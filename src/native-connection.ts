// The connection of Temporal's native core, which workers poll over.
import { NativeConnection } from '@temporalio/worker';
import type { Config } from './config.ts';

/** @throws Error that names what to install or to set */
export async function connectNative({ connectionOptions }: Config['temporal']): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(connectionOptions);
  } catch (error) {
    // The core reads the certificates of the operating system; Node has its own, so the client has connected before.
    if (!String(error).includes('NativeCertsNotFound')) throw error;
    throw new Error(
      "This machine has no CA certificates, which the connection to Temporal needs: install the package ca-certificates, or set TEMPORAL_TLS_SERVER_CA_CERT_PATH to a PEM file with the server's certificate authority",
      { cause: error },
    );
  }
}
