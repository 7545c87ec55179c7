/** A real OpenTelemetry Collector, built from the project's own modules, takes our spans. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { defineActivity } from '../../../activities/define-activity.ts';
import { recordWork } from '../../../activities/work-queue/work-span.ts';
import { freePort } from '../../../harness/free-port.ts';
import { createLogger } from '../../../src/log.ts';
import { startTraces } from '../../../src/traces/start-traces.ts';
import { SESSION_WORKFLOW } from '../../../workflows/messages.ts';
import { goProgram, type Running, run } from '../programs.ts';

let collector: Running;
let traces: ReturnType<typeof startTraces>;
beforeAll(async () => {
  const program = await goProgram('opentelemetry/collector');
  const address = `127.0.0.1:${await freePort()}`;
  // Configuration is YAML, and JSON is YAML.
  const config = JSON.stringify({
    receivers: { otlp: { protocols: { http: { endpoint: address } } } },
    exporters: { debug: { verbosity: 'detailed' } },
    service: {
      telemetry: { metrics: { level: 'none' } },
      pipelines: { traces: { receivers: ['otlp'], exporters: ['debug'] } },
    },
  });
  collector = run(program, ['--config', `yaml:${config}`], {});
  await collector.says('Everything is ready');
  const settings = { endpoint: `http://${address}`, headers: '', serviceName: 'router', sampleRatio: 1 };
  traces = startTraces(settings, createLogger('silent'));
});
afterAll(async () => {
  await traces?.stop();
  await collector?.end();
});

test('the Collector decodes work item and tool call, one below the other, with attributes and status', async () => {
  const ran = defineActivity(async (_args: object) => ({ outcome: 'done' }));
  const session = { workflowId: 'session-sesn_1', runId: 'run_1' };
  const call = { id: 'sevt_1', name: 'bash' };
  await new MockActivityEnvironment({
    activityType: 'runToolCall',
    workflowType: SESSION_WORKFLOW,
    workflowExecution: session,
  }).run(ran, {
    sessionId: 'sesn_1',
    environmentId: 'env_1',
    sandboxId: 'isandbox1',
    workId: 'work_1',
    call,
  });
  recordWork({ sessionId: 'sesn_1', environmentId: 'env_1', workId: 'work_1' });
  await collector.says('anthropic.environment.work.id: Str(work_1)');
  await traces.stop();
  await collector.says('Name           : anthropic.environment.work');
  const received = collector.output();
  const spans = received.split(/Span #\d+/).slice(1);
  const field = (span: string | undefined, name: string) =>
    new RegExp(`^\\s*${name}\\s*: ?(.*)$`, 'm').exec(span ?? '')?.[1];
  const toolCall = spans.find((span) => field(span, 'Name') === 'anthropic.tool_use bash');
  const work = spans.find((span) => field(span, 'Name') === 'anthropic.environment.work');
  expect(field(toolCall, 'Parent ID')).toBe(field(work, 'ID'));
  expect(field(toolCall, 'Trace ID')).toBe(field(work, 'Trace ID'));
  expect(field(toolCall, 'Status code')).toBe('Ok');
  for (const attribute of ['anthropic.session.id: Str(sesn_1)', 'gen_ai.tool.call.id: Str(sevt_1)'])
    expect(toolCall).toContain(attribute);
  expect(received).toContain('service.name: Str(router)');
});
