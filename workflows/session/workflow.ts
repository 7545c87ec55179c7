// A session of Claude Managed Agents, from its first webhook to its end: which sandbox it has, which work item it
// holds, which tool calls are open. Signals only record; the one loop below decides and acts.
import {
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import { type FailedStep, raiseFailure, settle } from '../attention.ts';
import { reasonOf } from '../failure-reason.ts';
import { type SessionStart, statusQuery } from '../messages.ts';
import { historyIsLong, renew, watchBuild } from '../renewal.ts';
import { cancel, claim, copyOutputs, look, post, run, stopWork, sync } from './actions.ts';
import { createAlarm } from './alarm.ts';
import { callHooks } from './hook.ts';
import { takeOver } from './input.ts';
import { hasMemoryToken } from './memory.ts';
import { type Action, nextStep, paceOf, RETENTION_OVER } from './next-step.ts';
import { copyBeforeReplace, interrupt, replaceSandbox } from './operator-actions.ts';
import { raiseWhenStuck, recordProgress } from './progress.ts';
import { letGo } from './rest.ts';
import { killSandboxes, pauseSandbox, prepare } from './sandbox-actions.ts';
import { receive } from './signals.ts';
import type { SessionState } from './state.ts';
import { publish, show, statusOf } from './status.ts';
import { receiveUpdates } from './updates.ts';
import { check, watch } from './watch.ts';

const actions = { look, claim, prepare, watch, check, sync, interrupt };
const callActions = { cancel, run, post };

/** @returns why the session ended */
export async function sessionWorkflow(input: SessionStart | SessionState): Promise<string> {
  const state = takeOver(input, Date.now());
  if (!state) throw ApplicationFailure.nonRetryable('the input is neither a session nor its state');
  const busy: Record<Action, boolean> = {
    look: false,
    claim: false,
    prepare: false,
    watch: false,
    check: false,
    sync: false,
    run: false,
    cancel: false,
    post: false,
    interrupt: false,
    copy: false,
  };
  const lifetime = { answering: 0, over: false };
  const scopes = new Map<Action, CancellationScope>();
  let news = false;

  const notify = () => {
    news = true;
  };
  const alarm = createAlarm(notify);
  const newerBuildIsCurrent = watchBuild(notify);
  receive(state, notify);
  receiveUpdates(state, busy, lifetime, notify);
  void CancellationScope.nonCancellable(() => raiseWhenStuck(state, notify));
  void CancellationScope.nonCancellable(() => callHooks(state, notify));
  setHandler(statusQuery, () => statusOf(state, busy));

  const launch = (duty: Action, work: () => Promise<unknown>, about?: string): void => {
    const scope = new CancellationScope({ cancellable: true });
    scopes.set(duty, scope);
    busy[duty] = true;
    scope
      .run(work)
      .then(() => {
        if (duty !== 'copy') settle(state, duty);
      })
      .catch((error) => {
        // What cannot be copied is the answer to the person who asked.
        if (!isCancellation(error) && duty !== 'copy')
          raiseFailure(state, duty, reasonOf(error), Date.now(), about);
      })
      .finally(() => {
        busy[duty] = false;
        scopes.delete(duty);
        news = true;
      });
  };
  /** Ends work under way. A watch is not waited for: it goes on for seconds, until it notices or the next one begins. */
  const recall = async (...wanted: Action[]): Promise<void> => {
    for (const duty of wanted) scopes.get(duty)?.cancel();
    await condition(() => wanted.every((duty) => !busy[duty]));
  };
  /** Whether a message has arrived that needs the sandbox or the work item. */
  const wanted = (): boolean =>
    state.claimDue || state.woken === true || state.turn.state !== 'idle' || state.calls.length > 0;

  const rest = async (): Promise<void> => {
    state.expecting = false;
    delete state.woken;
    await recall('watch', 'check');
    if (wanted()) {
      // The next watch gets the time to see the event behind the webhook.
      if (state.woken) state.turn.since = Date.now();
      return;
    }
    let live = false;
    try {
      live = await letGo(state);
    } finally {
      if (!wanted()) await pauseSandbox(state);
      state.claimDue ||= live;
    }
  };

  /** Saves what the calls of a turn that was cut short have written to memory. */
  const lastSync = async (): Promise<void> => {
    if (!state.memory?.used || !hasMemoryToken(state) || !state.sandbox.ready) return;
    state.memory.due = 'last';
    await sync(state);
  };

  /** Whether a session that was given up as unused has work again. */
  const cameBack = (): boolean => state.end === RETENTION_OVER && (state.work !== null || state.claimDue);

  /** A failure that no retry can mend is shown, and the session goes on. */
  const attempt = async (what: FailedStep, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
      settle(state, what);
    } catch (error) {
      if (isCancellation(error)) throw error;
      const about = what === 'stop' ? state.work?.id : state.sandbox.id;
      raiseFailure(state, what, reasonOf(error), Date.now(), about);
    }
  };

  const close = async (sandbox: 'kill' | 'pause'): Promise<void> => {
    await recall(
      'watch',
      'check',
      'claim',
      'look',
      'prepare',
      'sync',
      'run',
      'cancel',
      'post',
      'interrupt',
      'copy',
    );
    await lastSync();
    // A work item that cannot be stopped lapses with its lease; the sandbox is paused or killed all the same.
    await attempt('stop', () => stopWork(state));
    if (sandbox === 'pause') await attempt('pause', () => pauseSandbox(state));
    else if (state.ours) {
      // Copying takes time, and a session that was only unused may come back meanwhile.
      if ((await copyOutputs(state)) && cameBack()) return;
      // The reconcile kills a sandbox that cannot be killed now.
      await attempt('kill', () => killSandboxes(state));
    }
    // A work item that was claimed meanwhile would otherwise stay until a reconcile.
    while (state.work && !cameBack()) await attempt('stop', () => stopWork(state));
  };

  try {
    for (;;) {
      news = false;
      recordProgress(state, Date.now());
      publish(state, busy);
      const due = newerBuildIsCurrent(state.turn.state === 'running') || historyIsLong(state.work !== null);
      const renewable = lifetime.answering === 0 && due;
      const step = nextStep(state, busy, Date.now(), renewable);
      // A check has its own pace, for days.
      if (!['wait', 'renew', 'check'].includes(step.do)) paceOf(state).record(step.do, Date.now());
      switch (step.do) {
        case 'look':
        case 'claim':
        case 'prepare':
        case 'watch':
        case 'check':
        case 'sync':
        case 'interrupt':
          launch(step.do, () => actions[step.do](state));
          break;
        case 'copy':
          launch('copy', () => copyBeforeReplace(state));
          break;
        case 'cancel':
        case 'run':
        case 'post':
          launch(step.do, () => callActions[step.do](state, step.call), `${step.call.name} ${step.call.id}`);
          break;
        case 'rest':
          await attempt('rest', rest);
          break;
        case 'pause':
          // The turn may end while the sandbox is paused, and then nothing resumes it to save memory.
          await lastSync();
          await attempt('pause', () => pauseSandbox(state));
          break;
        case 'replace':
          await recall('prepare', 'sync', 'copy');
          // What a call writes meanwhile is not saved, and what a broken sandbox does not give is not waited for.
          if (!state.wishes?.replace?.force) await lastSync();
          await attempt('kill', () => replaceSandbox(state, () => recall('run', 'cancel')));
          break;
        case 'post again':
          delete state.wishes?.repost;
          delete state.steps?.post;
          await recall('post');
          break;
        case 'watch again':
          await recall('watch');
          break;
        case 'renew':
          await recall('watch', 'check');
          if (lifetime.answering > 0) break;
          await condition(allHandlersFinished);
          await renew<typeof sessionWorkflow>(state);
          break;
        case 'end':
          state.end = step.reason;
          publish(state, busy);
          await attempt('end', () => close('kill'));
          if (!cameBack()) {
            lifetime.over = true;
            show(state, busy);
            await condition(allHandlersFinished);
            return step.reason;
          }
          state.end = null;
          break;
        case 'wait':
          if (step.until !== null) alarm.set(step.until, step.why);
          await condition(() => news);
      }
    }
  } catch (error) {
    if (!isCancellation(error)) throw error;
    // Cancelled by a person: the files stay, and the next webhook finds the sandbox again.
    await CancellationScope.nonCancellable(() => close('pause'));
    throw error;
  }
}
