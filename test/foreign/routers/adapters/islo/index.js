/** The part of Islo's SDK that their router uses, implemented with E2B sandboxes. */
import { randomUUID } from 'node:crypto';
import { CommandExitError, Sandbox } from 'e2b';

export class Islo {
  #runs = new Map();

  sandboxes = {
    createSandbox: async ({ name, env, snapshot_name }) => {
      const options = { envs: env, metadata: { name }, timeoutMs: 3_600_000 };
      const sandbox = await Sandbox.create(snapshot_name ?? 'base', options);
      await sandbox.commands.run('mkdir -p /workspace', { user: 'root' });
      return { id: sandbox.sandboxId, name, status: 'running' };
    },
    getSandbox: async ({ sandbox_name }) => {
      const [info] = await Sandbox.list({ query: { metadata: { name: sandbox_name } } }).nextItems();
      if (!info) throw new Error('404: sandbox not found');
      return { id: info.sandboxId, name: sandbox_name, status: info.state };
    },
    execInSandbox: async ({ sandbox_name, body }) => {
      const { id } = await this.sandboxes.getSandbox({ sandbox_name });
      const sandbox = await Sandbox.connect(id);
      const exec_id = randomUUID();
      const line = body.command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
      const options = { user: 'root', cwd: body.workdir, timeoutMs: (body.timeout_secs ?? 120) * 1000 };
      this.#runs.set(exec_id, { exec_id, status: 'running', exit_code: null });
      const end = ({ exitCode, stdout, stderr }) =>
        this.#runs.set(exec_id, { exec_id, status: 'completed', exit_code: exitCode, stdout, stderr });
      sandbox.commands.run(line, options).then(end, (error) => {
        if (error instanceof CommandExitError) end(error);
        else this.#runs.set(exec_id, { exec_id, status: 'failed', exit_code: -1, stderr: String(error) });
      });
      return { exec_id };
    },
    getExecResult: async ({ exec_id }) => this.#runs.get(exec_id),
    deleteSandbox: async ({ sandbox_name }) => {
      const { id } = await this.sandboxes.getSandbox({ sandbox_name });
      await Sandbox.kill(id);
    },
  };

  snapshots = {
    createSnapshot: async ({ sandbox_id, name }) => {
      const { snapshotId } = await Sandbox.createSnapshot(sandbox_id, { name: name?.toLowerCase() });
      return { id: snapshotId, name: snapshotId, status: 'ready', sandbox_id };
    },
    deleteSnapshot: async ({ name }) => void (await Sandbox.deleteSnapshot(name)),
  };
}
