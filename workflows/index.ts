// The workflows of a worker's bundle.
export { environmentWorkflow } from './environment/workflow.ts';
export { sandboxSlotsWorkflow } from './sandbox-slots/workflow.ts';
export { sessionWorkflow } from './session/workflow.ts';
export { sandboxWorkflow } from './shared-sandbox/workflow.ts';
