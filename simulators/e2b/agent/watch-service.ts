/** envd's watching of folders: events are streamed, or kept here until the client polls. */
import { randomBytes } from 'node:crypto';
import type { RpcMethods } from './connect-rpc.ts';
import { describe, type Entry } from './entries.ts';
import type { Fields } from './fields.ts';
import { folderOf } from './filesystem-service.ts';
import { RpcError } from './rpc-error.ts';
import type { Change, SystemHelper } from './system-helper.ts';
import type { User } from './users.ts';

interface FilesystemEvent extends Record<string, unknown> {
  name: string;
  type: string;
  entry?: Entry;
}

interface Watcher {
  events: FilesystemEvent[];
  stop(): void;
}

/** Maximum number of events kept for a polling client; older events are dropped. */
const MAX_KEPT_EVENTS = 100_000;

export function watchMethods(helper: SystemHelper): Omit<RpcMethods, 'input'> {
  const watchers = new Map<string, Watcher>();
  const find = (request: Fields) => {
    const id = request.text('watcherId') ?? '';
    const watcher = watchers.get(id);
    if (!watcher) throw new RpcError('not_found', `watcher with id ${id} not found`);
    return { id, watcher };
  };
  return {
    stream: {
      '/filesystem.Filesystem/WatchDir': async (request, { user, keepaliveSeconds }, stream) => {
        let open = true;
        const stop = await watch(helper, request, user, (event) => {
          if (open) stream.send({ filesystem: event });
        });
        const keepalive = setInterval(() => stream.send({ keepalive: {} }), keepaliveSeconds * 1000);
        stream.onClose(() => {
          open = false;
          clearInterval(keepalive);
          stop();
        });
        stream.send({ start: {} });
      },
    },
    unary: {
      '/filesystem.Filesystem/CreateWatcher': async (request, { user }) => {
        const events: FilesystemEvent[] = [];
        const stop = await watch(helper, request, user, (event) => {
          if (events.push(event) > MAX_KEPT_EVENTS) events.shift();
        });
        const watcherId = `w${randomBytes(8).toString('hex')}`;
        watchers.set(watcherId, { events, stop });
        return { watcherId };
      },
      '/filesystem.Filesystem/GetWatcherEvents': (request) => ({
        events: find(request).watcher.events.splice(0),
      }),
      '/filesystem.Filesystem/RemoveWatcher': (request) => {
        const { id, watcher } = find(request);
        watchers.delete(id);
        watcher.stop();
        return {};
      },
    },
  };
}

/** Delivers events in order, with the entry if the client has requested it and it still exists. */
async function watch(
  helper: SystemHelper,
  request: Fields,
  user: User,
  notify: (event: FilesystemEvent) => void,
): Promise<() => void> {
  const dir = await folderOf(request, user);
  const includeEntry = request.flag('includeEntry') ?? false;
  let delivered = Promise.resolve();
  const deliver = async (changes: Change[]) => {
    for (const [kind, name] of changes) {
      const entry = includeEntry
        ? await describe(`${dir}/${name}`, helper).catch(() => undefined)
        : undefined;
      notify({ name, type: `EVENT_TYPE_${kind}`, ...(entry ? { entry } : {}) });
    }
  };
  return helper.watch(dir, request.flag('recursive') ?? false, (changes) => {
    delivered = delivered.then(() => deliver(changes));
  });
}
