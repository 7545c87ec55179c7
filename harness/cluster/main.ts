// `npm run cluster`: runs a Temporal cluster on PostgreSQL until Ctrl-C, for chaos runs, benchmarks and development.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startCluster } from './cluster.ts';

const folder = mkdtempSync(join(tmpdir(), 'managed-agents-router-cluster-'));
const asked = new Promise<void>((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
});
try {
  const starting = startCluster(folder, (line) => process.stderr.write(`cluster: ${line}\n`));
  const cluster = await Promise.race([starting, asked]);
  // While it is built or started, our exit ends what has been started.
  if (!cluster) process.exit(130);
  process.stdout.write(`Temporal ${cluster.address}\nUI ${cluster.uiUrl}\nlogs ${join(folder, 'logs')}\n`);
  await asked;
  await cluster.close();
} catch (error) {
  process.stderr.write(`cluster: ${(error as Error).message}\n`);
  process.exitCode = 1;
}
rmSync(folder, { recursive: true, force: true });
