// Runs the scenarios of the demo and of the hand-over of work items with the simulator's default behaviour.
import { SCENARIOS } from '../../demo/scenarios.ts';
import { describeScenarios } from './describe-scenarios.ts';
import { failedHeartbeats, lapsedLease, lostAcknowledgement } from './hand-over.ts';

// The last two scenarios inspect what all the others have left.
const last = SCENARIOS.slice(-2);
describeScenarios(
  'with default switches',
  [],
  [],
  [...SCENARIOS.slice(0, -2), lostAcknowledgement, lapsedLease, failedHeartbeats(false), ...last],
);
