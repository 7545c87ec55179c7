// The types of a session's events that this build knows. Others are counted and passed over.
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';

/** Of the SDK's own union: the compiler says when one is missing. */
const KNOWN: Record<BetaManagedAgentsSessionEvent['type'], true> = {
  'agent.custom_tool_use': true,
  'agent.mcp_tool_result': true,
  'agent.mcp_tool_use': true,
  'agent.message': true,
  'agent.thinking': true,
  'agent.thread_context_compacted': true,
  'agent.thread_message_received': true,
  'agent.thread_message_sent': true,
  'agent.tool_result': true,
  'agent.tool_use': true,
  'session.deleted': true,
  'session.error': true,
  'session.status_idle': true,
  'session.status_rescheduled': true,
  'session.status_running': true,
  'session.status_terminated': true,
  'session.thread_created': true,
  'session.thread_status_idle': true,
  'session.thread_status_rescheduled': true,
  'session.thread_status_running': true,
  'session.thread_status_terminated': true,
  'session.updated': true,
  'session.usage': true,
  'span.model_request_end': true,
  'span.model_request_start': true,
  'span.outcome_evaluation_end': true,
  'span.outcome_evaluation_ongoing': true,
  'span.outcome_evaluation_start': true,
  'system.message': true,
  'user.custom_tool_result': true,
  'user.define_outcome': true,
  'user.interrupt': true,
  'user.message': true,
  'user.tool_confirmation': true,
  'user.tool_result': true,
  'workflow_run.created': true,
  'workflow_run.error': true,
  'workflow_run.phase_ended': true,
  'workflow_run.phase_started': true,
  'workflow_run.status_ended': true,
  'workflow_run.status_idle': true,
  'workflow_run.status_running': true,
};

export function isKnown(type: string): boolean {
  return Object.hasOwn(KNOWN, type);
}
