// Global setup of the cluster's tests: builds its programs, where no test's time runs out.
import { findClusterPrograms } from '../../harness/cluster/programs.ts';

export default async function setup(): Promise<void> {
  await findClusterPrograms((line) => process.stderr.write(`${line}\n`));
}
