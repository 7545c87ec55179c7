// Checks of Temporal: server, namespace, retention, search attributes.
import { SEARCH_ATTRIBUTES } from '../../../workflows/messages.ts';
import { compareSearchAttributes, NAMED_SEARCH_ATTRIBUTES } from '../../clients/search-attributes.ts';
import { explainTemporalError, lazyTemporal } from '../../clients/temporal.ts';
import type { Inspection } from '../../config.ts';
import { duration } from '../times.ts';
import { type Check, CONNECT_LIMIT_MS, NotChecked, ok, once, problem, warning } from './check.ts';
import { type AskTemporal, workerChecks } from './workers.ts';

const AREA = 'Temporal';
/** Ended sessions can be looked at for as long as their history is kept. */
const SHORT_RETENTION_MS = 3 * 86_400_000;

export function temporalChecks({ usable }: Inspection): Check[] {
  if (!usable) return [];
  const { temporal: config, deployment, environments, anthropicUrl: baseUrl } = usable;
  const queues = environments.flatMap(({ id, key }) => (key === undefined ? [] : [{ id, key, baseUrl }]));
  const { namespace, connectionOptions } = config;
  const connected = once(async () => {
    const { connection } = lazyTemporal(config);
    const within = <T>(question: () => Promise<T>): Promise<T> =>
      connection.withDeadline(Date.now() + CONNECT_LIMIT_MS, question);
    const system = await within(() => connection.workflowService.getSystemInfo({}));
    return { connection, within, system };
  });
  const described = once(async () => {
    const { connection, within } = await connected();
    return within(() => connection.workflowService.describeNamespace({ namespace }));
  });
  const inNamespace: AskTemporal = async (question) => {
    await described().catch(() => {
      throw new NotChecked('the namespace cannot be used');
    });
    const { connection, within } = await connected();
    return within(() => question(connection));
  };

  const server: Check = {
    area: AREA,
    name: 'server',
    run: async () => {
      try {
        const { system } = await connected();
        return ok(`version ${system.serverVersion || 'unknown'} answers at ${connectionOptions.address}`);
      } catch (error) {
        return { verdict: 'problem', text: explainTemporalError(error, config) };
      }
    },
  };
  const exists: Check = {
    area: AREA,
    name: 'namespace',
    run: async () => {
      await connected().catch(() => {
        throw new NotChecked('Temporal does not answer');
      });
      try {
        const { config: settings } = await described();
        const ms = Number(settings?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1000;
        const kept = `${namespace} keeps the history of ended sessions for ${duration(ms)}`;
        if (ms >= SHORT_RETENTION_MS || ms === 0) return ok(ms === 0 ? namespace : kept);
        return warning(kept, `temporal operator namespace update --namespace ${namespace} --retention 168h`);
      } catch (error) {
        return problem(
          explainTemporalError(error, config),
          'set TEMPORAL_NAMESPACE, or create the namespace',
        );
      }
    },
  };
  const attributes: Check = {
    area: AREA,
    name: 'search attributes',
    run: async () => {
      const { missing, mistyped } = await inNamespace((connection) =>
        compareSearchAttributes(connection, namespace),
      );
      const namesOf = (attributes: typeof missing) => attributes.map(({ name }) => name).join(', ');
      if (mistyped.length > 0)
        return problem(
          `${namesOf(mistyped)} of another type: sessions cannot be found by any`,
          `remove them, or use a namespace that has ${NAMED_SEARCH_ATTRIBUTES.join(', ')}`,
        );
      if (missing.length === 0) return ok(`${SEARCH_ATTRIBUTES.length} are registered`);
      const flags = NAMED_SEARCH_ATTRIBUTES.map((each) => each.split('='))
        .filter(([name]) => missing.some((each) => each.name === name))
        .map(([name, type]) => `--name ${name} --type ${type}`);
      return warning(
        `${namesOf(missing)} missing: sessions cannot be found by them`,
        `temporal operator search-attribute create --namespace ${namespace} ${flags.join(' ')}`,
      );
    },
  };
  return [server, exists, attributes, ...workerChecks(inNamespace, namespace, deployment, queues)];
}
