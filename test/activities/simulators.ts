// Both simulators, for the tests of one file: its hooks start and end with those.
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type Fixture, startFixture } from '../../simulators/test/managed-agents.ts';

export { e2b } from './e2b.ts';

export let anthropic: Fixture;
beforeAll(async () => {
  anthropic = await startFixture();
});
afterAll(() => anthropic?.close());
afterEach(() => anthropic.admin('DELETE', '/faults'));
