// The files that operators load into Prometheus and Grafana.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { projectPath } from '../../src/paths.ts';
import { RULES, run } from './prometheus.ts';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}
const rules = (parse(readFileSync(RULES, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
);

it('promtool accepts the rules, and they alert at the right time', () => {
  expect(run('promtool', 'check', 'rules', RULES)).toContain('SUCCESS');
  expect(run('promtool', 'test', 'rules', projectPath('test/prometheus/rules.test.yaml'))).toContain(
    'SUCCESS',
  );
});

it.each(rules)(
  '$alert says what happened, how urgent it is, and where the cure is',
  ({ alert, labels, annotations }) => {
    expect(['page', 'ticket']).toContain(labels.severity);
    expect(annotations.summary).toMatch(/\w/);
    expect(annotations.description).toMatch(/\.$/);
    const [, file, anchor] = /\/blob\/main\/(docs\/\w+\.md)#(\S+)$/.exec(
      annotations.runbook_url.replace('{{ $labels.cause }}', 'prepare'),
    ) as unknown as [string, string, string];
    const text = readFileSync(projectPath(file), 'utf8');
    const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
    );
    const named = [...text.matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id);
    expect([...headings, ...named]).toContain(anchor);
    expect(readFileSync(projectPath('docs/metrics.md'), 'utf8')).toContain(`\n| \`${alert}\``);
  },
);

it('promtool understands every query of the dashboard', () => {
  const dashboard = readFileSync(projectPath('deploy/grafana/dashboard.json'), 'utf8');
  const { panels } = JSON.parse(dashboard) as { panels: { targets?: { expr: string }[] }[] };
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  expect(queries.length).toBeGreaterThan(20);
  // Prometheus has no command that only parses a query, but rules are queries.
  const recorded = {
    groups: [
      {
        name: 'dashboard',
        rules: queries.map((expr, index) => ({
          record: `query_${index}`,
          expr: expr.replaceAll('$__rate_interval', '1m'),
        })),
      },
    ],
  };
  const folder = mkdtempSync(join(tmpdir(), 'dashboard-'));
  const file = join(folder, 'rules.yaml');
  writeFileSync(file, JSON.stringify(recorded));
  expect(run('promtool', 'check', 'rules', file)).toContain('SUCCESS');
  rmSync(folder, { recursive: true });
});
