// Global setup of the cluster's tests: builds its programs, where no test's time runs out.
import type { TestProject } from 'vitest/node';
import { findClusterPrograms } from '../../harness/cluster/programs.ts';

export default async function setup(project: TestProject): Promise<void> {
  if (!project.vitest.projects.some(({ name }) => name === 'cluster')) return;
  await findClusterPrograms((line) => process.stderr.write(`${line}\n`));
}
