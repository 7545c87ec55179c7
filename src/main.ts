#!/usr/bin/env node
// The program `managed-agents-router`.
import { runCommandLine } from './cli/program.ts';

// The reader of a pipe may stop early, like `head`.
process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') process.exit(0);
  process.stderr.write(`The output cannot be written (${code}).\n`);
  process.exit(1);
});
// What is under way goes on also if what is said about it is not read.
process.stderr.on('error', () => undefined);

const code = await runCommandLine(process.argv.slice(2));
// Writes to a pipe are asynchronous: an exit would cut off what the reader has not taken yet.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(code);
