// Lists workflows page by page as Temporal's visibility knows them. Memos are not read: one that cannot be decrypted would
// end a list of the SDK.
import type { TemporalAccess } from './temporal.ts';

const PAGE = 200;

export interface ListedWorkflow {
  workflowId: string;
  /** The text of a search attribute, its words if it has several; null where there is none. */
  attribute(name: string): string | null;
}

/** @throws the gRPC error */
export async function* listWorkflows(
  { connection, namespace }: Pick<TemporalAccess, 'connection' | 'namespace'>,
  query: string,
): AsyncGenerator<ListedWorkflow> {
  let nextPageToken: Uint8Array | null | undefined;
  do {
    const request = { namespace, pageSize: PAGE, query, ...(nextPageToken ? { nextPageToken } : {}) };
    const page = await connection.workflowService.listWorkflowExecutions(request);
    for (const { execution, searchAttributes } of page.executions ?? [])
      yield {
        workflowId: execution?.workflowId ?? '',
        attribute: (name) => attributeText(searchAttributes?.indexedFields?.[name]?.data),
      };
    nextPageToken = page.nextPageToken;
  } while (nextPageToken?.length);
}

/** A search attribute is a JSON value, or a list of them. */
export function attributeText(data: Uint8Array | null | undefined): string | null {
  if (!data?.length) return null;
  const value: unknown = JSON.parse(Buffer.from(data).toString());
  return Array.isArray(value) ? value.join(', ') || null : String(value);
}
