// Builds the template of the router's own sandbox on E2B. Sandboxes of tools have another one: build-template.ts.
import { basename, dirname } from 'node:path';
import { type LogEntry, Template, type TemplateClass } from 'e2b';

/** The router as it goes into a sandbox. */
export interface Release {
  /** Version and checksum: letters, digits, dots and dashes. */
  id: string;
  /** Path of a `.tar.gz` with `node_modules/` and `bin/temporal`. */
  file: string;
}

export interface RouterTemplateBuild {
  name: string;
  release: Release;
  /** Folder of the router in the sandbox. */
  folder: string;
  /** Of the template, if the team has one of this name. */
  templateId?: string | undefined;
  e2b: { apiKey: string; domain?: string | undefined; apiUrl?: string | undefined };
  cpuCount: number;
  memoryMB: number;
  onLog(entry: LogEntry): void;
}

const NODE_IMAGE = '24-bookworm-slim';
const USER = 'user';

/** Builds `name:<release id>` unless it is there, and waits for the end. @returns whether it was built */
export async function buildRouterTemplate(build: RouterTemplateBuild): Promise<boolean> {
  const { name, release, folder, templateId, e2b, cpuCount, memoryMB, onLog } = build;
  const connection = {
    apiKey: e2b.apiKey,
    ...(e2b.domain ? { domain: e2b.domain } : {}),
    ...(e2b.apiUrl ? { apiUrl: e2b.apiUrl } : {}),
  };
  const tags = templateId === undefined ? [] : await Template.getTags(templateId, connection);
  if (tags.some(({ tag }) => tag === release.id)) return false;
  await Template.build(routerTemplate(release, folder), `${name}:${release.id}`, {
    ...connection,
    cpuCount,
    memoryMB,
    onBuildLogs: onLog,
  });
  return true;
}

export function routerTemplate({ id, file }: Release, folder: string): TemplateClass {
  const archive = '/tmp/release.tar.gz';
  const version = `${folder}/versions/${id}`;
  const install = [
    `mkdir -p ${version}`,
    `tar -xzf ${archive} -C ${version}`,
    `rm -f ${archive}`,
    `ln -sfn versions/${id} ${folder}/current`,
    // Only the router's user reads the keys, and they are there only after a sandbox was made.
    `mkdir -p -m 700 ${folder}/config ${folder}/data`,
    `chown -R ${USER}:${USER} ${folder}`,
  ];
  return (
    Template({ fileContextPath: dirname(file) })
      .fromNodeImage(NODE_IMAGE)
      // Temporal's native core trusts the system's certificates, and the slim image has none.
      .aptInstall(['ca-certificates', 'procps'], { noInstallRecommends: true })
      .copy(basename(file), archive, { user: 'root' })
      .runCmd(install.join(' && '), { user: 'root' })
      .setUser(USER)
      .setWorkdir(folder)
      .setStartCmd(
        startCommand(folder),
        `node -e "fetch('http://127.0.0.1:8000/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"`,
      )
  );
}

/**
 * Runs the router, and starts it again whenever it ends: also after an update, which replaces what `current` leads to. Does
 * nothing while another such loop runs, or a router that such a loop has left.
 */
export function startCommand(folder: string): string {
  const main = `${folder}/current/node_modules/managed-agents-router/dist/src/main.js`;
  return `exec 9> ${folder}/lock; flock -n 9 && while :; do node ${main} inside-e2b; sleep 1; done`;
}
