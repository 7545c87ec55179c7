// Runs the scenarios with every other value of each switch of the simulator, as the real service might behave.
import { SCENARIOS } from '../../demo/scenarios.ts';
import { describeScenarios } from './describe-scenarios.ts';
import { failedHeartbeats, lapsedLease, lostAcknowledgement } from './hand-over.ts';

const [firstAndFollowUp, killedWorker, , , interrupted] = SCENARIOS;
if (!firstAndFollowUp || !killedWorker || !interrupted) throw new Error('the demo lacks a story');

describeScenarios(
  'with no idle events within a turn, new ids for items offered again, 409 for a second acknowledgement',
  ['tool-rounds=running', 'reoffer-id=new', 'ack-twice=409', 'starting-reoffer=ttl'],
  [firstAndFollowUp, interrupted],
  [killedWorker, lostAcknowledgement, lapsedLease, failedHeartbeats(true)],
);

describeScenarios(
  'with 404 for a second acknowledgement, and a new offer after 30 seconds',
  ['ack-twice=404', 'starting-reoffer=30s'],
  [firstAndFollowUp],
  [lostAcknowledgement, failedHeartbeats(true, 30_000)],
);
