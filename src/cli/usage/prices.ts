// Prices of running sandboxes: always given by the caller, for E2B changes them.
import { type Command, InvalidArgumentError } from 'commander';
import type { RunningTime } from './running-time.ts';

/** In the currency of your contract, per second. */
export interface Prices {
  vcpu: number;
  gib: number;
}

export interface PriceOptions {
  vcpuPrice?: number;
  gibPrice?: number;
}

const MIB_PER_GIB = 1024;

/** Adds `--vcpu-price` and `--gib-price`. */
export function addPriceOptions(command: Command): Command {
  return command
    .option('--vcpu-price <price>', 'price of one vCPU for one second, for the cost of sandboxes', parsePrice)
    .option('--gib-price <price>', 'price of one GiB of memory for one second', parsePrice);
}

/** @returns undefined unless both prices are given */
export function pricesOf({ vcpuPrice, gibPrice }: PriceOptions): Prices | undefined {
  return vcpuPrice === undefined || gibPrice === undefined ? undefined : { vcpu: vcpuPrice, gib: gibPrice };
}

/** @returns null without prices, and where the size of the sandbox is not known */
export function costOf({ seconds, size }: RunningTime, prices: Prices | undefined): number | null {
  if (seconds === 0 && prices) return 0;
  if (!size || !prices) return null;
  return seconds * (size.vcpus * prices.vcpu + (size.memoryMib / MIB_PER_GIB) * prices.gib);
}

function parsePrice(text: string): number {
  const price = Number(text);
  if (text.trim() === '' || !Number.isFinite(price) || price < 0)
    throw new InvalidArgumentError('Give a price like 0.000014.');
  return price;
}
