import { EventEmitter, once } from 'node:events';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { eventBody, newSigningKey, signed } from './signed-delivery.ts';
import { type TestApp, testApp } from './webhook-app.ts';

const RUN_STARTED = 'session.status_run_started';

let test: TestApp;
const use = (...args: Parameters<typeof testApp>): TestApp => {
  test = testApp(...args);
  return test;
};
afterEach(async () => {
  vi.useRealTimers();
  await test.app.close();
});

const event = (type: string, id = 'whe_1', subject = 'sesn_1') =>
  signed(test.key, eventBody(type, id, subject), { id });

describe('a verified delivery', () => {
  it('signals the workflow of the session whose run started, and is answered with an empty 204', async () => {
    const { deliver, signals } = use();
    expect(await deliver(event(RUN_STARTED))).toMatchObject({ status: 204, code: undefined });
    expect(signals).toEqual([['webhookReceived', 'sesn_1', { eventId: 'whe_1', type: RUN_STARTED }]]);
  });

  it.each(['session.status_idled', 'session.idled', 'session.requires_action', 'session.running'])(
    'of type %s looks again at a session that has a workflow',
    async (type) => {
      const { deliver, signals } = use();
      expect((await deliver(event(type))).status).toBe(204);
      expect(signals).toEqual([['webhookReceivedIfRunning', 'sesn_1', { eventId: 'whe_1', type }]]);
    },
  );

  it.each([
    ['session.status_terminated', 'terminated'],
    ['session.terminated', 'terminated'],
    ['session.archived', 'archived'],
    ['session.deleted', 'deleted'],
  ])('of type %s tells an existing workflow that its session is %s', async (type, change) => {
    const { deliver, signals } = use();
    expect((await deliver(event(type))).status).toBe(204);
    expect(signals).toEqual([['sessionChangedIfRunning', 'sesn_1', { eventId: 'whe_1', change }]]);
  });

  it.each(['session.created', 'environment.work_available', 'constructor', '__proto__'])(
    'of the unknown type %s is answered 204 and counted, and sends no signal',
    async (type) => {
      const { app, deliver, signals } = use();
      expect((await deliver(event(type))).status).toBe(204);
      expect(signals).toEqual([]);
      const { deliveries } = (await app.inject('/health')).json();
      expect(Object.entries(deliveries)).toEqual([['other', { ignored: 1 }]]);
    },
  );

  it.each([RUN_STARTED, 'session.status_idled'])(
    'of type %s sends no signal to a session that is watched',
    async (type) => {
      const signals: string[] = [];
      const signal = async (id: string) => signals.push(id) > 0;
      const { app, deliver } = use({
        sessions: {
          isWatched: async (id) => id === 'sesn_watched',
          webhookReceived: async (id) => void signals.push(id),
          webhookReceivedIfRunning: signal,
          sessionChangedIfRunning: signal,
        },
      });
      expect((await deliver(event(type, 'whe_1', 'sesn_watched'))).status).toBe(204);
      expect((await deliver(event(type, 'whe_2', 'sesn_asleep'))).status).toBe(204);
      expect(signals).toEqual(['sesn_asleep']);
      expect((await app.inject('/health')).json().deliveries).toEqual({
        [type]: { watched: 1, signalled: 1 },
      });
    },
  );

  it.each(['session.status_terminated', 'session.archived', 'session.deleted'])(
    'of type %s is signalled to a watched session, too',
    async (type) => {
      const ended: string[] = [];
      const { deliver } = use({
        sessions: {
          isWatched: async () => true,
          webhookReceived: async () => undefined,
          webhookReceivedIfRunning: async () => true,
          sessionChangedIfRunning: async (_id, { change }) => ended.push(change) > 0,
        },
      });
      await deliver(event(type));
      expect(ended).toHaveLength(1);
    },
  );

  it('is signalled each time it arrives: only the workflow recognises a repeated id', async () => {
    const { deliver, signals } = use();
    const delivery = event(RUN_STARTED);
    expect((await Promise.all([deliver(delivery), deliver(delivery)])).map(({ status }) => status)).toEqual([
      204, 204,
    ]);
    expect((await deliver(delivery)).status).toBe(204);
    expect(new Set(signals.map((signal) => JSON.stringify(signal))).size).toBe(1);
    expect(signals).toHaveLength(3);
  });

  it('is logged with event id, type and session id, without its body', async () => {
    const { deliver, lines } = use();
    await deliver(event(RUN_STARTED));
    expect(lines()).toMatchObject([
      {
        msg: 'delivery',
        eventId: 'whe_1',
        type: RUN_STARTED,
        sessionId: 'sesn_1',
        outcome: 'signalled',
        status: 204,
      },
    ]);
    expect(JSON.stringify(lines())).not.toContain('org_1');
  });

  it('may have a content type with parameters', async () => {
    const { deliver } = use();
    const headers = { 'content-type': 'application/json; charset=utf-8' };
    expect((await deliver(event(RUN_STARTED), headers)).status).toBe(204);
  });
});

describe('signatures', () => {
  it.each(['webhook-id', 'webhook-timestamp', 'webhook-signature'])('401 without %s', async (name) => {
    const { deliver, signals } = use();
    expect(await deliver(event(RUN_STARTED), { [name]: undefined })).toMatchObject({
      status: 401,
      code: 'bad_signature',
    });
    expect(signals).toEqual([]);
  });

  it('401 for another key, another body, another id', async () => {
    const { deliver, signals } = use();
    const delivery = event(RUN_STARTED);
    const refused = [
      await deliver(signed(newSigningKey(), eventBody(RUN_STARTED, 'whe_1'))),
      await deliver({ ...delivery, payload: Buffer.from(`${delivery.payload} `) }),
      await deliver(delivery, { 'webhook-id': 'whe_2' }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([401, 401, 401]);
    expect(signals).toEqual([]);
  });

  it('may be five minutes old or ahead of our clock, not more', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    const { deliver } = use();
    const statusAt = async (offset: number) =>
      (await deliver(signed(test.key, eventBody(RUN_STARTED, 'whe_1'), { at: 1_800_000_000 + offset })))
        .status;
    expect(await Promise.all([-301, -299, 299, 301].map(statusAt))).toEqual([401, 204, 204, 401]);
  });

  it('may be made with any valid key, and may be one of several in the header', async () => {
    const [old, fresh] = [newSigningKey(), newSigningKey()];
    let keys = [old];
    const { deliver } = use({ keys: { current: async () => keys } });
    const by = (key: string) => signed(key, eventBody(RUN_STARTED, 'whe_1'));
    expect((await deliver(by(fresh))).status).toBe(401);
    keys = [old, fresh];
    expect((await deliver(by(old))).status).toBe(204);
    expect((await deliver(by(fresh))).status).toBe(204);
    const both = `${signed(newSigningKey(), 'x').headers['webhook-signature']} ${by(fresh).headers['webhook-signature']}`;
    expect((await deliver(by(fresh), { 'webhook-signature': both })).status).toBe(204);
    keys = [fresh];
    expect((await deliver(by(old))).status).toBe(401);
  });

  it('cannot be checked without a key: 503 until there is a key', async () => {
    let keys: string[] = [];
    const { app, deliver, signals } = use({ keys: { current: async () => keys } });
    const refused = await deliver(event(RUN_STARTED));
    expect(refused).toMatchObject({ status: 503, code: 'no_signing_key', headers: { 'retry-after': '5' } });
    expect((await app.inject('/health')).json()).toMatchObject({ ok: true, signingKeySet: false });
    keys = [test.key];
    expect((await deliver(event(RUN_STARTED))).status).toBe(204);
    expect((await app.inject('/health')).json()).toMatchObject({ ok: true, signingKeySet: true });
    expect(signals).toHaveLength(1);
  });
});

describe('while Temporal cannot take the signal', () => {
  it('503 if Temporal refuses, so that the delivery is sent again', async () => {
    const { app, deliver, lines } = use({
      sessions: {
        isWatched: async () => false,
        webhookReceived: () => Promise.reject(new Error('14 UNAVAILABLE')),
        webhookReceivedIfRunning: async () => true,
        sessionChangedIfRunning: async () => true,
      },
    });
    const answer = await deliver(event(RUN_STARTED));
    expect(answer).toMatchObject({
      status: 503,
      code: 'temporal_unavailable',
      headers: { 'retry-after': '5' },
    });
    expect(lines()).toContainEqual(
      expect.objectContaining({ outcome: 'not_taken', status: 503, eventId: 'whe_1' }),
    );
    expect((await app.inject('/health')).json().deliveries).toEqual({ [RUN_STARTED]: { not_taken: 1 } });
  });

  it('503 if Temporal does not answer before the deadline', async () => {
    const never = new Promise<never>(() => undefined);
    const sessions = {
      isWatched: async () => false,
      webhookReceived: () => never,
      webhookReceivedIfRunning: () => never,
      sessionChangedIfRunning: () => never,
    };
    const { app, deliver } = use({ sessions, temporalReady: () => never, deadlineMs: 20 });
    expect(await deliver(event(RUN_STARTED))).toMatchObject({ status: 503, code: 'temporal_unavailable' });
    expect((await app.inject('/ready')).statusCode).toBe(503);
    expect((await app.inject('/health')).statusCode).toBe(200);
  });

  it('204 for an event that needs no signal', async () => {
    const never = new Promise<never>(() => undefined);
    const sessions = {
      isWatched: async () => false,
      webhookReceived: () => never,
      webhookReceivedIfRunning: () => never,
      sessionChangedIfRunning: () => never,
    };
    const { deliver } = use({ sessions, deadlineMs: 20 });
    expect((await deliver(event('session.created'))).status).toBe(204);
  });
});

describe('during shutdown', () => {
  it('new deliveries get 503, and a running delivery is finished', async () => {
    const taken: string[] = [];
    const temporal = new EventEmitter();
    const wake = async (id: string) => {
      temporal.emit('asked');
      await once(temporal, 'answers');
      taken.push(id);
    };
    const { app, deliver, shutdown } = use({
      sessions: {
        isWatched: async () => false,
        webhookReceived: wake,
        webhookReceivedIfRunning: async () => true,
        sessionChangedIfRunning: async () => true,
      },
    });
    const asked = once(temporal, 'asked');
    const underWay = deliver(event(RUN_STARTED));
    await asked;
    shutdown.abort();
    expect(await deliver(event(RUN_STARTED, 'whe_2'))).toMatchObject({ status: 503, code: 'shutting_down' });
    expect((await app.inject('/ready')).json().error.code).toBe('shutting_down');
    temporal.emit('answers');
    expect((await underWay).status).toBe(204);
    expect(taken).toEqual(['sesn_1']);
  });
});

describe('/health and /ready', () => {
  it('report that the server runs, its version, and its counters', async () => {
    const { app, deliver } = use();
    await deliver(event(RUN_STARTED));
    await deliver(event(RUN_STARTED), { 'webhook-signature': 'v1,x' });
    const answer = await app.inject('/health');
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toEqual({
      ok: true,
      version: VERSION,
      signingKeySet: true,
      deliveries: { [RUN_STARTED]: { signalled: 1 } },
      refused: { bad_signature: 1 },
    });
  });

  it('/ready asks Temporal each time', async () => {
    let ready: () => Promise<boolean> = async () => true;
    const { app } = use({ temporalReady: () => ready() });
    expect((await app.inject('/ready')).json()).toEqual({ ok: true });
    ready = () => Promise.reject(new Error('14 UNAVAILABLE'));
    const answer = await app.inject('/ready');
    expect(answer.statusCode).toBe(503);
    expect(answer.json().error.code).toBe('temporal_unavailable');
  });
});
