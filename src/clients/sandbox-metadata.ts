/** Value of `managed_by` in the metadata of our sandboxes. */
export const MANAGED_BY = 'managed-agents-router';
