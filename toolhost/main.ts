// The toolhost: runs the tool calls of one or several sessions in their sandbox, each call at most once. It holds no
// credential and opens no connection; the router connects to it. The template's snapshot contains the running toolhost,
// so its boot id is the same in every new sandbox: the boot id identifies restarts, not sandboxes.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { Calls } from './calls.ts';
import { readConfig } from './config.ts';
import { createHttpServer } from './http-server.ts';
import { Journal } from './journal.ts';
import { openLog } from './log.ts';
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
  withSetting('TOOLHOST_WORKDIR', () => mkdirSync(config.workdir, { recursive: true }));
  const memory = withSetting('TOOLHOST_STATE', () => new MemoryFolders(config.state, config.workdir));
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
  // Only after listening: a second toolhost fails there and must not touch the journal. No request is read before the
  // current turn of the event loop ends.
  calls = withSetting('TOOLHOST_STATE', () => {
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
  // After an error outside of any call, the state of this process is unknown.
  process.on('uncaughtException', (error) => {
    log('uncaught error', { error: String(error) });
    process.stderr.write(`toolhost: ${error.stack ?? error}\n`);
    toolboxes.close();
    process.exit(1);
  });
  const { port } = server.address() as AddressInfo;
  log('toolhost started', { version: TOOLHOST_VERSION, bootId, port, node: process.version });
  process.stdout.write(`${JSON.stringify({ ok: true, version: TOOLHOST_VERSION, bootId, port })}\n`);

  // Within one turn of the event loop: a running call must not record the end of its shell as its result.
  function stop(signal: string): void {
    log('toolhost stopped', { signal });
    toolboxes.close();
    process.exit(0);
  }
}

/** Calls `use`. @throws its error with the name of the setting to change */
function withSetting<Result>(setting: string, use: () => Result): Result {
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
