/** Uploads: `multipart/form-data` bodies, as the SDKs send files. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ApiError, badRequest } from './errors.ts';

export interface UploadedFile {
  field: string;
  /** As the client gave it, with its folders. */
  name: string;
  bytes: Uint8Array;
}

/** What the parser makes of a body. */
export class Upload {
  readonly files: UploadedFile[] = [];
  readonly fields = new Map<string, string>();
}

/** Reads such bodies from now on; the app's limit on bodies holds for them, too. */
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

/** The body of a request that must be an upload. Throws 400. */
export function uploadOf(body: unknown): Upload {
  if (body instanceof Upload) return body;
  throw badRequest('body: must be multipart/form-data');
}
