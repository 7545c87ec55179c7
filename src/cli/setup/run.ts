// One run of setup: what is configured so far, and how more is written down.

import { butHolds } from '../../config/key-kinds.ts';
import type { Setting } from '../../config/setting.ts';
import { type CommandSettings, type Environment, loadCommandSettings } from '../../config.ts';
import { type CommandContext, CommandError, EXIT } from '../command.ts';
import type { Dialog } from './dialog.ts';
import { namesIn, writeEnvFile } from './env-file.ts';
import { keyVariableOf, newFilePath } from './router-file.ts';
import type { E2BAccess } from './templates.ts';

export const ENV_FILE = '.env';

export interface SetupOptions {
  environment?: string;
  agent?: string;
  model: string;
  rebuild?: boolean;
  webhookUrl?: string;
  smoke: boolean;
  saveKeys: boolean;
}

/** What `--json` prints at the end. */
export interface SetupResult {
  configFile?: string;
  template?: { name: string; built: boolean };
  environmentId?: string;
  agentId?: string;
  webhook?: 'configured' | 'later';
  smoke?: { sessionId: string; answer: string; calls: number };
}

export class Run {
  readonly context: CommandContext;
  readonly dialog: Dialog;
  readonly options: SetupOptions;
  readonly signal: AbortSignal;
  readonly result: SetupResult = {};
  /** The organisation's key, if it was typed and is not to be kept. */
  typedApiKey: string | undefined;
  settings: CommandSettings;

  constructor(context: CommandContext, dialog: Dialog, options: SetupOptions, signal: AbortSignal) {
    this.context = context;
    this.dialog = dialog;
    this.options = options;
    this.signal = signal;
    this.settings = loadCommandSettings(context.environment());
  }

  get env(): Environment {
    return this.context.environment();
  }

  get configFile(): string {
    return this.settings.configFile ?? newFilePath(this.env);
  }

  get apiKey(): string | undefined {
    return this.settings.apiKey ?? this.typedApiKey;
  }

  /** The environment that setup works on; `byVariables`: variables describe it, and the file does not list any. */
  get environment(): { id?: string; key?: string; agent?: string; byVariables: boolean } {
    const { environment: asked } = this.options;
    const { environments } = this.settings;
    const found = asked ? environments.find(({ id }) => id === asked) : environments[0];
    const byVariables = Boolean(this.env.ANTHROPIC_ENVIRONMENT_ID?.trim());
    return { ...(found ?? (asked ? { id: asked } : {})), byVariables };
  }

  get template(): string {
    const { id } = this.environment;
    return this.settings.environments.find((each) => each.id === id)?.template ?? this.settings.template;
  }

  /** Variable that the environment's key belongs in. */
  get keyVariable(): string {
    const { id } = this.environment;
    return (id && keyVariableOf(this.configFile, id)) || 'ANTHROPIC_ENVIRONMENT_KEY';
  }

  /** @throws CommandError if there is no key of E2B */
  get e2b(): E2BAccess {
    const { apiKey } = this.settings.e2b;
    if (apiKey) return { ...this.settings.e2b, apiKey };
    throw this.missing();
  }

  /** Whether something is to be created or sent in the organisation's name. */
  get needsOrganization(): boolean {
    const { id, agent } = this.environment;
    return this.options.smoke || !id || !(agent ?? this.options.agent);
  }

  /** The error for a run without a terminal: it names all values that are missing. */
  missing(): CommandError {
    const { id, key } = this.environment;
    const lines = [
      ...(this.settings.e2b.apiKey
        ? []
        : ['E2B_API_KEY is not set. Take a key of your team from https://e2b.dev/dashboard?tab=keys']),
      ...(this.apiKey || !this.needsOrganization
        ? []
        : [
            'ANTHROPIC_API_KEY is not set. Create an API key of your organisation at https://platform.claude.com/settings/keys ' +
              '(to create environment and agent and to send the smoke message)',
          ]),
      ...(key
        ? []
        : [
            `${this.keyVariable} is not set. ${id ? `Generate the key of environment ${id}` : 'Once setup has created the environment, generate its key'} in the Console`,
          ]),
    ];
    return new CommandError(`${lines.join('\n')}\nSet what is missing, and run setup again`, EXIT.usage);
  }

  /** Writes variables to `.env` and reads the settings again. */
  save(values: Record<string, string>): void {
    this.signal.throwIfAborted();
    writeEnvFile(ENV_FILE, values);
    this.reload();
  }

  reload(): void {
    this.settings = loadCommandSettings(this.env);
  }

  /** Whether the variable is set in the process's environment, but not in `.env`. */
  isInShellOnly(variable: string): boolean {
    return Boolean(this.env[variable]?.trim()) && !namesIn(ENV_FILE).has(variable);
  }

  /**
   * Asks for a key until the service accepts it.
   * @param accepted throws a CommandError with exit code 5 if the service refuses the key
   */
  async askForKey(
    question: string,
    setting: Setting,
    accepted: (key: string) => Promise<unknown>,
    optional = false,
  ): Promise<string> {
    for (;;) {
      const key = await this.dialog.secret(question, (text) =>
        text === '' && optional ? undefined : problemOf(setting, text),
      );
      if (key === '') return key;
      try {
        await accepted(key);
        return key;
      } catch (error) {
        if (!(error instanceof CommandError) || error.exitCode !== EXIT.unreachable) throw error;
        this.dialog.warn(error.message);
      }
    }
  }
}

/** Says why a value cannot be this setting, without quoting it. */
function problemOf({ kind }: Setting, text: string): string | undefined {
  if (text === '') return 'Paste the key';
  return kind.schema.safeParse(text).success
    ? undefined
    : `It must be ${kind.what}${butHolds(text, kind.what)}`;
}
