// Checks of the network and the clock of this machine. Nothing is checked from inside a sandbox: that would start one.
import type { Inspection } from '../../config.ts';
import { type Check, CONNECT_LIMIT_MS, NotChecked, ok, once, problem, warning } from './check.ts';
import { probe } from './http.ts';

const AREA = 'this machine';
const ANTHROPIC_URL = 'https://api.anthropic.com';
const E2B_DOMAIN = 'e2b.app';
const SKEW_WARNING_MS = 5_000;
/** Webhook signatures count for five minutes. */
const SKEW_PROBLEM_MS = 4 * 60_000;

export function networkChecks({ usable }: Inspection): Check[] {
  if (!usable) return [];
  const { anthropicUrl = ANTHROPIC_URL, e2b, environments } = usable;
  const domain = e2b.domain ?? E2B_DOMAIN;
  const services = [
    { name: 'Anthropic', url: anthropicUrl, setting: 'ANTHROPIC_BASE_URL' },
    { name: 'E2B', url: e2b.apiUrl ?? `https://api.${domain}`, setting: 'E2B_DOMAIN and E2B_API_URL' },
    // A sandbox that does not exist: the answer comes from E2B's gateway, and nothing is started.
    {
      name: 'sandboxes',
      url: e2b.sandboxUrl ?? `https://80-doctor.${domain}`,
      setting: 'E2B_DOMAIN and E2B_SANDBOX_URL',
    },
  ].map((service) => ({
    ...service,
    answer: once(() => probe(service.url, AbortSignal.timeout(CONNECT_LIMIT_MS))),
  }));
  const egress = services.map(
    ({ name, url, setting, answer }): Check => ({
      area: AREA,
      name: `reaches ${name}`,
      run: async () => {
        try {
          await answer();
          return ok(`${url} answers`);
        } catch (error) {
          return problem(
            (error as Error).message,
            `let this machine connect to ${url}, or correct ${setting}`,
          );
        }
      },
    }),
  );
  const clock: Check = {
    area: AREA,
    name: 'clock',
    run: async () => {
      const answers = await Promise.allSettled(services.map(({ answer }) => answer()));
      const skews = answers.flatMap((answer) =>
        answer.status === 'fulfilled' ? (answer.value.aheadMs ?? []) : [],
      );
      const [first, ...others] = skews.sort((a, b) => Math.abs(a) - Math.abs(b));
      if (first === undefined) throw new NotChecked('no service has said what time it has');
      return clockFinding(first, others.length + 1);
    },
  };
  const inside: Check = {
    area: 'sandboxes',
    name: 'network inside',
    run: () => {
      const closed = environments
        .filter(({ allowInternetAccess }) => !allowInternetAccess)
        .map(({ id }) => id);
      const reach = closed.length > 0 ? `closed for ${closed.join(', ')}` : 'open';
      throw new NotChecked(
        `that would start a sandbox. By the settings it is ${reach}; the router needs none there`,
      );
    },
  };
  return [...egress, clock, inside];
}

/** @param aheadMs the smallest difference: a service whose own clock is wrong does not count */
function clockFinding(aheadMs: number, services: number) {
  const seconds = Math.round(Math.abs(aheadMs) / 1000);
  if (Math.abs(aheadMs) < SKEW_WARNING_MS) return ok(`as the clocks of ${services} services`);
  const text = `${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the services`;
  const cure = 'synchronise the clock (systemd-timesyncd, chrony): webhooks are refused beyond 5 minutes';
  return Math.abs(aheadMs) < SKEW_PROBLEM_MS ? warning(text, cure) : problem(text, cure);
}
