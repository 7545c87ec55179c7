// Records a session that people put right: paused beside a call, resumed, its sandbox replaced, interrupted, ended.
import { it } from 'vitest';
import { until } from '../../harness/until.ts';
import { call, type Session, startSessionWorld } from '../workflows/session-world.ts';
import { saveHistory } from './saved-history.ts';

const ask = (session: Session, name: string, more: object = {}) =>
  session.handle.executeUpdate<unknown, [object]>(name, { args: [{ by: 'anna@desk', ...more }] });

it('a session that is paused, resumed, given another sandbox, answered by hand, interrupted and ended', async ({
  onTestFinished,
}) => {
  const world = await startSessionWorld();
  onTestFinished(() => world.close());
  const session = world.session();
  await session.claimed('work_1');
  await session.untilCalled('prepareSandbox');
  await session.opened(call('sevt_1'));
  await until('the first call is done', async () => (await session.status()).callsDone === 1);
  await ask(session, 'pause');
  await session.opened(call('sevt_2'), call('sevt_3'));
  await until('the calls wait', async () => (await session.status()).openCalls.length === 2);
  await ask(session, 'answer', { callId: 'sevt_2', text: 'It is 42.' });
  await ask(session, 'replaceSandbox');
  await ask(session, 'resume');
  await until('all calls are done', async () => (await session.status()).callsDone === 3);
  await ask(session, 'interrupt');
  await session.idle();
  await session.untilPhase('idle');
  await ask(session, 'end');
  await saveHistory('updated-session', session.handle);
});
