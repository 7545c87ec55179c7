// A cluster for one test file, in a folder that goes with it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Cluster, startCluster } from '../../harness/cluster/cluster.ts';

export async function startTestCluster(): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'test-cluster-'));
  const cluster = await startCluster(folder, (line) => process.stderr.write(`${line}\n`));
  return {
    ...cluster,
    close: async () => {
      await cluster.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
