/** File uploads in `multipart/form-data` bodies. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError, badRequest } from './errors.ts';

export interface UploadedFile {
  field: string;
  /** As sent by the client, including folders. */
  name: string;
  bytes: Uint8Array;
}

/** A parsed upload. */
export class Upload {
  readonly files: UploadedFile[] = [];
  readonly fields = new Map<string, string>();
}

/** Adds the parser. The app's limit on the size of bodies applies. */
export function acceptUploads(app: FastifyInstance): void {
  app.addContentTypeParser(
    'multipart/form-data',
    { parseAs: 'buffer' },
    async (request: FastifyRequest, body: Buffer) => {
      const headers = { 'content-type': request.headers['content-type'] ?? '' };
      const form = await new Response(new Uint8Array(body), { headers }).formData().catch(() => {
        throw new ApiError(400, 'The request body is not valid multipart/form-data.');
      });
      const upload = new Upload();
      for (const [field, value] of form) {
        if (typeof value === 'string') upload.fields.set(field, value);
        else upload.files.push({ field, name: value.name, bytes: new Uint8Array(await value.arrayBuffer()) });
      }
      return upload;
    },
  );
}

/** Returns the body if it is an upload, else throws 400. */
export function uploadOf(body: unknown): Upload {
  if (body instanceof Upload) return body;
  throw badRequest('body: must be multipart/form-data');
}
