// The demo's stories, and those of a work item's hand-over, as the simulator behaves by default.
import { STORIES } from '../../demo/stories.ts';
import { failedHeartbeats, lapsedLease, lostAcknowledgement } from './hand-over.ts';
import { tellIn } from './tell.ts';

// The last two stories look at what all the others left.
const last = STORIES.slice(-2);
tellIn(
  'with default switches',
  [],
  [],
  [...STORIES.slice(0, -2), lostAcknowledgement, lapsedLease, failedHeartbeats(false), ...last],
);
