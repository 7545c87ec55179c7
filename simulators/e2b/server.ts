/**
 * A local E2B simulator: one origin serves the control plane (`E2B_API_URL`) and all sandboxes (`E2B_SANDBOX_URL`).
 * Its sandboxes are real, isolated Linux environments.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import Fastify, { type FastifyRequest } from 'fastify';
import { registerAdmin } from '../common/admin.ts';
import { Clock, type ClockState } from '../common/clock.ts';
import { Faults } from '../common/faults.ts';
import { Store } from '../common/store.ts';
import { Switches } from '../common/switches.ts';
import { addBuildRoutes } from './build-routes.ts';
import { Builds } from './builds.ts';
import { Catalogue, type TemplateRecord } from './catalogue.ts';
import { addControlRoutes } from './control-routes.ts';
import { DataPlane } from './data-plane.ts';
import { addEventRoutes } from './event-routes.ts';
import { addCommonHooks, createFrontServer } from './front-server.ts';
import { HostPortRelay } from './host-ports.ts';
import { ensureAgentBundle, PACKAGE_ROOT } from './isolation/agent-bundle.ts';
import { ensureBaseTree } from './isolation/base-tree.ts';
import { detectCgroups } from './isolation/cgroups.ts';
import { assertSupportedHost } from './isolation/explain.ts';
import { missingTools } from './isolation/host-tools.ts';
import { ensureNodeRuntime } from './isolation/node-runtime.ts';
import { removeTree } from './isolation/owner.ts';
import { type LifecycleEvent, LifecycleEvents } from './lifecycle-events.ts';
import { SandboxLogs } from './logs.ts';
import { Machines } from './machines.ts';
import { addObservationRoutes } from './observation-routes.ts';
import type { SandboxRecord } from './record.ts';
import { Sandboxes } from './sandboxes.ts';
import { addSnapshotRoutes } from './snapshot-routes.ts';
import { type SnapshotRecord, Snapshots } from './snapshots.ts';
import { SWITCHES, type SwitchName } from './switches.ts';
import { domainFor } from './target.ts';
import type { BuildRecord } from './template-build.ts';
import { addTemplateRoutes } from './template-routes.ts';
import { loadTemplates } from './templates.ts';
import { Uploads } from './uploads.ts';
import { sandboxView } from './views.ts';

export interface E2BOptions {
  /** Port on 127.0.0.1; 0 or absent: any free port. */
  port?: number;
  /** Folder for state and sandboxes, on a file system that supports overlays (ext4, xfs, tmpfs). */
  stateDir: string;
  /** Paths of template manifests. */
  templates?: string[];
  /** Loopback ports of the host that sandboxes can reach at the same address. */
  hostPorts?: number[];
  adminToken?: string;
  switches?: Partial<Record<SwitchName, string>>;
  /** Folder for files that all simulators share; the package's `.cache` if absent. */
  cacheDir?: string;
  log?: (message: string) => void;
}

export interface RunningE2B {
  url: string;
  apiKey: string;
  adminToken: string;
  /** Kills all sandboxes and removes their files; with `keep`, leaves them for the next start with the same folder. */
  close(options?: { keep?: boolean }): Promise<void>;
}

interface Identity {
  apiKey: string;
  adminToken: string;
}

/** Starts the simulator and takes over the sandboxes of an earlier one. Throws an IsolationError on unsuitable hosts. */
export async function startE2B(options: E2BOptions): Promise<RunningE2B> {
  assertSupportedHost();
  const missing = missingTools();
  if (missing.length > 0)
    options.log?.(
      `sandboxes will be without ${missing.join(', ')}, which this host lacks: install it here, or bring it by a template`,
    );
  const stateDir = resolve(options.stateDir);
  const cacheDir = options.cacheDir ?? join(PACKAGE_ROOT, '.cache');
  const folder = join(stateDir, 'sandboxes');
  const removedFolder = join(stateDir, 'removed');
  const templateFolder = join(stateDir, 'templates');
  await mkdir(folder, { recursive: true, mode: 0o711 });
  const [node, base, agent, declared] = await Promise.all([
    ensureNodeRuntime(cacheDir),
    ensureBaseTree(cacheDir),
    ensureAgentBundle(cacheDir),
    loadTemplates(options.templates ?? [], templateFolder),
  ]);
  const store = await Store.open(join(stateDir, 'e2b.jsonl'));
  const identity = readIdentity(store, options.adminToken);
  const clocks = store.table<ClockState>('clock');
  const clock = new Clock(clocks.get('clock'));
  const switches = new Switches<SwitchName>(SWITCHES);
  switches.patch(options.switches ?? {});
  const faults = new Faults();
  // Like E2B's, sandboxes reach the service that has made them. Adopted sandboxes need its port before it listens.
  const hostPorts = new HostPortRelay(options.hostPorts ?? []);
  if (options.port) hostPorts.add(options.port);
  const templates = new Catalogue({
    table: store.table<TemplateRecord>('templates'),
    save: () => store.save(),
    now: () => clock.now(),
  });
  await templates.declare(declared);
  const machines = new Machines(detectCgroups(), { node, base, agent }, templates, hostPorts);
  const table = store.table<SandboxRecord>('sandboxes');
  const events = new LifecycleEvents({
    table: store.table<LifecycleEvent>('events'),
    clock,
    templateId: ({ buildId, template }) => templates.build(buildId)?.id ?? template,
  });
  const sandboxes = new Sandboxes({
    table,
    save: () => store.save(),
    clock,
    switches,
    machines,
    events,
    folder,
    mayLoseState: () => faults.list().some(({ kind }) => kind === 'lose-state' || kind === 'old-files'),
    removedFolder,
    cutConnections: (id) => dataPlane.cutConnections(id),
    log: options.log ?? (() => undefined),
  });
  const snapshots = new Snapshots({
    table: store.table<SnapshotRecord>('snapshots'),
    save: () => store.save(),
    folder: join(stateDir, 'snapshots'),
    now: () => clock.now(),
    copy: (id, to) => sandboxes.snapshot(id, to),
  });
  const buildFolder = join(stateDir, 'builds');
  const uploadFolder = join(stateDir, 'uploads');
  const uploads = new Uploads(uploadFolder, clock);
  const builds = new Builds({
    table: store.table<BuildRecord>('builds'),
    save: () => store.save(),
    catalogue: templates,
    folder: buildFolder,
    uploads,
    create: (wanted, disk) => sandboxes.create(wanted, disk),
    copy: (id, to) => sandboxes.snapshot(id, to),
    kill: (id) => sandboxes.kill(id),
    mayReplaceImages: () => switches.get('template-images') === 'base',
    maySkipPackages: () => switches.get('template-packages') === 'skip',
    connection: () => ({ apiKey: identity.apiKey, apiUrl: url, sandboxUrl: url }),
  });
  const logs = new SandboxLogs();
  const dataPlane = new DataPlane(
    faults,
    (id) => table.get(id),
    (id) => sandboxes.forTraffic(id),
    logs,
  );

  const app = Fastify({
    serverFactory: (handler) => createFrontServer(handler, dataPlane, () => table.values()),
    forceCloseConnections: true,
  });
  let url = '';
  addCommonHooks(app, identity.apiKey, faults);
  addObservationRoutes(app, { logs, get: (id) => sandboxes.get(id), find: (id) => table.get(id) });
  addEventRoutes(app, events);
  addTemplateRoutes(app, templates, templateFolder);
  const domain = ({ raw }: FastifyRequest) =>
    domainFor(raw, new URL(url).host.replace('127.0.0.1', 'localhost'));
  addSnapshotRoutes(app, {
    sandboxes,
    snapshots,
    removeTemplate: async (reference) => {
      const template = templates.find(reference);
      const wasBuilt = await builds.cancelAll(
        template?.id ?? reference,
        'the template was deleted before it was built',
      );
      if (!template && wasBuilt) return;
      if (template) await builds.releaseFiles(template.id);
      for (const { disk } of await templates.remove(reference)) if (disk) await removeTree(disk);
    },
    view: (record, request) => sandboxView(record, templates.build(record.buildId), domain(request)),
  });
  addBuildRoutes(app, builds, uploads, () => url);
  addControlRoutes(app, {
    sandboxes,
    snapshots,
    templates,
    domain,
    pageSize: () => switches.number('list-page-size'),
  });
  await registerAdmin(app, {
    adminToken: identity.adminToken,
    faults,
    clock,
    switches,
    state: () => store.dump(),
    changed: async () => {
      clocks.put('clock', clock.state());
      await store.save();
    },
    routes: (scope) => {
      scope.post<{ Params: { id: string } }>('/sandboxes/:id/vanish', async (request) => {
        await sandboxes.kill(request.params.id);
        return { vanished: true };
      });
      scope.post<{ Params: { id: string } }>('/sandboxes/:id/cut', async (request) => {
        dataPlane.cutConnections(sandboxes.get(request.params.id).id);
        return { cut: true };
      });
      scope.post<{ Params: { id: string } }>('/sandboxes/:id/restart', async (request) => {
        await sandboxes.restart(request.params.id);
        return { restarted: true };
      });
    },
  });
  await sandboxes.adopt();
  await snapshots.adopt();
  await builds.adopt();
  url = await app.listen({ host: '127.0.0.1', port: options.port ?? 0 });
  hostPorts.add(Number(new URL(url).port));

  return {
    url,
    ...identity,
    close: async ({ keep = false } = {}) => {
      await builds.close();
      await app.close();
      await sandboxes.close(keep);
      if (!keep) {
        await snapshots.removeAll();
        templates.clear();
      }
      await hostPorts.closeAll();
      clock.close();
      clocks.put('clock', clock.state());
      await store.close();
      if (!keep)
        for (const dir of [folder, removedFolder, templateFolder, buildFolder, uploadFolder])
          await removeTree(dir);
    },
  };
}

function readIdentity(store: Store, adminToken: string | undefined): Identity {
  const table = store.table<Identity>('identity');
  const known = table.get('identity');
  return table.put('identity', {
    apiKey: known?.apiKey ?? `e2b_${randomBytes(20).toString('hex')}`,
    adminToken: adminToken ?? known?.adminToken ?? randomBytes(20).toString('hex'),
  });
}
