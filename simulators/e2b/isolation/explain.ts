/** Explains why a host cannot isolate sandboxes: translates the system's messages into remedies. */
import { existsSync, readFileSync } from 'node:fs';

const CONTAINER =
  'This container may not create namespaces: run it with --privileged ' +
  '(or --security-opt seccomp=unconfined --security-opt systempaths=unconfined).';

const REMEDIES: [RegExp, string][] = [
  [/No space left on device/, 'User namespaces are disabled: sysctl -w user.max_user_namespaces=15000.'],
  [
    /wrong fs type|not supported as upperdir|bad option|overlay/,
    'Put the state folder (--state) on a real file system such as ext4, xfs or tmpfs; Linux 5.11 or newer is needed.',
  ],
  [/root\/proc: permission denied|proc: .*(denied|not permitted)/i, CONTAINER],
  [/not permitted|EPERM|permission denied|EACCES/i, CONTAINER],
];

/** Thrown when a sandbox cannot be booted on this host. */
export class IsolationError extends Error {
  override name = 'IsolationError';
}

/** Throws an IsolationError on hosts that can never run a sandbox. */
export function assertSupportedHost(): void {
  if (process.platform === 'linux' && hasUnshare()) return;
  throw new IsolationError(
    'The local sandboxes need Linux with util-linux (namespaces, overlayfs). Elsewhere use "docker compose --profile demo run --rm demo", or set E2B_API_KEY to use E2B.',
  );
}

export function explainBootFailure(reason: string): IsolationError {
  const remedy = appArmorBlocks() ?? REMEDIES.find(([pattern]) => pattern.test(reason))?.[1];
  return new IsolationError(
    `a local sandbox could not start: ${reason.slice(-800)}${remedy ? `\n${remedy}` : ''}`,
  );
}

function appArmorBlocks(): string | undefined {
  const path = '/proc/sys/kernel/apparmor_restrict_unprivileged_userns';
  if (process.geteuid?.() === 0 || !existsSync(path) || readFileSync(path, 'utf8').trim() !== '1')
    return undefined;
  return 'AppArmor blocks user namespaces: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root.';
}

function hasUnshare(): boolean {
  return (process.env.PATH ?? '').split(':').some((dir) => existsSync(`${dir}/unshare`));
}
