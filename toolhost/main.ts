// The toolhost: runs a session's tool calls inside its sandbox, each at most once. Bundled to one file.
// It knows no credential and talks to nobody; the router comes to it. What it reads at its start is part of the
// template's snapshot and so the same in every new sandbox: the boot id tells restarts apart, not sandboxes.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { openLog } from './call-log.ts';
import { Calls } from './calls.ts';
import { readConfig } from './config.ts';
import { createHttpServer } from './http-server.ts';
import { Journal } from './journal.ts';
import { createToolbox } from './toolbox.ts';
import { TOOLHOST_VERSION } from './version.ts';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = openLog(config.log);
  const bootId = randomUUID();
  mkdirSync(config.workdir, { recursive: true });
  const toolbox = createToolbox(config.workdir);

  let calls: Calls | undefined;
  const server = createHttpServer({
    calls: () => calls as Calls,
    health: () => ({ version: TOOLHOST_VERSION, bootId }),
  });
  server.listen(config.port, config.host);
  await once(server, 'listening');
  // Only whoever holds the port may touch the journal; no request is read before this turn of the loop ends.
  const journal = new Journal(config.state);
  calls = new Calls({ journal, toolbox, log, bootId });

  const { port } = server.address() as AddressInfo;
  log('toolhost started', { version: TOOLHOST_VERSION, bootId, port, node: process.version });
  process.stdout.write(`${JSON.stringify({ ok: true, version: TOOLHOST_VERSION, bootId, port })}\n`);

  const stop = async (signal: string) => {
    server.close();
    log('toolhost stopped', { signal });
    await toolbox.close();
    process.exit(0);
  };
  process.once('SIGTERM', stop);
  process.once('SIGINT', stop);
  process.on('uncaughtException', (error: NodeJS.ErrnoException) => {
    log('uncaught error', { error: String(error), code: error.code });
    // A shell that could not start, or that was gone when a command was written to it, is one failed command.
    // Any other error leaves a state that nobody knows.
    if (error.code === 'EPIPE' || error.syscall?.startsWith('spawn')) return toolbox.shellFailed(error);
    process.stderr.write(`toolhost: ${error.stack ?? error}\n`);
    process.exit(1);
  });
}

main().catch((error: Error) => {
  process.stderr.write(`toolhost: ${error.message}\n`);
  process.exit(1);
});
