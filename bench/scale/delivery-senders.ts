// The two that are measured side by side: signed webhooks to the router's server, and signals by Temporal's client alone.
import type { World } from '../../harness/world.ts';
import { signedDelivery } from '../deliver.ts';
import { HttpSender, requestOf } from './http-sender.ts';

/** Makes what is sent before the clock starts. @returns sends the message about the session with this index */
export type Prepare = (sessionIds: readonly string[]) => (index: number) => Promise<unknown>;

export class Deliveries {
  readonly #world: World;
  readonly #http: HttpSender;

  constructor(world: World) {
    this.#world = world;
    this.#http = new HttpSender(world.webhookUrl);
  }

  prepare: Prepare = (sessionIds) => {
    const url = `${this.#world.webhookUrl}/webhook`;
    const requests = sessionIds.map((id, index) =>
      requestOf(url, signedDelivery(this.#world, id, `whe_${id}_${index}`)),
    );
    return (index) => this.#http.send(requests[index] as Buffer);
  };

  close(): void {
    this.#http.close();
  }
}

/** Signals to workflows of the same number, which no worker runs either. */
export function bareSignals({ temporal, names }: World): Prepare {
  return (sessionIds) => (index) =>
    temporal.client.workflow.signalWithStart('bare', {
      workflowId: `bare-${sessionIds[index]}`,
      taskQueue: `${names.taskQueue}-bare`,
      signal: 'hint',
      signalArgs: [{ eventId: `whe_${sessionIds[index]}_${index}`, type: 'session.status_run_started' }],
    });
}
