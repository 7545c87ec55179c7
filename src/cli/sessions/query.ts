// Which sessions `sessions list` asks visibility for. Pure.
import { InvalidArgumentError } from 'commander';
import {
  AgentIdAttribute,
  EnvironmentIdAttribute,
  SESSION_WORKFLOW,
  SessionAttentionAttribute,
  SessionPhaseAttribute,
} from '../../../workflows/messages.ts';

export interface SessionFilters {
  /** Also sessions whose workflows have ended. */
  all?: boolean;
  phase?: string;
  environment?: string;
  agent?: string;
  /** Sessions that need a person. */
  attention?: boolean;
  /** Milliseconds since their runs started. */
  olderThan?: number;
  newerThan?: number;
}

/** Values of search attributes: ids and phases. Nothing that could end the quotation. */
const VALUE = /^[\w.:@/ -]{1,200}$/;

/** For commander. @throws InvalidArgumentError if the text cannot be the value of a search attribute */
export function attributeValue(text: string): string {
  if (!VALUE.test(text))
    throw new InvalidArgumentError('It may contain letters, digits, spaces and ._:@/- only.');
  return text;
}

/** @param now epoch ms */
export function visibilityQuery(filters: SessionFilters, taskQueue: string, now: number): string {
  const { all, phase, environment, agent, attention, olderThan, newerThan } = filters;
  const startedAt = (age: number) => `'${new Date(now - age).toISOString()}'`;
  return [
    `WorkflowType = '${SESSION_WORKFLOW}'`,
    `TaskQueue = '${taskQueue}'`,
    ...(all ? [] : [`ExecutionStatus = 'Running'`]),
    ...(phase ? [`${SessionPhaseAttribute.name} = '${phase}'`] : []),
    ...(environment ? [`${EnvironmentIdAttribute.name} = '${environment}'`] : []),
    ...(agent ? [`${AgentIdAttribute.name} = '${agent}'`] : []),
    ...(attention ? [`${SessionAttentionAttribute.name} IS NOT NULL`] : []),
    ...(olderThan === undefined ? [] : [`StartTime < ${startedAt(olderThan)}`]),
    ...(newerThan === undefined ? [] : [`StartTime > ${startedAt(newerThan)}`]),
  ].join(' AND ');
}
