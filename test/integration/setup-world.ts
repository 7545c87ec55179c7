// What the tests of `setup` need: both simulators, a namespace of Temporal, and the program in an empty folder, with or
// without a terminal.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import Anthropic from '@anthropic-ai/sdk';
import { type RunningSimulators, startSimulators } from '../../harness/simulators.ts';
import { projectPath } from '../../src/paths.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';

export interface SetupWorld {
  simulators: RunningSimulators;
  /** With the organisation's key. */
  anthropic: Anthropic;
  /** Addresses of the simulators and of Temporal; no keys, no ids. */
  addresses: Record<string, string>;
  /** Keys that have no page in the Console to come from. */
  keys: { E2B_API_KEY: string; ANTHROPIC_API_KEY: string };
  /** A new empty folder. */
  folder(): string;
  /** What the Console does: makes a key of an environment. */
  environmentKey(environmentId: string): Promise<string>;
  close(): Promise<void>;
}

export async function startSetupWorld(): Promise<SetupWorld> {
  const dir = mkdtempSync(join(tmpdir(), 'setup-'));
  const namespace: TestNamespace = await newNamespace();
  const simulators = await startSimulators({
    stateDir: dir,
    logDir: dir,
    cwd: dir,
    webhook: 'http://127.0.0.1:1/webhook',
    // Local sandboxes have no network to install packages from.
    switches: ['template-packages=skip'],
  });
  const { anthropic, e2b } = simulators.connection;
  let folders = 0;
  return {
    simulators,
    anthropic: new Anthropic({ authToken: anthropic.apiKey, apiKey: null, baseURL: anthropic.url }),
    addresses: {
      ANTHROPIC_BASE_URL: anthropic.url,
      E2B_API_URL: e2b.url,
      E2B_SANDBOX_URL: e2b.url,
      TEMPORAL_ADDRESS: namespace.config.connectionOptions.address,
      TEMPORAL_NAMESPACE: namespace.config.namespace,
    },
    keys: { E2B_API_KEY: e2b.apiKey, ANTHROPIC_API_KEY: anthropic.apiKey },
    folder: () => {
      folders += 1;
      const folder = join(dir, `folder-${folders}`);
      mkdirSync(folder);
      return folder;
    },
    environmentKey: async (environmentId) => {
      const answer = await simulators.admin('anthropic', 'POST', `environments/${environmentId}/keys`);
      return (answer as { key: string }).key;
    },
    close: async () => {
      await simulators.stop();
      await namespace.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface Running {
  child: ChildProcess;
  /** All that was written so far; on a terminal without escape sequences. */
  written(): string;
  /** Resolves when the text was written. */
  wrote(text: string): Promise<void>;
  type(text: string): void;
  ended: Promise<Ended>;
}

/** Escape sequences that move the cursor or erase: what follows is drawn elsewhere. */
const NOT_A_COLOUR = new RegExp(`${String.fromCharCode(27)}\\[[\\d;?]*[A-Za-ln-z]`, 'g');
/** As long as a step may take on a loaded machine. */
const WRITTEN_WITHIN_MS = 60_000;

const PROGRAM = projectPath('src/main.ts');

/** Runs the program without a terminal. */
export function run(cwd: string, args: string[], env: Record<string, string>): Running {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, ...env },
  });
  return follow(child, (text) => text);
}

/** Runs the program on a terminal of its own with 80 columns. */
export function runOnTerminal(cwd: string, args: string[], env: Record<string, string>): Running {
  const command = ['stty cols 80 rows 40;', 'exec', process.execPath, PROGRAM, ...args].join(' ');
  const child = spawn('script', ['-qfec', command, '/dev/null'], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, TERM: 'xterm-256color', SHELL: '/bin/sh', ...env },
  });
  return follow(child, (text) => stripVTControlCharacters(text.replace(NOT_A_COLOUR, '\n')));
}

function follow(child: ChildProcess, shown: (text: string) => string): Running {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  let isOver = false;
  const ended = once(child, 'close').then(([code]) => {
    isOver = true;
    return { code, stdout, stderr };
  });
  const written = () => shown(stdout) + shown(stderr);
  return {
    child,
    written,
    wrote: async (text) => {
      const until = Date.now() + WRITTEN_WITHIN_MS;
      while (!onOneLine(written()).includes(text)) {
        if (isOver || Date.now() > until) throw new Error(`did not write "${text}":\n${written()}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    type: (text) => void child.stdin?.write(text),
    ended,
  };
}

/** Text as it was before the terminal broke its lines and drew a guide beside them. */
export function onOneLine(text: string): string {
  return text.replace(/[\s│]+/g, ' ');
}
