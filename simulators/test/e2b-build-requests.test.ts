// Requests of template builds: malformed ones, several for one name, logs in parts.
import { Template } from 'e2b';
import { expect, test } from 'vitest';
import { ask, connection, ended, prepared, run, template } from './e2b-template-builds.ts';

test('bad requests are refused, and uploads have to be whole', async () => {
  expect((await ask('POST', '/v3/templates', { name: '../up' })).status).toBe(400);
  expect((await ask('POST', '/v3/templates', { name: 'base' })).status).toBe(403);
  const { body } = await ask('POST', '/v3/templates', { name: 'asked' });
  const at = `/templates/${body.templateID}`;
  expect((await ask('GET', `${at}/builds/none/status`)).status).toBe(404);
  expect((await ask('GET', '/templates/none/files/abc')).status).toBe(404);
  expect((await ask('GET', `${at}/files/${encodeURIComponent('../../x')}`)).status).toBe(400);
  const { body: link } = await ask('GET', `${at}/files/abc`);
  expect(link.present).toBe(false);
  expect((await fetch(`${link.url}x`, { method: 'PUT', body: 'x' })).status).toBe(404);
  expect((await fetch(link.url ?? '', { method: 'PUT', body: 'whole' })).status).toBe(200);
  expect((await ask('GET', `${at}/files/abc`)).body.present).toBe(true);
  const start = `/v2${at}/builds/${body.buildID}`;
  expect((await ask('POST', start, { steps: 'none' })).status).toBe(400);
  expect((await ask('POST', start, { steps: [{ type: 'VOLUME', args: ['/x'] }] })).status).toBe(202);
  expect((await ask('POST', start, {})).status).toBe(400);
  await expect
    .poll(async () => (await ask('GET', `${at}/builds/${body.buildID}/status`)).body)
    .toMatchObject({ status: 'error', reason: { step: '1', message: expect.stringContaining('VOLUME') } });
});

test('all requests for a new name share one template, and the last build of a tag wins', async () => {
  const requested = (name: string) => ask('POST', '/v3/templates', { name });
  const [first, second, other] = await Promise.all(['joint', 'joint', 'joint:other'].map(requested));
  const at = `/templates/${first?.body.templateID}`;
  for (const { body } of [second, other] as { body: Record<string, string> }[])
    expect(body.templateID).toBe(first?.body.templateID);
  const path = (one: typeof first) => `${at}/builds/${one?.body.buildID}`;
  const status = async (one: typeof first) => (await ask('GET', `${path(one)}/status`)).body;
  const start = (one: typeof first, command: string) =>
    ask('POST', `/v2${path(one)}`, { steps: [{ type: 'RUN', args: [command, 'root'] }] });
  expect(await status(first)).toMatchObject({
    status: 'error',
    reason: { message: 'The build was canceled because it was superseded by a newer one.' },
  });
  expect((await start(first, 'true')).status).toBe(400);
  expect((await start(second, 'sleep 60')).status).toBe(202);
  const third = await requested('joint');
  expect((await start(other, 'echo other > /opt/made')).status).toBe(202);
  expect(await status(second)).toMatchObject({ status: 'building' });
  expect((await start(third, 'echo third > /opt/made')).status).toBe(202);
  expect(await status(second)).toMatchObject({ status: 'error', reason: { message: 'build was cancelled' } });
  for (const one of [other, third])
    expect(await ended(`${path(one)}/status`)).toMatchObject({ status: 'ready' });
  expect([await run('joint', 'cat /opt/made'), await run('joint:other', 'cat /opt/made')]).toEqual([
    'third\n',
    'other\n',
  ]);
  expect((await ask('DELETE', '/templates/joint')).status).toBe(204);
  expect((await requested('joint')).body.templateID).not.toBe(first?.body.templateID);
});

test('a name whose builds failed can be deleted, once', async () => {
  const { at, start, status } = await prepared('hopeless');
  await ask('POST', start, { steps: [{ type: 'RUN', args: ['false'] }] });
  expect(await ended(status)).toMatchObject({ status: 'error' });
  expect((await prepared('hopeless')).at).toBe(at);
  expect((await ask('DELETE', '/templates/hopeless')).status).toBe(204);
  expect((await ask('DELETE', '/templates/hopeless')).status).toBe(404);
});

test('logs are returned in parts of a hundred, from an offset, with a minimum level', async () => {
  const logs: string[] = [];
  const made = template().fromBaseImage().runCmd('seq 250; echo bad >&2');
  const onBuildLogs = ({ message }: { message: string }) => logs.push(message);
  const { templateId, buildId } = await Template.build(made, 'talkative', { ...connection(), onBuildLogs });
  expect(logs.filter((line) => /^\d+$/.test(line)).map(Number)).toEqual(
    Array.from({ length: 250 }, (_, n) => n + 1),
  );
  // Earlier log lines are the SDK's own.
  const served = logs.slice(logs.findIndex((line) => line.startsWith('[1/1]')));
  const read = async (query: string) => {
    const { status, body } = await ask('GET', `/templates/${templateId}/builds/${buildId}/status?${query}`);
    return [
      status,
      (body as unknown as { logEntries?: { message: string }[] }).logEntries?.map(({ message }) => message),
    ];
  };
  expect(await read('')).toEqual([200, served.slice(0, 100)]);
  expect(await read('logsOffset=100&limit=3')).toEqual([200, served.slice(100, 103)]);
  expect(await read('logsOffset=900')).toEqual([200, []]);
  expect(await read('level=error')).toEqual([200, ['bad']]);
  for (const bad of ['logsOffset=-1', 'logsOffset=x', 'limit=101', 'level=loud'])
    expect((await read(bad))[0]).toBe(400);
});
