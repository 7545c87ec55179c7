import { expect, it } from 'vitest';
import { BudgetShare, ByteBudget } from '../../src/clients/byte-budget.ts';

const never = new AbortController().signal;
const settled = () => new Promise((resolve) => setImmediate(resolve));

it('hands out what is free, and the rest in order of asking', async () => {
  const budget = new ByteBudget(10);
  const first = await budget.take(8, never);
  const order: string[] = [];
  const large = budget.take(9, never).then((release) => {
    order.push('large');
    return release;
  });
  // It would fit, but it came later.
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

it('gives more than there is no more than all of it', async () => {
  const budget = new ByteBudget(10);
  (await budget.take(1000, never))();
  await budget.take(10, never);
});

it('lets those behind go on where one gives up', async () => {
  const budget = new ByteBudget(10);
  await budget.take(5, never);
  const impatient = new AbortController();
  const given = budget.take(10, impatient.signal);
  const small = budget.take(5, never);
  impatient.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  await small;
});

it('is never waited for by work that holds a part of it', async () => {
  const budget = new ByteBudget(10);
  const [one, two] = [new BudgetShare(budget), new BudgetShare(budget)];
  await one.take(6, never);
  await two.take(4, never);
  // Each wants all of it: both can have it, one after the other.
  const done = [one, two].map(async (share) => {
    await share.take(10, never);
    share.release();
  });
  await Promise.all(done);
});
