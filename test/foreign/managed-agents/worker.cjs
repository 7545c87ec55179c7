// Starts the worker of the TypeScript SDK, in the version installed in the folder SDK, like its users do.
const { Anthropic } = require(process.env.SDK);

const { ENVIRONMENT_ID, ENVIRONMENT_KEY, WORKDIR } = process.env;
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
// Older versions download skills with the client's credential.
const client = new Anthropic({ authToken: ENVIRONMENT_KEY, apiKey: null });
const worker = client.beta.environments.work.worker({
  environmentId: ENVIRONMENT_ID,
  environmentKey: ENVIRONMENT_KEY,
  workdir: WORKDIR,
  maxIdleMs: 1000,
});
console.log('polling');
worker.run(stop.signal);
