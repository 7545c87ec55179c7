// The rules of docs/changing-workflows.md about patches, for the product's workflows and for those of the example.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, Worker, type WorkflowBundle } from '@temporalio/worker';
import { projectPath } from '../../src/paths.ts';
import type { Patch } from '../../workflows/patches.ts';
import type { SavedHistory } from '../histories/saved-history.ts';

export interface Rules {
  patches: Record<string, Patch>;
  /** Folder of the workflows; the registry in it is `patches.ts`. */
  folder: string;
  /** File that exports the workflows. */
  workflowsPath: string;
  /** By name; those of older versions are called `before-<patch>…`. */
  histories: Record<string, SavedHistory>;
}

/** What is against the rules, in sentences; empty where nothing is. */
export async function brokenRules({ patches, folder, workflowsPath, histories }: Rules): Promise<string[]> {
  const listed = Object.keys(patches);
  const broken: string[] = [];
  for (const [id, { why, since, mayGo }] of Object.entries(patches)) {
    if (!/^[a-z0-9]+(-[a-z0-9]+)+$/.test(id)) broken.push(`${id} is not in kebab-case`);
    if (!(why && mayGo && /^\d+\.\d+\.\d+$/.test(since)))
      broken.push(`${id} does not say why, since which version, and when it may go`);
  }

  const used = usedPatches(folder);
  for (const [id, file] of used.asked)
    if (!listed.includes(id)) broken.push(`${file} asks for ${id}, which is not listed`);
  for (const file of used.unlisted)
    broken.push(`${file} calls Temporal's own patched(): list the patch in patches.ts`);

  const asked = listed.filter((id) => used.asked.has(id));
  for (const id of listed.filter((one) => !used.asked.has(one)))
    broken.push(`no workflow asks for ${id}: delete it`);
  const current = Object.entries(histories).filter(
    ([name]) => !listed.some((id) => name.startsWith(`before-${id}`)),
  );
  for (const id of asked) {
    if (!current.some(([, history]) => markersOf(history).includes(id)))
      broken.push(`no history has the marker of ${id}: record one`);
  }
  if (asked.length === 0) return broken;

  const workflowBundle = await bundle(workflowsPath, { newestBranches: true });
  for (const [name, history] of current) {
    const replayed = await Worker.runReplayHistory({ workflowBundle }, history).catch(
      (error: Error) => error,
    );
    if (replayed) broken.push(`${name} replays a branch that new runs do not take: record it anew`);
  }
  return broken;
}

export async function bundle(
  workflowsPath: string,
  { newestBranches = false } = {},
): Promise<WorkflowBundle> {
  const replacement = projectPath('test/workflows/newest-branches.ts');
  return await bundleWorkflowCode({
    workflowsPath,
    logger: new DefaultLogger('WARN'),
    ...(newestBranches
      ? {
          webpackConfigHook: (config) => ({
            ...config,
            plugins: [...(config.plugins ?? []), inPlaceOfPatches(replacement)],
          }),
        }
      : {}),
  });
}

/** A plugin of webpack that resolves the product's `patches.ts` to another file. */
function inPlaceOfPatches(replacement: string) {
  const name = 'in-place-of-patches';
  return {
    // biome-ignore lint/suspicious/noExplicitAny: webpack is a dependency of Temporal's bundler, not of ours.
    apply: (compiler: any) => {
      // biome-ignore lint/suspicious/noExplicitAny: as above.
      compiler.hooks.normalModuleFactory.tap(name, (factory: any) => {
        // biome-ignore lint/suspicious/noExplicitAny: as above.
        factory.hooks.beforeResolve.tap(name, (data: any) => {
          if (join(data.context, data.request) === projectPath('workflows/patches.ts'))
            data.request = replacement;
        });
      });
    },
  };
}

/** Ids that the workflows of a folder ask for, with a file that does; files that go past the registry. */
function usedPatches(folder: string): { asked: Map<string, string>; unlisted: string[] } {
  const asked = new Map<string, string>();
  const unlisted: string[] = [];
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts') || name === 'patches.ts') continue;
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [, id] of text.matchAll(/\b(?:isPatched|retirePatch)\(\s*'([^']+)'/g))
      asked.set(id ?? '', name);
    if (/\b(?:patched|deprecatePatch)\b/.test(text)) unlisted.push(name);
  }
  return { asked, unlisted };
}

/** Ids of the patches whose markers a history has. */
export function markersOf({ events }: SavedHistory): string[] {
  return events.flatMap((event) => {
    const marker = event.markerRecordedEventAttributes as
      | { markerName: string; details: Record<string, { payloads: { data: string }[] }> }
      | undefined;
    if (marker?.markerName !== 'core_patch') return [];
    const data = Object.values(marker.details)[0]?.payloads[0]?.data ?? '';
    return [JSON.parse(Buffer.from(data, 'base64').toString('utf8')).id as string];
  });
}
