// Temporal's own count of what Temporal Cloud bills: the metric `action` of the server. Its documentation recommends it for
// estimates ("Estimate Actions for migration").

/** Actions by type, such as `grpc_RecordActivityTaskHeartbeat` or `command_ScheduleActivityTask`. */
export type Actions = Record<string, number>;

const SERIES = /^action\{([^}]*)\} ([0-9.e+]+)$/gm;

/** @param metricsUrl of the Temporal server */
export async function readActions(metricsUrl: string, namespace: string): Promise<Actions> {
  return parseActions(await (await fetch(metricsUrl)).text(), namespace);
}

/** @param text what the server's metrics address answers */
export function parseActions(text: string, namespace: string): Actions {
  const actions: Actions = {};
  for (const [, labels = '', count] of text.matchAll(SERIES)) {
    if (!labels.includes(`namespace="${namespace}"`)) continue;
    const type = /action_type="([^"]*)"/.exec(labels)?.[1] ?? 'unknown';
    actions[type] = (actions[type] ?? 0) + Number(count);
  }
  return actions;
}
