// Runs the environment worker of the SDK from npm as its documentation shows, in the current folder.
import Anthropic from '@anthropic-ai/sdk';

const { ENVIRONMENT_ID: environmentId = '', ENVIRONMENT_KEY: environmentKey = '' } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
const client = new Anthropic({ authToken: environmentKey, apiKey: null });
const worker = client.beta.environments.work.worker({
  environmentId,
  environmentKey,
  workdir: process.cwd(),
});
process.stdout.write('polling\n');
await worker.run(stop.signal);
