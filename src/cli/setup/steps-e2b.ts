// Steps of setup at E2B: the key and the template.
import { buildTemplate } from '../../../template/build-template.ts';
import { DEPLOYMENT } from '../../config/deployment-settings.ts';
import { CommandError, EXIT } from '../command.ts';
import type { Step } from './step.ts';
import { explainE2BError, findTemplate } from './templates.ts';

export const e2bKey: Step = {
  name: 'E2B key',
  plan: async ({ settings }) => (settings.e2b.apiKey ? undefined : 'ask for the API key of your E2B team'),
  bring: async (run) => {
    const { settings, dialog } = run;
    const check = (apiKey: string) => findTemplate({ ...run.settings.e2b, apiKey }, run.template);
    if (settings.e2b.apiKey) {
      await check(settings.e2b.apiKey);
      return 'E2B accepts E2B_API_KEY';
    }
    if (!dialog.canAsk) throw run.missing();
    dialog.instruct(["Sandboxes run at E2B. Your team's keys: https://e2b.dev/dashboard?tab=keys"]);
    const key = await run.askForKey('API key of your E2B team', DEPLOYMENT.e2b.apiKey, check);
    run.save({ E2B_API_KEY: key });
    return 'E2B accepts the key; it is in .env';
  },
};

export const template: Step = {
  name: 'template',
  plan: async (run) => {
    if (!run.settings.e2b.apiKey) return `build the template ${run.template} unless the team has it`;
    const found = await findTemplate(run.e2b, run.template);
    return found?.ready && !run.options.rebuild ? undefined : `build the template ${run.template}`;
  },
  bring: async (run) => {
    const name = run.template;
    const found = await findTemplate(run.e2b, name);
    if (found?.ready && !run.options.rebuild) {
      run.result.template = { name, built: false };
      return `Template ${name} is there`;
    }
    run.dialog.begins(`Building the template ${name}; the first time takes a few minutes`);
    try {
      await buildTemplate({
        name,
        e2b: run.e2b,
        skipCache: run.options.rebuild ?? false,
        onLog: ({ message, level }) => {
          if (level !== 'debug') run.dialog.detail(message.trimEnd());
        },
      });
    } catch (error) {
      const explained = explainE2BError(error);
      if (explained instanceof CommandError && explained.exitCode === EXIT.unreachable) throw explained;
      throw new CommandError(
        `The template ${name} cannot be built: ${error instanceof Error ? error.message : error}`,
        EXIT.failed,
      );
    }
    run.result.template = { name, built: true };
    return `Template ${name} is built`;
  },
};
