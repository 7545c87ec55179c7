// The workflows of a worker's bundle.
import { environmentWorkflow } from './environment/workflow.ts';
import type { Workflows } from './messages.ts';
import { sandboxSlotsWorkflow } from './sandbox-slots/workflow.ts';
import { sessionWorkflow } from './session/workflow.ts';
import { sandboxWorkflow } from './shared-sandbox/workflow.ts';

const workflows: Workflows = { sessionWorkflow, environmentWorkflow, sandboxSlotsWorkflow, sandboxWorkflow };
void workflows;

export { environmentWorkflow, sandboxSlotsWorkflow, sandboxWorkflow, sessionWorkflow };
