// The worker of the TypeScript SDK as its users start it; of the version that lies in the folder SDK.
const { Anthropic } = require(process.env.SDK);

const { ENVIRONMENT_ID, ENVIRONMENT_KEY, WORKDIR } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
// Older versions fetch skills with the client's own credential.
const client = new Anthropic({ authToken: ENVIRONMENT_KEY, apiKey: null });
const worker = client.beta.environments.work.worker({
  environmentId: ENVIRONMENT_ID,
  environmentKey: ENVIRONMENT_KEY,
  workdir: WORKDIR,
  maxIdleMs: 1000,
});
console.log('polling');
worker.run(stop.signal);
