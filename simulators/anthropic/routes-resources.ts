/** Routes of a session's resources. A memory store is named by its own id, and stays attached until the session ends. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { authorize } from './auth.ts';
import { badRequest, notFound } from './errors.ts';
import { type PageQuery, paginate } from './pagination.ts';
import type { AttachedStore } from './resource-records.ts';
import type { Service } from './service.ts';

interface OfSession {
  Params: { session_id: string };
}
interface OfResource {
  Params: { session_id: string; resource_id: string };
}

const DEFAULT_PAGE = 100;

export function resourceRoutes(app: FastifyInstance, { sessions }: Service): void {
  const base = '/v1/sessions/:session_id/resources';
  const itemPath = `${base}/:resource_id`;
  const resourcesOf = (request: FastifyRequest<OfSession>): AttachedStore[] => {
    const session = sessions.get(request.params.session_id);
    authorize(request.caller, session.environment_id, session.id);
    return session.resources;
  };
  const resourceOf = (request: FastifyRequest<OfResource>): AttachedStore => {
    const id = request.params.resource_id;
    const found = resourcesOf(request).find((resource) => resource.memory_store_id === id);
    if (!found) throw notFound('Resource', id);
    return found;
  };

  app.get<OfSession & { Querystring: PageQuery }>(
    base,
    { config: { fault: 'resources.list' } },
    async (request) => {
      const keyOf = ({ mount_path }: AttachedStore) => mount_path;
      const page = paginate(resourcesOf(request), keyOf, 'asc', request.query, DEFAULT_PAGE);
      return { data: page.data, next_page: page.next_page };
    },
  );

  app.get<OfResource>(itemPath, { config: { fault: 'resources.retrieve' } }, async (request) =>
    resourceOf(request),
  );

  app.post<OfSession>(base, { config: { fault: 'resources.add' } }, async (request) => {
    resourcesOf(request);
    throw badRequest('type: file is not supported in a self-hosted environment');
  });

  app.post<OfResource>(itemPath, { config: { fault: 'resources.update' } }, async (request) => {
    resourceOf(request);
    throw badRequest('Only a github_repository can be changed.');
  });

  app.delete<OfResource>(itemPath, { config: { fault: 'resources.delete' } }, async (request) => {
    resourceOf(request);
    throw badRequest('A memory store cannot be detached from a session.');
  });
}
