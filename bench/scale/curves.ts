// All measurements, by the name that starts them.
import { attended } from './attended.ts';
import { calls } from './calls.ts';
import type { Curve } from './curve.ts';
import { deliveries } from './deliveries.ts';
import { history } from './history.ts';
import { idle } from './idle.ts';
import { longSession } from './long-session.ts';

export const CURVES: Record<string, Curve> = {
  deliveries,
  calls,
  attended,
  idle,
  history,
  'long-session': longSession,
};
