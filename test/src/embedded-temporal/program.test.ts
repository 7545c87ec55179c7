// A program that was downloaded is used only if its checksum is the expected one, on every platform.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { findProgram, TEMPORAL_CLI } from '../../../src/embedded-temporal/program.ts';

// pip takes its time on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

const HERE = `${process.platform}-${process.arch}`;
const EXECUTABLE = '#!/bin/sh\n';

let dir: string;
let server: Server;
let requests: number;
beforeEach(async () => {
  vi.stubEnv('PIP_NO_INDEX', '1');
  dir = mkdtempSync(join(tmpdir(), 'program-'));
  writeFileSync(join(dir, 'temporal'), EXECUTABLE);
  execFileSync('tar', ['-czf', join(dir, 'archive.tar.gz'), '-C', dir, 'temporal']);
  requests = 0;
  server = createServer((_request, response) => {
    requests += 1;
    response.end(readFileSync(join(dir, 'archive.tar.gz')));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => {
  vi.unstubAllEnvs();
  server.close();
  rmSync(dir, { recursive: true, force: true });
});

const find = (executables: Record<string, string>) =>
  findProgram(
    { ...TEMPORAL_CLI, executables },
    {
      folders: [join(dir, 'cache')],
      downloadOrigin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      progress: () => undefined,
    },
  );

it('takes the executable with the expected checksum', async () => {
  const checksum = createHash('sha256').update(EXECUTABLE).digest('hex');
  expect(readFileSync(await find({ [HERE]: checksum }), 'utf8')).toBe(EXECUTABLE);
});

it('keeps nothing of an executable with another one', async () => {
  await expect(find({ [HERE]: '0'.repeat(64) })).rejects.toThrow(/another checksum than expected/);
  expect(readdirSync(join(dir, 'cache'))).toEqual([]);
});

it('downloads nothing for a platform without a known checksum', async () => {
  await expect(find({})).rejects.toThrow(/no checksum is known to verify it.*TEMPORAL_CLI=/);
  expect(requests).toBe(0);
});
