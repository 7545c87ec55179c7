// Ids that people give to commands.
import { InvalidArgumentError } from 'commander';

/** Ids of sessions: what a service makes, nothing that could mean something else in a path or a query. */
const ID = /^[A-Za-z0-9][\w-]{0,199}$/;

/** For commander: a session's id; the id of its workflow is understood, too. @throws InvalidArgumentError */
export function sessionIdOf(text: string): string {
  const id = text.replace(/^(?:[\w.-]+\.)?session-/, '');
  if (!ID.test(id)) throw new InvalidArgumentError('Give the id of a session, for example sesn_01….');
  return id;
}
