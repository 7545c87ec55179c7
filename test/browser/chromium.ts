// Chromium without a window. Playwright drives it; the browser itself is the distribution's.
import { spawnSync } from 'node:child_process';
import { type Browser, chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];

/** @throws Error that says how to install Chromium */
export async function startChromium(): Promise<Browser> {
  const named = process.env.CHROMIUM;
  const executablePath = [...(named ? [named] : []), ...NAMES].find(
    (name) => spawnSync(name, ['--version']).status === 0,
  );
  if (!executablePath)
    throw new Error(
      'Chromium not found. Install it (Debian: apt-get install chromium), or set CHROMIUM=/path/to/chromium',
    );
  // Its own sandbox needs rights that containers do not give; the pages are our own.
  return await chromium.launch({ executablePath: pathOf(executablePath), args: ['--no-sandbox'] });
}

function pathOf(name: string): string {
  return name.includes('/') ? name : spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim();
}
