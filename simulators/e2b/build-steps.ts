/** Carries out the steps of a template build, as the SDK's `Template()` defines them, one after another in a sandbox. */
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { CommandExitError, type Sandbox } from 'e2b';

export interface BuildStep {
  type: string;
  args: string[];
  filesHash?: string | null;
}

/** The environment of the template's sandboxes and of its next steps. */
export interface BuildContext {
  env: Record<string, string>;
  workdir: string;
  user: string;
}

/** A failed step: its number from 1, `base` for the base template, or `finalize` for the start command. */
export class StepError extends Error {
  override name = 'StepError';
  readonly step: string;

  constructor(step: number | 'base' | 'finalize', message: string) {
    super(message);
    this.step = String(step);
  }
}

export interface StepTools {
  sandbox: Sandbox;
  /** Path of the archive of a COPY step; undefined if it was not uploaded. */
  archive(filesHash: string): string | undefined;
  log(message: string, level?: 'info' | 'error'): void;
}

const INSTALLS =
  /(?:^|[\s;&|(])(?:apt|apt-get|apk|dnf|yum|pacman|pip3?|uv|npm|pnpm|yarn|bun|gem|cargo|go)\s+(?:-\S+\s+)*(?:install|add|update|upgrade|i|ci|get|sync)\b/;
const UPLOADED = '/tmp/.template-upload';

/** Unpacks an archive and copies `SRC` to `DEST` like COPY in a Dockerfile. */
const COPY = `set -e
from=$(mktemp -d)
tar -xf ${UPLOADED} -C "$from"
rm -f ${UPLOADED}
chown -R "$OWNER": "$from"
[ -z "$MODE" ] || chmod -R "$MODE" "$from"
cd "$from"
shopt -s nullglob dotglob globstar
IFS=
matches=($SRC)
[ \${#matches[@]} -gt 0 ] || { echo "no file matches $SRC" >&2; exit 1; }
if [ \${#matches[@]} -gt 1 ] || [ -d "\${matches[0]}" ] || [ -d "$DEST" ] || [[ $DEST == */ ]]; then
  new=$([ -e "$DEST" ] || echo yes)
  mkdir -p "$DEST"
  for match in "\${matches[@]}"; do
    if [ -d "$match" ]; then cp -a "$match/." "$DEST/"; else cp -a "$match" "$DEST/"; fi
  done
  [ -z "$new" ] || chown "$OWNER": "$DEST"
else
  mkdir -p "$(dirname "$DEST")"
  cp -a "\${matches[0]}" "$DEST"
fi
rm -rf "$from"`;

/**
 * Runs the steps. Skips those that install packages, with a line in the log.
 *
 * @returns the environment of the template's sandboxes
 * @throws StepError with the number of the step
 */
export async function runSteps(
  steps: readonly BuildStep[],
  start: BuildContext,
  tools: StepTools,
): Promise<BuildContext> {
  const context = { ...start, env: { ...start.env } };
  for (const [index, step] of steps.entries()) {
    const number = index + 1;
    tools.log(`[${number}/${steps.length}] ${step.type} ${step.args.filter(Boolean).join(' ')}`);
    if (installsPackages(step)) {
      tools.log('left out: the sandboxes have the packages of the base, and no others');
      continue;
    }
    try {
      await runStep(step, context, tools);
    } catch (error) {
      if (error instanceof StepError) throw error;
      const exit =
        error instanceof CommandExitError
          ? `exit status ${error.exitCode}`
          : `command failed: ${errorText(error)}`;
      const stderr =
        error instanceof CommandExitError && error.stderr.trim()
          ? `: ${error.stderr.trim().slice(-500)}`
          : '';
      const what =
        step.type === 'RUN'
          ? `failed to run command '${step.args[0]}'`
          : `failed to ${step.type} ${step.args[0] ?? ''}`;
      throw new StepError(number, `${what}: ${exit}${stderr}`);
    }
  }
  return context;
}

/**
 * Checks before the first step that the simulator can carry out all of them.
 *
 * @param skipPackages whether steps that install packages are skipped
 * @throws StepError for the first step that it cannot carry out
 */
export function assertSupportedSteps(steps: readonly BuildStep[], skipPackages: boolean): void {
  for (const [index, step] of steps.entries()) {
    const { type, args } = step;
    const refuse = (why: string) => {
      throw new StepError(index + 1, `step ${index + 1}, ${type} ${args[0] ?? ''}: ${why}`);
    };
    if (!['COPY', 'ENV', 'WORKDIR', 'USER', 'RUN'].includes(type))
      refuse('the local E2B simulator does not know this kind of step');
    if (installsPackages(step) && !skipPackages)
      refuse(
        'a local sandbox has no network to install packages from; the switch template-packages=skip builds without them',
      );
  }
}

function installsPackages({ type, args }: BuildStep): boolean {
  return type === 'RUN' && INSTALLS.test(args[0] ?? '');
}

async function runStep(step: BuildStep, context: BuildContext, tools: StepTools): Promise<void> {
  const { sandbox } = tools;
  const [first = '', second = '', third = '', fourth = ''] = step.args;
  const asRoot = (command: string, envs: Record<string, string> = {}) =>
    sandbox.commands.run(command, { user: 'root', cwd: '/', envs, timeoutMs: 0 });
  /** Expands variables like a shell of the template's user within double quotes. */
  const expanded = async (value: string): Promise<string> => {
    if (!/[$\\]/.test(value)) return value;
    const { env: envs, user } = context;
    const quoted = value.replace(/["`]/g, '\\$&');
    return (await sandbox.commands.run(`printf %s "${quoted}"`, { user, envs, cwd: '/' })).stdout;
  };
  switch (step.type) {
    case 'ENV':
      for (let at = 0; at + 1 < step.args.length; at += 2)
        context.env[step.args[at] as string] = await expanded(step.args[at + 1] as string);
      return;
    case 'WORKDIR':
      context.workdir = absolute(await expanded(first), context.workdir);
      await asRoot('[ -d "$AT" ] || { mkdir -p "$AT" && chown "$OWNER": "$AT"; }', {
        AT: context.workdir,
        OWNER: context.user,
      });
      return;
    case 'USER':
      await asRoot('id -u "$NAME" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$NAME"', {
        NAME: first,
      });
      context.user = first;
      return;
    case 'COPY': {
      const archive = tools.archive(step.filesHash ?? '');
      if (!archive) throw new Error(`the files of ${first} were not uploaded`);
      await sandbox.files.write(UPLOADED, Readable.toWeb(createReadStream(archive)) as ReadableStream, {
        user: 'root',
      });
      const dest = absolute(second, context.workdir);
      await asRoot(`bash -c '${COPY.replaceAll("'", `'\\''`)}'`, {
        SRC: first.replace(/^\.\//, '').replace(/\/$/, '') || '.',
        DEST: second.endsWith('/') && !dest.endsWith('/') ? `${dest}/` : dest,
        OWNER: third || context.user,
        MODE: fourth,
      });
      return;
    }
    default:
      await sandbox.commands.run(first, {
        user: second || context.user,
        cwd: context.workdir,
        envs: context.env,
        timeoutMs: 0,
        onStdout: (text) => tools.log(text.trimEnd()),
        onStderr: (text) => tools.log(text.trimEnd(), 'error'),
      });
  }
}

function absolute(path: string, workdir: string): string {
  return path.startsWith('/') ? path : `${workdir.replace(/\/$/, '')}/${path.replace(/^\.\//, '')}`;
}

/** The SDK puts an error's code in brackets; builds report it in envd's form, `code: message`. */
function errorText(error: unknown): string {
  const words = error instanceof Error ? error.message : String(error);
  return words.replace(/^(?:\w+: )?\[(\w+)\] /, '$1: ');
}
