// A real Prometheus that scrapes the processes of a world with our rules. Their durations are shortened.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../harness/free-port.ts';
import { until } from '../../harness/until.ts';
import { projectPath } from '../../src/paths.ts';

export const RULES = projectPath('deploy/prometheus/rules.yaml');

export interface Prometheus {
  /** Names of the alerts that fire now, sorted. */
  firing(): Promise<string[]>;
  /** Values of an expression now, by label set as JSON. */
  query(expression: string): Promise<Map<string, number>>;
  /** Replaces the addresses that are scraped. */
  scrape(targets: string[]): void;
  close(): Promise<void>;
}

/** @throws Error that says how to install the program */
export function run(program: 'prometheus' | 'promtool', ...args: string[]): string {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new Error(`${program} not found. Install it with: apt-get install prometheus`);
  }
}

/** The rules as they are, except that nothing is waited for and averages are of the last 20 seconds. */
function impatientRules(): string {
  return readFileSync(RULES, 'utf8')
    .replace(/^( +for:) \w+$/gm, '$1 1s')
    .replace(/\[\d+m\]/g, '[20s]');
}

/** @param targets `host:port` of admin servers */
export async function startPrometheus(targets: string[]): Promise<Prometheus> {
  run('prometheus', '--version');
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const file = (name: string) => join(folder, name);
  const scrape = (addresses: string[]) =>
    writeFileSync(file('targets.json'), JSON.stringify([{ targets: addresses }]));
  scrape(targets);
  writeFileSync(file('rules.yaml'), impatientRules());
  const config = {
    // A scrape may take 3 s while a service hangs.
    global: { scrape_interval: '3s', scrape_timeout: '3s', evaluation_interval: '1s' },
    rule_files: [file('rules.yaml')],
    scrape_configs: [
      { job_name: 'router', file_sd_configs: [{ files: [file('targets.json')], refresh_interval: '1s' }] },
    ],
  };
  writeFileSync(file('prometheus.yaml'), JSON.stringify(config));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const log = openSync(file('log'), 'a');
  const child = spawn(
    'prometheus',
    [
      `--config.file=${file('prometheus.yaml')}`,
      `--storage.tsdb.path=${file('data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
    ],
    { stdio: ['ignore', log, log] },
  );
  const ended = once(child, 'exit');
  const get = async <Data>(path: string): Promise<Data> => {
    const answer = (await (await fetch(`${url}/api/v1/${path}`)).json()) as { data: Data };
    return answer.data;
  };
  const close = async () => {
    child.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until('Prometheus is ready', async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(file('log'), 'utf8'));
      return (await fetch(`${url}/-/ready`).catch(() => undefined))?.ok || undefined;
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    firing: async () => {
      const { alerts } = await get<{ alerts: { labels: Record<string, string>; state: string }[] }>('alerts');
      const firing = alerts.filter(({ state }) => state === 'firing');
      return [...new Set(firing.map(({ labels }) => labels.alertname ?? ''))].sort();
    },
    query: async (expression) => {
      const { result } = await get<{ result: { metric: object; value: [number, string] }[] }>(
        `query?query=${encodeURIComponent(expression)}`,
      );
      return new Map(result.map(({ metric, value }) => [JSON.stringify(metric), Number(value[1])]));
    },
    scrape,
    close,
  };
}
