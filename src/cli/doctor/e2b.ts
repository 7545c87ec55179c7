// Checks of E2B: the key, how many sandboxes run, and the templates. Nothing is started or resumed.
import { AuthenticationError, E2B, NotFoundError, RateLimitError, TemplateError } from 'e2b';
import { TOOLHOST_TAG, TOOLHOST_VERSION } from '../../../toolhost/version.ts';
import type { Inspection } from '../../config.ts';
import { routerCommand } from '../../program-name.ts';
import {
  type Check,
  CONNECT_LIMIT_MS,
  type Finding,
  NotChecked,
  ok,
  once,
  problem,
  warning,
} from './check.ts';

const AREA = 'E2B';
const MAX_PAGES = 10;
const PAGE = 100;
/** Sandboxes that may run at once in E2B's smallest plan (Hobby); Pro begins at 100. */
const HOBBY_LIMIT = 20;
/** From this share of the limit on, new sessions will soon wait. */
const NEARLY = 0.9;

type Client = Pick<E2B, 'Sandbox' | 'Template'>;

export function e2bChecks({ usable }: Inspection): Check[] {
  if (!usable) return [];
  const { e2b, environments } = usable;
  const client = once(async (): Promise<Client> => {
    const { apiKey, apiUrl, domain } = e2b;
    if (apiKey === undefined) throw new NotChecked('E2B_API_KEY is not set');
    return new E2B({
      apiKey,
      retries: 0,
      requestTimeoutMs: CONNECT_LIMIT_MS,
      ...(apiUrl ? { apiUrl } : {}),
      ...(domain ? { domain } : {}),
    });
  });
  const running = once(async () => countRunning(await client()));
  const used = environments.map(({ template }) => template);
  const templates = used.length > 0 ? [...new Set(used)] : [usable.template];
  return [
    {
      area: AREA,
      name: 'API key',
      run: async () => {
        try {
          await running();
          return ok('the key is accepted');
        } catch (error) {
          return refusal(error);
        }
      },
    },
    {
      area: AREA,
      name: 'running sandboxes',
      run: async () => {
        const { count, isAll } = await running().catch((error) => {
          throw new NotChecked(error instanceof NotChecked ? error.message : 'the key cannot be used');
        });
        return runningFinding(count, isAll, e2b.maxRunningSandboxes);
      },
    },
    ...templates.map((template) => ({
      area: AREA,
      name: `template ${template}`,
      run: async () => {
        await running().catch((error) => {
          throw new NotChecked(error instanceof NotChecked ? error.message : 'the key cannot be used');
        });
        return templateFinding(await client(), template);
      },
    })),
  ];
}

/** Of the whole team, because the plan's limit is the team's. */
async function countRunning({ Sandbox }: Client): Promise<{ count: number; isAll: boolean }> {
  const pages = Sandbox.list({ query: { state: ['running'] }, limit: PAGE });
  let count = 0;
  for (let page = 0; page < MAX_PAGES && pages.hasNext; page++) count += (await pages.nextItems()).length;
  return { count, isAll: !pages.hasNext };
}

/** @throws NotChecked if E2B said nothing about the key */
function refusal(error: unknown): Finding {
  if (error instanceof NotChecked) throw error;
  if (error instanceof AuthenticationError)
    return problem(
      'E2B refuses the key',
      'set E2B_API_KEY (e2b.apiKey) to a key from https://e2b.dev/dashboard',
    );
  if (error instanceof RateLimitError) throw new NotChecked('E2B limits requests now: try again later');
  throw new NotChecked('E2B does not answer');
}

function runningFinding(count: number, isAll: boolean, limit: number): Finding {
  const text = `${isAll ? '' : 'at least '}${count} running`;
  if (limit > 0) {
    if (count < limit * NEARLY) return ok(`${text}, at most ${limit} by e2b.maxRunningSandboxes`);
    return warning(
      `${text} of ${limit} (e2b.maxRunningSandboxes): further sessions wait`,
      'raise E2B_MAX_RUNNING_SANDBOXES if your plan allows more; shorten SESSION_GRACE_SECONDS; `sandboxes list` shows all',
    );
  }
  if (count < HOBBY_LIMIT * NEARLY)
    return ok(`${text}; no limit is set, plans allow ${HOBBY_LIMIT} (Hobby) or 100 and more (Pro)`);
  return warning(
    `${text} and no limit is set; E2B says nothing about your plan, which allows ${HOBBY_LIMIT} (Hobby) or 100 and more (Pro)`,
    "set E2B_MAX_RUNNING_SANDBOXES to your plan's limit, so that sessions wait in order instead of failing",
  );
}

async function templateFinding({ Template }: Client, template: string): Promise<Finding> {
  if (!(await Template.exists(template)))
    return problem(
      `E2B has no template ${template}: no sandbox can be started`,
      `build it (${routerCommand('setup')}), or set E2B_TEMPLATE`,
    );
  const [name = '', tag = 'default'] = template.split(':');
  const tags = await Template.getTags(name).catch((error) => {
    if (!(error instanceof NotFoundError || error instanceof TemplateError)) throw error;
    throw new NotChecked(`${template} is there, but E2B does not say which toolhost is in it`);
  });
  const inUse = tags.find((each) => each.tag === tag)?.buildId;
  if (tags.some((each) => each.tag === TOOLHOST_TAG && each.buildId === inUse))
    return ok(`is there, with toolhost ${TOOLHOST_VERSION}`);
  return warning(
    `is there, but was not built with toolhost ${TOOLHOST_VERSION}: each new sandbox gets it at its start, which takes longer`,
    `build it again: ${routerCommand('setup --rebuild')}`,
  );
}
