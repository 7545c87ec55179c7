/** Boots sandboxes and sets them up: template, environment, ports of the host. */

import type { BootSettings } from './agent/environment.ts';
import { callAgent } from './agent-client.ts';
import { ApiError } from './api-error.ts';
import type { Catalogue } from './catalogue.ts';
import type { HostPortRelay } from './host-ports.ts';
import type { BootImage } from './isolation/boot.ts';
import { startBox, stopBox } from './isolation/box.ts';
import type { CgroupHost, Limits } from './isolation/cgroups.ts';
import { isCutOff, type SandboxRecord } from './record.ts';

export const LIMITS: Limits = { memoryBytes: 1024 * 1024 * 1024, processes: 1024 };

export class Machines {
  readonly cgroups: CgroupHost;
  readonly #image: Omit<BootImage, 'template'>;
  readonly #templates: Catalogue;
  readonly #hostPorts: HostPortRelay;

  constructor(
    cgroups: CgroupHost,
    image: Omit<BootImage, 'template'>,
    templates: Catalogue,
    hostPorts: HostPortRelay,
  ) {
    this.cgroups = cgroups;
    this.#image = image;
    this.#templates = templates;
    this.#hostPorts = hostPorts;
  }

  /** Resolves when the template is ready. Throws if the host cannot isolate sandboxes or the template does not start. */
  async boot(record: SandboxRecord): Promise<void> {
    const template = this.#templates.build(record.buildId);
    if (!template)
      throw new ApiError(
        500,
        `the build of template '${record.template}' that sandbox '${record.id}' was made from is no longer there`,
      );
    const image = { ...this.#image, template: template.tree };
    record.box = await startBox(record.dir, image, record.groups, LIMITS);
    await this.#updateRelay(record);
    await this.sendHostPorts(record);
    const { id: templateId, env, workdir, user, startCmd, readyCmd } = template;
    await callAgent(record.dir, 'POST', '/_boot', {
      sandboxId: record.id,
      templateId,
      env,
      workdir,
      user,
      startCmd,
      readyCmd,
      sandboxEnv: record.env,
    } satisfies BootSettings);
  }

  /** Kills all processes and boots again on the same disk. */
  async reboot(record: SandboxRecord): Promise<void> {
    if (record.box) await stopBox(record.box);
    await this.boot(record);
  }

  /** Applies the host ports that the record now allows. A paused sandbox learns of them when it resumes. */
  async applyHostPorts(record: SandboxRecord): Promise<void> {
    await this.#updateRelay(record);
    if (record.state !== 'paused') await this.sendHostPorts(record);
  }

  async sendHostPorts(record: SandboxRecord): Promise<void> {
    await callAgent(record.dir, 'PUT', '/_host-ports', isCutOff(record) ? [] : this.#hostPorts.ports);
  }

  async closePorts(record: SandboxRecord): Promise<void> {
    await this.#hostPorts.close(record.dir);
  }

  async #updateRelay(record: SandboxRecord): Promise<void> {
    if (isCutOff(record)) await this.#hostPorts.close(record.dir);
    else await this.#hostPorts.open(record.dir);
  }
}
