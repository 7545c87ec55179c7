/** envd's metrics, measured inside the sandbox. */
import { readdir, readFile, statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const SAMPLE_MS = 100;
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;

interface Usage {
  ticks: number;
  bytes: number;
}

/** Sizes in bytes; CPU use in percent of one core, measured over a tenth of a second. */
export async function measure(): Promise<Record<string, number>> {
  const before = await usage();
  const started = performance.now();
  await sleep(SAMPLE_MS);
  const after = await usage();
  const seconds = (performance.now() - started) / 1000;
  const disk = await statfs('/');
  const used = Math.max(0, (after.ticks - before.ticks) / TICKS_PER_SECOND / seconds) * 100;
  return {
    ts: Math.floor(Date.now() / 1000),
    cpu_count: cpus().length,
    cpu_used_pct: Math.round(used * 100) / 100,
    mem_total: totalmem(),
    mem_used: after.bytes,
    disk_total: disk.blocks * disk.bsize,
    disk_used: (disk.blocks - disk.bfree) * disk.bsize,
  };
}

async function usage(): Promise<Usage> {
  const total = { ticks: 0, bytes: 0 };
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The process name, in parentheses, may contain any character: read the fields after it.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    total.ticks += Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    total.bytes += Number(fields[21] ?? 0) * PAGE_BYTES;
  }
  return total;
}
