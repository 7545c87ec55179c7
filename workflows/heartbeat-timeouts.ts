// How long a dead worker goes unnoticed at most, in milliseconds. Each heartbeat is a write of the Temporal server, and an
// action that Temporal Cloud bills, so what runs for hours says less often that it is alive.

export const HEARTBEAT_TIMEOUT_MS = {
  /** Of tool calls, and of all short activities, most of which end before their first heartbeat. */
  toolCall: 10_000,
  /**
   * Less than a lease of 60 s still holds when its worker dies. Where a call was begun anew, the watch is renewed at once.
   */
  sessionWatch: 30_000,
  /** Where a webhook is lost, work waits until a dead worker is noticed here, plus one poll. */
  queueWatch: 45_000,
};
