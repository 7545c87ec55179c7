// The toolhost: runs the tool calls of a session, or of several, inside their sandbox, each at most once. One file.
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
import { MemoryFolders } from './memory-folders.ts';
import { Outputs } from './outputs.ts';
import { killCutOff, killSession, MARKS } from './processes.ts';
import { Skills } from './skills.ts';
import { Toolboxes } from './toolboxes.ts';
import { TOOLHOST_VERSION } from './version.ts';

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const log = openLog(config.log);
  const bootId = randomUUID();
  process.env[MARKS.boot] = bootId;
  named('TOOLHOST_WORKDIR', () => mkdirSync(config.workdir, { recursive: true }));
  const memory = named('TOOLHOST_STATE', () => new MemoryFolders(config.state, config.workdir));
  const toolboxes = new Toolboxes(config.workdir, config.state, () => memory.mounts);

  let calls: Calls | undefined;
  const server = createHttpServer({
    calls: () => calls as Calls,
    skills: new Skills(config.workdir, log),
    memory,
    outputs: new Outputs(config.workdir),
    health: () => ({ version: TOOLHOST_VERSION, bootId }),
  });
  server.listen(config.port, config.host);
  await once(server, 'listening');
  // Only whoever holds the port may touch the journal; no request is read before this turn of the loop ends.
  calls = named('TOOLHOST_STATE', () => {
    const journal = new Journal(config.state);
    return new Calls({
      journal,
      toolboxOf: (session, thread) => toolboxes.of(session, thread),
      endShells: (session) => toolboxes.endSession(session),
      killSession,
      killCutOff,
      log,
      bootId,
    });
  });

  process.once('SIGTERM', () => stop('SIGTERM'));
  process.once('SIGINT', () => stop('SIGINT'));
  // An error outside of any call leaves a state that nobody knows.
  process.on('uncaughtException', (error) => {
    log('uncaught error', { error: String(error) });
    process.stderr.write(`toolhost: ${error.stack ?? error}\n`);
    toolboxes.close();
    process.exit(1);
  });
  const { port } = server.address() as AddressInfo;
  log('toolhost started', { version: TOOLHOST_VERSION, bootId, port, node: process.version });
  process.stdout.write(`${JSON.stringify({ ok: true, version: TOOLHOST_VERSION, bootId, port })}\n`);

  // In one turn of the loop: a call that runs must not record its broken shell as its result.
  function stop(signal: string): void {
    log('toolhost stopped', { signal });
    toolboxes.close();
    process.exit(0);
  }
}

/** What `use` gives; an error of it names the setting that it depends on. */
function named<Result>(setting: string, use: () => Result): Result {
  try {
    return use();
  } catch (error) {
    throw new Error(`${setting} names a directory that cannot be used: ${(error as Error).message}`);
  }
}

main().catch((error: Error) => {
  process.stderr.write(`toolhost: ${error.message}\n`);
  process.exit(1);
});
