// Times as people write and read them.
import { InvalidArgumentError } from 'commander';

const UNITS = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
type Unit = keyof typeof UNITS;
/** Ten years: times before the year 0 are none that Temporal could read. */
const MOST_MS = 3_650 * UNITS.d;

/**
 * For commander: an age such as `90s`, `15m`, `2h` or `3d`.
 * @returns milliseconds
 * @throws InvalidArgumentError
 */
export function parseAge(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const age = Number(count) * UNITS[unit as Unit];
  if (!count || age > MOST_MS)
    throw new InvalidArgumentError('Write an age like 90s, 15m, 2h or 3d, at most 3650d.');
  return age;
}

/** `4 min`: the largest unit that fits. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.round(minutes / 60);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`;
}

/** `4 min ago`, or `in 4 min`. */
export function relative(time: Date | number, now: number = Date.now()): string {
  const ms = now - Number(time);
  if (Math.abs(ms) < 1_000) return 'just now';
  return ms < 0 ? `in ${duration(-ms)}` : `${duration(ms)} ago`;
}
