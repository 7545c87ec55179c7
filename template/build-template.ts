// Builds the template of the sandboxes on E2B.
import { existsSync } from 'node:fs';
import { type BuildInfo, type LogEntry, Template } from 'e2b';
import { projectPath } from '../src/paths.ts';
import { TOOLHOST_TAG } from '../toolhost/version.ts';
import { sandboxTemplate } from './template.ts';

/** Size of a sandbox. */
export const CPU_COUNT = 2;
export const MEMORY_MB = 2048;

export interface TemplateBuild {
  /** `name` or `name:tag`. */
  name: string;
  e2b: { apiKey: string; domain?: string | undefined; apiUrl?: string | undefined };
  cpuCount?: number;
  memoryMB?: number;
  /** Runs every step again. */
  skipCache?: boolean;
  onLog(entry: LogEntry): void;
}

/**
 * Builds and waits for the end. A build that was broken off is replaced by the next build of the same name.
 * @throws Error if the bundled toolhost is missing; E2B's errors
 */
export async function buildTemplate({
  name,
  e2b,
  cpuCount,
  memoryMB,
  skipCache,
  onLog,
}: TemplateBuild): Promise<BuildInfo> {
  const toolhostFile = projectPath('bundles/toolhost.mjs');
  if (!existsSync(toolhostFile)) throw new Error(`${toolhostFile} is missing; run: npm run build`);
  const connection = {
    apiKey: e2b.apiKey,
    ...(e2b.domain ? { domain: e2b.domain } : {}),
    ...(e2b.apiUrl ? { apiUrl: e2b.apiUrl } : {}),
  };
  const build = await Template.build(sandboxTemplate(toolhostFile), name, {
    ...connection,
    cpuCount: cpuCount ?? CPU_COUNT,
    memoryMB: memoryMB ?? MEMORY_MB,
    skipCache: skipCache ?? false,
    onBuildLogs: onLog,
  });
  await Template.assignTags(name, TOOLHOST_TAG, connection);
  return build;
}
