// `codec-server`: decrypts histories for Temporal's UI and command line.
import type { AddressInfo } from 'node:net';
import type { Command } from 'commander';
import { createCodecServer } from '../codec-server/server.ts';
import { readToken } from '../codec-server/token.ts';
import { loadCodecServerConfig } from '../config.ts';
import { createLogger } from '../log.ts';
import { EncryptionCodec } from '../payload-codec/encryption-codec.ts';
import { KeyRing } from '../payload-codec/key-ring.ts';
import { untilInterrupted } from '../until-interrupted.ts';
import type { CommandContext } from './command.ts';

export function addCodecServerCommand(program: Command, context: CommandContext): void {
  program
    .command('codec-server')
    .description("decrypt histories for Temporal's UI and command line, which never get a key")
    .action(async () => {
      const config = loadCodecServerConfig(context.environment());
      const { host, port, uiOrigin, keyFolder = '', keyId, tokenFile = '' } = config;
      const token = readToken(tokenFile);
      const app = await createCodecServer({
        codec: new EncryptionCodec(new KeyRing(keyFolder), keyId),
        token,
        uiOrigin,
        log: createLogger(config.logLevel, [token]),
      });
      const interrupted = untilInterrupted();
      await app.listen({ host, port });
      const { port: listening } = app.server.address() as AddressInfo;
      process.stdout.write(`codec server http://${host}:${listening} for the UI at ${uiOrigin}\n`);
      context.end(await interrupted);
      await app.close();
    });
}
