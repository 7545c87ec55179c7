// The sessions that this process watches: a tool call finds its input here without asking the service, and of two
// watches over one session the older one ends at once.
import type { Lease } from '../../workflows/contract.ts';
import type { WorkLease } from '../work-queue/lease.ts';
import type { SessionView } from './session-view.ts';

export interface SessionWatch {
  /** Which of two watches is the newer one: epoch ms, given by the workflow. */
  since: number;
  workId: string;
  view: SessionView;
  lease: Pick<WorkLease, 'current'>;
  /** Ends the watch: a newer one has taken over. */
  supersede(): void;
}

export class SessionViews {
  readonly #watches = new Map<string, SessionWatch>();

  get(sessionId: string): SessionView | undefined {
    return this.#watches.get(sessionId)?.view;
  }

  /**
   * Ends the watch that runs here, unless it is a newer one.
   * @returns its lease on the same work item; null where it held none on that; `newer` where it goes on
   */
  takeOver(
    sessionId: string,
    { since, workId }: Pick<SessionWatch, 'since' | 'workId'>,
  ): Lease | null | 'newer' {
    const running = this.#watches.get(sessionId);
    if (!running) return null;
    if (running.since > since) return 'newer';
    this.#watches.delete(sessionId);
    running.supersede();
    return running.workId === workId ? running.lease.current : null;
  }

  set(sessionId: string, watch: SessionWatch): void {
    this.#watches.set(sessionId, watch);
  }

  /** Forgets the watch, unless a newer one has replaced it. */
  drop(sessionId: string, watch: SessionWatch): void {
    if (this.#watches.get(sessionId) === watch) this.#watches.delete(sessionId);
  }
}
