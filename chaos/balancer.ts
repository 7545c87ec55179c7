// A load balancer in front of the webhook servers: forwards each connection to the next server that accepts it.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

const HOST = '127.0.0.1';

export interface Balancer {
  port: number;
  close(): Promise<void>;
}

/** @param ports of the servers behind it */
export async function startBalancer(ports: number[]): Promise<Balancer> {
  let turn = 0;
  const open = new Set<Socket>();
  const server: Server = createServer((client) => {
    open.add(client);
    client.once('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    turn += 1;
    forward(client, [...ports.slice(turn % ports.length), ...ports.slice(0, turn % ports.length)]);
  });
  server.listen(0, HOST);
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    close: async () => {
      for (const client of open) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function forward(client: Socket, [port, ...others]: number[]): void {
  if (port === undefined) {
    client.destroy();
    return;
  }
  const behind = connect(port, HOST);
  let connected = false;
  behind.once('connect', () => {
    connected = true;
    client.pipe(behind).pipe(client);
  });
  behind.on('error', () => {
    if (connected) client.destroy();
    else forward(client, others);
  });
  behind.once('close', () => connected && client.destroy());
  client.once('close', () => behind.destroy());
}
