// The sessions that this process watches, so that a tool call finds its input without asking the service.
import type { SessionView } from './session-view.ts';

export class SessionViews {
  readonly #views = new Map<string, SessionView>();

  get(sessionId: string): SessionView | undefined {
    return this.#views.get(sessionId);
  }

  set(sessionId: string, view: SessionView): void {
    this.#views.set(sessionId, view);
  }

  /** Forgets the view, unless a newer watch has replaced it. */
  drop(sessionId: string, view: SessionView): void {
    if (this.#views.get(sessionId) === view) this.#views.delete(sessionId);
  }
}
