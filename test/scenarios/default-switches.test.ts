// The demo's stories, and those of a work item's hand-over, as the simulator behaves by default.
import { SCENARIOS } from '../../demo/scenarios.ts';
import { describeScenarios } from './describe-scenarios.ts';
import { failedHeartbeats, lapsedLease, lostAcknowledgement } from './hand-over.ts';

// The last two stories look at what all the others left.
const last = SCENARIOS.slice(-2);
describeScenarios(
  'with default switches',
  [],
  [],
  [...SCENARIOS.slice(0, -2), lostAcknowledgement, lapsedLease, failedHeartbeats(false), ...last],
);
