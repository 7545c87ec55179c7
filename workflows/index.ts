// The workflows of a worker's bundle.
export { environmentWorkflow } from './environment.ts';
export { sandboxSlotsWorkflow } from './sandbox-slots.ts';
export { sessionWorkflow } from './session.ts';
export { sandboxWorkflow } from './shared-sandbox.ts';
