// `environments show`: the queue, its watch, the workers and the last reconcile; needs no running worker.
import type { Command } from 'commander';
import { loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import { type Output, oneLine } from '../output.ts';
import { attributeValue } from '../sessions/query.ts';
import { withTemporal } from '../temporal.ts';
import { relative } from '../times.ts';
import { needsAttention } from './needs-attention.ts';
import { type EnvironmentReport, reportOn, runningEnvironments } from './report.ts';

export function addShowCommand(environments: Command, context: CommandContext): void {
  environments
    .command('show')
    .description(
      'show queue, queue watch, workers and the last reconcile of an environment, and what needs a person; needs no running worker',
    )
    .argument('[id]', 'id of the environment (default: all that are configured or run)', attributeValue)
    .action((id: string | undefined) =>
      withTemporal(context, async (temporal) => {
        const { environments: configured, baseUrl } = loadCommandSettings(context.environment());
        const known = id
          ? [id]
          : [...configured.flatMap((each) => each.id ?? []), ...(await runningEnvironments(temporal))];
        const reports: EnvironmentReport[] = [];
        for (const each of new Set(known)) {
          const { key } = configured.find((one) => one.id === each) ?? {};
          const report = await reportOn(temporal, { id: each, key, baseUrl });
          if (report) reports.push(report);
          else
            throw new CommandError(
              `The deployment ${temporal.names.deployment} has not served environment ${each} yet: check the id, ROUTER_DEPLOYMENT ` +
                'and TEMPORAL_NAMESPACE, or start a worker with that environment in its configuration',
              EXIT.notFound,
            );
        }
        const now = Date.now();
        const output = context.output();
        output.result(
          { environments: reports.map((each) => ({ ...each, needsAttention: needsAttention(each, now) })) },
          () =>
            reports.length > 0
              ? reports.map((each) => asText(output, each, now)).join('\n\n')
              : 'No environment is configured, and none is served: set ANTHROPIC_ENVIRONMENT_ID and start a worker.',
        );
      }),
    );
}

function asText(output: Output, report: EnvironmentReport, now: number): string {
  const { environmentId, workers, sessions } = report;
  const attention = needsAttention(report, now).map((line) => output.style('yellow', `  ! ${oneLine(line)}`));
  const line = (name: string, text: string) => `  ${name.padEnd(10)}${oneLine(text)}`;
  const seen = workers.lastSeenAt ? `, last seen ${relative(Date.parse(workers.lastSeenAt), now)}` : '';
  const attend = sessions.needAttention ? `, ${sessions.needAttention} need a person` : '';
  return [
    output.style('bold', environmentId),
    ...attention,
    line('queue', queueText(report, now)),
    line('watch', watchText(report, now)),
    line('workers', `${workers.polling === 0 ? 'none' : workers.polling} on Temporal${seen}`),
    ...reconcileLines(report, now).map((text, index) => line(index === 0 ? 'reconcile' : '', text)),
    line('sessions', `${sessions.running} running${attend}`),
  ].join('\n');
}

function queueText({ queue }: EnvironmentReport, now: number): string {
  if ('unknown' in queue) return `unknown: ${queue.unknown}`;
  const { depth, pending, oldestQueuedAt, workersPolling } = queue;
  const oldest = oldestQueuedAt ? `, the oldest from ${relative(Date.parse(oldestQueuedAt), now)}` : '';
  const polling = workersPolling === null ? '' : `; ${workersPolling} polling in the last 30 s`;
  return `${depth} waiting, ${pending} handed out${oldest}${polling}`;
}

function watchText({ watch }: EnvironmentReport, now: number): string {
  const { state, since, lastHeartbeatAt, failure } = watch;
  const from = since ? `, since ${relative(Date.parse(since), now)}` : '';
  const beat = lastHeartbeatAt ? `, last heartbeat ${relative(Date.parse(lastHeartbeatAt), now)}` : '';
  return `${state}${from}${beat}${failure ? `: ${failure}` : ''}`;
}

function reconcileLines({ lastReconcile }: EnvironmentReport, now: number): string[] {
  if (!lastReconcile) return ['none yet'];
  const { at, findings, failure } = lastReconcile;
  const when = relative(Date.parse(at), now);
  if (failure) return [`${when}, failed: ${failure}`];
  return findings.length > 0 ? [`${when}, repaired:`, ...findings] : [`${when}, all in order`];
}
