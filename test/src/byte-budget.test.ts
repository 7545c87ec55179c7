import { expect, it } from 'vitest';
import { BudgetShare, ByteBudget } from '../../src/clients/byte-budget.ts';

const never = new AbortController().signal;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('grants free bytes at once, and the rest in order of the requests', async () => {
  const budget = new ByteBudget(10);
  const first = await budget.take(8, never);
  const order: string[] = [];
  const large = budget.take(9, never).then((release) => {
    order.push('large');
    return release;
  });
  // This one would fit, but it was requested later.
  const small = budget.take(1, never).then(() => order.push('small'));
  await settled();
  expect(order).toEqual([]);
  first();
  const release = await large;
  await small;
  expect(order).toEqual(['large', 'small']);
  release();
  release();
  await budget.take(9, never);
});

it('grants the whole budget to a request that exceeds it', async () => {
  const budget = new ByteBudget(10);
  (await budget.take(1000, never))();
  await budget.take(10, never);
});

it('grants the next request when an earlier one is aborted', async () => {
  const budget = new ByteBudget(10);
  await budget.take(5, never);
  const impatient = new AbortController();
  const given = budget.take(10, impatient.signal);
  const small = budget.take(5, never);
  impatient.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  await small;
});

it('does not block two tasks that each hold a part and want more', async () => {
  const budget = new ByteBudget(10);
  const [one, two] = [new BudgetShare(budget), new BudgetShare(budget)];
  await one.take(6, never);
  await two.take(4, never);
  // Each wants the whole budget and gets it, one after the other.
  const done = [one, two].map(async (share) => {
    await share.take(10, never);
    share.release();
  });
  await Promise.all(done);
});
