// Preloaded into a process of Node: the wall clock is ahead of the machine's by the milliseconds in a file; timers and the
// monotonic clock are not. So it is in a machine that was paused and resumed.
import { readFileSync } from 'node:fs';

const FILE = 'OFFSET_FILE';
const READ_EVERY_MS = 50;
const Real = Date;
const realNow = Real.now;
let offset = 0;
let readAt = Number.NEGATIVE_INFINITY;

function now() {
  const real = realNow.call(Real);
  if (real - readAt > READ_EVERY_MS) {
    readAt = real;
    try {
      offset = Number(readFileSync(FILE, 'utf8'));
    } catch {
      // It is being written.
    }
  }
  return real + offset;
}

Real.now = now;
globalThis.Date = new Proxy(Real, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  apply: () => new Real(now()).toString(),
});
Real.prototype.constructor = globalThis.Date;
