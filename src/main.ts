#!/usr/bin/env node
// The program `managed-agents-router`.
import { runCommandLine } from './cli/program.ts';

// The reader of a pipe may stop early, like `head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const code = await runCommandLine(process.argv.slice(2));
// Writes to a pipe are asynchronous: an exit would cut off what the reader has not taken yet.
await new Promise((resolve) => process.stdout.write('', resolve));
process.exit(code);
