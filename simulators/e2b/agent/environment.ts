/** The environment of commands, from the settings of the template and of the sandbox. */
import type { User } from './users.ts';

/** Sent by the simulator after the boot. */
export interface BootSettings {
  sandboxId: string;
  templateId: string;
  /** Variables of the template. */
  env: Record<string, string>;
  workdir: string | null;
  user: string;
  startCmd: string | null;
  readyCmd: string | null;
  /** Variables given when the sandbox was created; the start command does not see them. */
  sandboxEnv: Record<string, string>;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class Environment {
  settings: BootSettings = {
    sandboxId: '',
    templateId: '',
    env: {},
    workdir: null,
    user: 'user',
    startCmd: null,
    readyCmd: null,
    sandboxEnv: {},
  };

  workdir(user: User): string {
    return this.settings.workdir ?? user.home;
  }

  variables(user: User): Record<string, string> {
    return { ...this.templateVariables(user), ...this.settings.sandboxEnv };
  }

  templateVariables(user: User): Record<string, string> {
    return {
      PATH,
      HOME: user.home,
      USER: user.name,
      LOGNAME: user.name,
      E2B_SANDBOX: 'true',
      E2B_SANDBOX_ID: this.settings.sandboxId,
      E2B_TEMPLATE_ID: this.settings.templateId,
      // E2B's event service; here nothing answers at this address.
      E2B_EVENTS_ADDRESS: 'http://192.0.2.1',
      ...this.settings.env,
    };
  }
}
