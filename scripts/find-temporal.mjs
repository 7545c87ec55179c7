// Downloads Temporal's dev server if it is missing, and reports that on standard error.
import { findTemporalCli } from '../harness/temporal-binary.ts';

try {
  await findTemporalCli({ progress: (line) => process.stderr.write(`setup: ${line}\n`) });
} catch (error) {
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
}
