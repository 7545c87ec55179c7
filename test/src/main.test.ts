// Runs the command line (`src/main.ts`) as a process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../harness/free-port.ts';
import { historyText } from '../../harness/secrets.ts';
import { projectPath } from '../../src/paths.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';
import { eventBody, newSigningKey, signed } from './signed-delivery.ts';

const signingKey = newSigningKey();
const SECRETS = {
  ANTHROPIC_ENVIRONMENT_KEY: 'sk-ant-oat01-not-a-real-key',
  E2B_API_KEY: 'e2b_00112233445566778899',
};

interface Process {
  /** Resolves when the given text is on standard output. */
  said(text: string): Promise<void>;
  end(signal: NodeJS.Signals): Promise<Ended>;
  ended: Promise<Ended>;
}
interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

let dir: string;
const running = new Set<() => void>();
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'main-'));
});
afterEach(() => {
  for (const kill of running) kill();
});
afterAll(() => rmSync(dir, { recursive: true }));

/** Runs the program with only these variables and PATH. */
function run(args: string[], env: Record<string, string> = {}): Process {
  const child = spawn(process.execPath, [projectPath('src/main.ts'), ...args], {
    cwd: dir,
    env: { PATH: process.env.PATH, ...env },
  });
  const kill = () => void child.kill('SIGKILL');
  running.add(kill);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const ended = once(child, 'close').then(([code]) => {
    running.delete(kill);
    return { code, stdout, stderr };
  });
  return {
    ended,
    said: async (text) => {
      while (!stdout.includes(text)) {
        if (child.exitCode !== null) throw new Error(`ended with ${child.exitCode}: ${stderr}`);
        await sleep(20);
      }
    },
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
  };
}

describe('help', () => {
  it.each([[['--help']], [['-h']], [['help']]])('%j is answered on standard output', async (args) => {
    const { code, stdout, stderr } = await run(args).ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of ['start', 'webhook', 'worker']) expect(stdout).toContain(`  ${command}`);
  });

  it.each([
    [[]],
    [['stop']],
    [['toString']],
    [['start', 'webhook']],
    [['--verbose']],
    [['config']],
    [['config', 'check', '--for', 'nobody']],
    [['start', '--config']],
  ])('%j gets it on standard error', async (args) => {
    const { code, stdout, stderr } = await run(args).ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('Usage: managed-agents-router ');
  });
});

it('--version is answered', async () => {
  const { version } = JSON.parse(readFileSync(projectPath('package.json'), 'utf8'));
  expect(await run(['--version']).ended).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

describe('config check', () => {
  const keys = { ANTHROPIC_ENVIRONMENT_ID: 'env_1', ...SECRETS };

  it('lists every value that is set and where, and shows no secret', async () => {
    writeFileSync(
      join(dir, 'managed-agents-router.yaml'),
      'session:\n  graceSeconds: 7\nwebhook: { signingKey: "${env:HOOK}" }\n',
    );
    const { code, stdout, stderr } = await run(['config', 'check'], { ...keys, HOOK: signingKey }).ended;
    rmSync(join(dir, 'managed-agents-router.yaml'));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.split('\n')).toEqual([
      'The configuration is valid for start. File: managed-agents-router.yaml. Values that are set:',
      '  managed-agents-router.yaml:2:17 session.graceSeconds = 7',
      '  managed-agents-router.yaml:3:24 webhook.signingKey = ${env:HOOK}',
      '  E2B_API_KEY = (secret)',
      '  ANTHROPIC_ENVIRONMENT_ID = env_1',
      '  ANTHROPIC_ENVIRONMENT_KEY = (secret)',
      '',
    ]);
  });

  it('lists the same problems as a start', async () => {
    const file = join(dir, 'mine.yaml');
    writeFileSync(file, 'sesion: {}\ne2b: { apiKey: "${env:NONE}" }\n');
    const check = (...more: string[]) => run(['config', 'check', '--config', file, ...more], keys).ended;
    const { E2B_API_KEY: _, ...withoutKey } = keys;
    const [all, webhook, start] = await Promise.all([
      run(['config', 'check', '--config', file], withoutKey).ended,
      check('--for', 'webhook'),
      run(['start', '--config', file], withoutKey).ended,
    ]);
    expect(all).toMatchObject({ code: 2, stdout: '' });
    expect(all.stderr).toContain(
      `2 problems:\n  ${file}:1:1 sesion is not a setting. Did you mean session?\n`,
    );
    expect(all.stderr).toContain(`${file}:2:16 e2b.apiKey refers to the variable NONE, which is not set.`);
    expect(start).toEqual(all);
    expect(webhook.stderr).toContain('one problem');
    expect(webhook.stderr).toContain('sesion');
  });
});

describe('what the configuration names on this machine', () => {
  const keys = { ANTHROPIC_ENVIRONMENT_ID: 'env_1', ...SECRETS };
  const nowhere = () => join(dir, 'nowhere');

  it.each([
    ['a folder of keys', { TEMPORAL_ENCRYPTION_KEY_FOLDER: 'nowhere' }, 'cannot be read (ENOENT)'],
    ['a folder without the key that encrypts', { TEMPORAL_ENCRYPTION_KEY_FOLDER: 'keys' }, 'no key b.key'],
    ['a program', { TEMPORAL_CLI: 'nowhere' }, 'is not an executable file'],
    ['a folder as a program', { TEMPORAL_CLI: 'keys' }, 'is not an executable file'],
    ['a certificate', { TEMPORAL_TLS_SERVER_CA_CERT_PATH: 'nowhere' }, 'TEMPORAL_* cannot be used'],
  ])('%s: config check says the same as a start', async (_what, env: Record<string, string>, text) => {
    mkdirSync(join(dir, 'keys'), { recursive: true });
    writeFileSync(join(dir, 'keys', 'a.key'), Buffer.alloc(32).toString('base64'));
    const encrypting = env.TEMPORAL_ENCRYPTION_KEY_FOLDER ? { TEMPORAL_ENCRYPTION_KEY_ID: 'b' } : {};
    const all = { ...keys, ...encrypting, ...env, ROUTER_DATA_FOLDER: nowhere() };
    const [check, start] = await Promise.all([
      run(['config', 'check'], all).ended,
      run(['start'], all).ended,
    ]);
    expect(check).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(text) });
    expect(start).toEqual(check);
    // Nothing was started.
    expect(existsSync(nowhere())).toBe(false);
  });

  it('says where in the file the folder stands', async () => {
    const file = join(dir, 'mine.yaml');
    writeFileSync(file, 'temporal:\n  encryption: { keyFolder: /nowhere }\n');
    const { stderr } = await run(['config', 'check', '--config', file], keys).ended;
    expect(stderr).toContain(`${file}:2:28 temporal.encryption.keyFolder cannot be used: `);
  });
});

describe('a start that cannot succeed', () => {
  it('lists every problem of the configuration at once', async () => {
    const { code, stdout, stderr } = await run(['start'], { E2B_API_KEY: 'two words', WEBHOOK_PORT: '99999' })
      .ended;
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('4 problems');
    for (const name of [
      'ANTHROPIC_ENVIRONMENT_ID',
      'ANTHROPIC_ENVIRONMENT_KEY',
      'E2B_API_KEY',
      'WEBHOOK_PORT',
    ]) {
      expect(stderr).toMatch(new RegExp(`^  ${name} .*Example: ${name}=`, 'm'));
    }
    expect(stderr).not.toContain('two words');
  });

  it('reads .env of its working directory', async () => {
    writeFileSync(join(dir, '.env'), 'ANTHROPIC_ENVIRONMENT_ID=env_1\nLOG_LEVEL=loud\n');
    const { stderr } = await run(['webhook']).ended;
    rmSync(join(dir, '.env'));
    expect(stderr).toContain('one problem');
    expect(stderr).toContain('LOG_LEVEL must be trace, debug, info, warn, error, fatal or silent');
  });

  it('names the setting when Temporal does not answer', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    const env = { ANTHROPIC_ENVIRONMENT_ID: 'env_1', ...SECRETS, TEMPORAL_ADDRESS: address };
    const { code, stderr } = await run(['worker'], env).ended;
    expect(code).toBe(1);
    expect(stderr).toContain(`Temporal does not answer at ${address}`);
    expect(stderr).toContain('TEMPORAL_ADDRESS');
  }, 60_000);

  it('logs a misspelt variable at the start, and names the setting when the namespace does not exist', async () => {
    const namespace = await newNamespace();
    await namespace.close();
    const env = {
      ANTHROPIC_ENVIRONMENT_ID: 'env_1',
      ...SECRETS,
      TEMPORAL_NAMESPACE: 'no-such-namespace',
      WORKER_MAX_TOOL_CALS: '5',
    };
    const { address } = namespace.config.connectionOptions;
    const { code, stderr } = await run(['worker'], { ...env, TEMPORAL_ADDRESS: address }).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('has no namespace no-such-namespace; set TEMPORAL_NAMESPACE');
    expect(stderr).toContain('WORKER_MAX_TOOL_CALS');
  });
});

describe('the running process', () => {
  let namespace: TestNamespace;
  beforeAll(async () => {
    namespace = await newNamespace();
  });
  afterAll(() => namespace.close());

  async function settings(): Promise<Record<string, string>> {
    return {
      ANTHROPIC_ENVIRONMENT_ID: 'env_1',
      ANTHROPIC_WEBHOOK_SIGNING_KEY: signingKey,
      // No server listens there: the activities have tests of their own.
      ANTHROPIC_BASE_URL: `http://127.0.0.1:${await freePort()}`,
      E2B_API_URL: `http://127.0.0.1:${await freePort()}`,
      TEMPORAL_ADDRESS: namespace.config.connectionOptions.address,
      TEMPORAL_NAMESPACE: namespace.config.namespace,
      WEBHOOK_PORT: String(await freePort()),
      WORKER_SHUTDOWN_GRACE_SECONDS: '1',
    };
  }

  it('webhook: serves with no key but the signing key, and exits with 0 after SIGTERM', async () => {
    const env = await settings();
    const webhook = run(['webhook'], env);
    await webhook.said(`http://127.0.0.1:${env.WEBHOOK_PORT}/webhook`);
    expect((await fetch(`http://127.0.0.1:${env.WEBHOOK_PORT}/ready`)).status).toBe(200);
    expect((await webhook.end('SIGTERM')).code).toBe(0);
  });

  it('start: accepts a delivery, runs the workflows of session and environment, logs no secret', async () => {
    const env = await settings();
    const router = run(['start'], { ...env, ...SECRETS, LOG_LEVEL: 'debug' });
    await router.said('worker of env_1');
    const { headers, payload } = signed(signingKey, eventBody('session.status_run_started', 'whe_1'));
    const url = `http://127.0.0.1:${env.WEBHOOK_PORT}/webhook`;
    const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(payload) });
    expect(answer.status).toBe(204);

    const session = namespace.client.workflow.getHandle('session-sesn_1');
    const taken = async () => (await session.query('status')) as { phase: string };
    expect((await taken()).phase).toEqual(expect.any(String));
    const watch = await namespace.client.workflow.getHandle('environment-env_1').describe();
    expect(watch).toMatchObject({ type: 'environmentWorkflow', status: { name: 'RUNNING' } });

    const { code, stdout, stderr } = await router.end('SIGTERM');
    expect(code).toBe(0);
    const history = historyText(await session.fetchHistory());
    for (const secret of [...Object.values(SECRETS), signingKey]) {
      expect(stdout + stderr).not.toContain(secret);
      expect(history).not.toContain(secret);
    }
  });

  it('worker: a second worker finds the environment workflow running, and exits with 0 after SIGINT', async () => {
    const worker = run(['worker'], { ...(await settings()), ...SECRETS });
    await worker.said('worker of env_1');
    expect((await worker.end('SIGINT')).code).toBe(0);
  });
});
