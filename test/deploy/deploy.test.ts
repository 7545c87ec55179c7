// What people deploy, read strictly by the libraries of Kustomize, Kubernetes and Docker Compose.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

const CHECK = projectPath('.cache/deploy/check');

interface Probe {
  httpGet?: { path: string; port: string };
}
interface Container {
  args?: string[];
  ports?: { name: string; containerPort: number }[];
  livenessProbe?: Probe;
  readinessProbe?: Probe;
  env?: { name: string; value?: string; valueFrom?: { secretKeyRef?: { name: string } } }[];
  envFrom?: { secretRef?: { name: string } }[];
  securityContext?: Record<string, unknown>;
  resources?: { limits?: { memory?: string } };
}
interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string };
  data?: Record<string, string>;
  spec?: {
    selector?: { matchLabels?: Record<string, string> };
    template?: { spec: { containers: Container[]; securityContext?: Record<string, unknown> } };
  };
}
interface Project {
  services: Record<
    string,
    {
      environment?: Record<string, string>;
      depends_on?: Record<string, unknown>;
      healthcheck?: { test: string[] };
    }
  >;
}

beforeAll(() => {
  mkdirSync(projectPath('.cache/deploy'), { recursive: true });
  const { status, error, stderr } = spawnSync('go', ['build', '-o', CHECK, '.'], {
    cwd: projectPath('test/deploy/check'),
    encoding: 'utf8',
  });
  if (error) throw new Error('go not found. Install Go 1.26 or newer (https://go.dev/doc/install)');
  if (status !== 0) throw new Error(stderr);
}, 900_000);

function check<Result>(...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(CHECK, args, { encoding: 'utf8', env: {} });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout) as Result;
}

const rendered = () => check<Resource[]>('kustomize', projectPath('deploy/kubernetes'));
const containersOf = (name: string) =>
  rendered().find((each) => each.kind === 'Deployment' && each.metadata.name === name)?.spec?.template?.spec
    .containers ?? [];

const names = (resources: Resource[]) =>
  resources.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort();

it('Kubernetes: Kustomize renders the base, and each object is of a published type without unknown fields', () => {
  expect(names(rendered())).toEqual([
    'ConfigMap router-config',
    'Deployment webhook',
    'Deployment worker',
    'Ingress webhook',
    'Namespace managed-agents-router',
    'NetworkPolicy metrics',
    'NetworkPolicy router',
    'NetworkPolicy webhook',
    'PodDisruptionBudget webhook',
    'PodDisruptionBudget worker',
    'Service webhook',
    'ServiceAccount managed-agents-router',
  ]);
});

it('Kubernetes: a misspelt field is refused', () => {
  const folder = mkdtempSync(join(tmpdir(), 'misspelt-'));
  const worker = readFileSync(projectPath('deploy/kubernetes/worker/worker.yaml'), 'utf8');
  writeFileSync(
    join(folder, 'worker.yaml'),
    worker.replace('readOnlyRootFilesystem', 'readOnlyRootFileSystem'),
  );
  writeFileSync(join(folder, 'kustomization.yaml'), 'resources: [worker.yaml]\n');
  expect(() => check('kustomize', folder)).toThrow('unknown field');
  rmSync(folder, { recursive: true });
});

it('Kubernetes: the workers of one build run beside others, pods of their own and with their build id', () => {
  const build = check<Resource[]>('kustomize', projectPath('deploy/kubernetes/worker-build'));
  expect(names(build)).toEqual(['Deployment worker-b1', 'PodDisruptionBudget worker-b1']);
  const { selector, template } = build[0]?.spec ?? {};
  expect(selector?.matchLabels).toMatchObject({ 'managed-agents-router/build': 'b1' });
  expect(template?.spec.containers[0]?.env).toContainEqual({ name: 'WORKER_BUILD_ID', value: 'b1' });
});

it.each(['webhook', 'worker'])(
  'Kubernetes: %s has no more rights than it needs, and a memory limit',
  (name) => {
    const [container] = containersOf(name);
    expect(container?.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container?.resources?.limits?.memory).toBeTruthy();
  },
);

it('Kubernetes: the webhook servers get no key but the signing key, and those of Temporal and of traces', () => {
  const [webhook] = containersOf('webhook');
  expect(webhook?.envFrom).toBeUndefined();
  expect(webhook?.env?.map(({ name }) => name)).toEqual([
    'ADMIN_HOST',
    'ANTHROPIC_WEBHOOK_SIGNING_KEY',
    'TEMPORAL_API_KEY',
    'OTEL_EXPORTER_OTLP_HEADERS',
  ]);
});

it.each(['webhook', 'worker'])('Kubernetes: Prometheus can reach the admin port of %s', (name) => {
  const [container] = containersOf(name);
  expect(container?.env).toContainEqual({ name: 'ADMIN_HOST', value: '0.0.0.0' });
  expect(container?.ports).toContainEqual({ name: 'admin', containerPort: 9464 });
});

it('Kubernetes: a worker is asked whether it lives, and whether it can work', () => {
  const [worker] = containersOf('worker');
  expect(worker?.livenessProbe?.httpGet).toEqual({ path: '/live', port: 'admin' });
  expect(worker?.readinessProbe?.httpGet).toEqual({ path: '/ready', port: 'admin' });
});

it('Kubernetes: no object holds a secret', () => {
  expect(rendered().some(({ kind }) => kind === 'Secret')).toBe(false);
});

const ROUTER = ['webhook', 'worker'];
it.each([
  [[], []],
  [['local'], ['temporal', 'temporal-retention']],
  [['cluster'], ['postgres', 'temporal-cluster', 'temporal-namespace', 'temporal-schema', 'temporal-ui']],
  [
    ['cluster', 'codec'],
    ['codec-server', 'postgres', 'temporal-cluster', 'temporal-namespace', 'temporal-schema', 'temporal-ui'],
  ],
  [['demo'], ['demo', 'temporal']],
])('Compose: the profiles %j run the router beside %j', (profiles, others) => {
  const { services } = check<Project>('compose', projectPath('docker-compose.yml'), ...profiles);
  expect(Object.keys(services).sort()).toEqual([...ROUTER, ...others].sort());
});

it('Compose: webhook and worker have a health check', () => {
  const { services } = check<Project>('compose', projectPath('docker-compose.yml'));
  for (const name of ROUTER) expect(services[name]?.healthcheck?.test[0]).toBe('CMD');
});
