/** Runs the E2B simulator as a process, so that a test can kill it. The first argument contains the options as JSON. */
import { type E2BOptions, startE2B } from '../e2b/server.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as E2BOptions;
const { url, apiKey, adminToken } = await startE2B({ ...options, log: (line) => console.error(line) });
console.log(JSON.stringify({ url, apiKey, adminToken }));
