// A session workflow of another build: its history begins with a timer that the router's workflow never starts.
import { sleep } from '@temporalio/workflow';

export async function sessionWorkflow(): Promise<void> {
  await sleep('1 hour');
}
