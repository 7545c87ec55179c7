// Temporal's own UI in a real browser: an encrypted history is opaque, until the browser may use the codec server.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Child, startChild } from '../../harness/child.ts';
import { freePort } from '../../harness/free-port.ts';
import { workflowUrl } from '../../harness/session-workflow.ts';
import { commands, openSession, takeTurn } from '../../harness/turns.ts';
import type { World } from '../../harness/world.ts';
import { projectPath } from '../../src/paths.ts';
import { startTestWorld } from '../test-world.ts';
import { startChromium } from './chromium.ts';

const TOKEN = 'a-token-of-the-codec-server';
const SECRET = 'inner-secret';

let folder: string;
let world: World;
let browser: Browser;
let codecServer: Child;
let codecUrl: string;
let sessionId: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'encrypted-ui-'));
  writeFileSync(join(folder, 'one.key'), randomBytes(32).toString('base64'));
  writeFileSync(join(folder, 'token'), TOKEN);
  const encryption = { TEMPORAL_ENCRYPTION_KEY_FOLDER: folder, TEMPORAL_ENCRYPTION_KEY_ID: 'one' };
  world = await startTestWorld({ ui: true, settings: async () => encryption });
  browser = await startChromium();

  sessionId = await openSession(world);
  await takeTurn(world.anthropic, sessionId, commands(`echo ${SECRET}`));

  const port = await freePort();
  codecUrl = `http://127.0.0.1:${port}`;
  codecServer = await startChild('codec-server', [projectPath('src/main.ts'), 'codec-server'], {
    env: {
      TEMPORAL_ENCRYPTION_KEY_FOLDER: folder,
      CODEC_SERVER_TOKEN_FILE: join(folder, 'token'),
      CODEC_SERVER_PORT: String(port),
      CODEC_SERVER_UI_ORIGIN: world.uiUrl ?? '',
    },
    cwd: folder,
    logFile: join(folder, 'codec-server.log'),
  });
}, 120_000);
afterAll(async () => {
  await browser?.close();
  await codecServer?.stop();
  await world?.close();
  rmSync(folder, { recursive: true });
});

/** The session's page in the UI, once its history is shown. */
async function openHistory(page: Page): Promise<void> {
  await page.goto(workflowUrl(world, sessionId));
  await page.waitForURL('**/timeline');
  await page.goto(page.url().replace(/timeline$/, 'history'));
  await page.getByText('runToolCall').first().waitFor();
}

async function chooseCodecServer(page: Page): Promise<void> {
  await page.getByTestId('data-encoder-status').click();
  await page.locator('#use-local-endpoint-radio').check({ force: true });
  await page.getByLabel('Codec Server browser endpoint').fill(codecUrl);
  await page.getByText('Include cross-origin credentials').last().click();
  await page.getByRole('button', { name: 'Apply' }).click();
}

const shows = (page: Page) => page.getByText(SECRET).count();

it('shows nothing of a history without the codec server', async () => {
  const page = await browser.newPage();
  await openHistory(page);
  expect(await shows(page)).toBe(0);
  await page.close();
});

it('shows nothing to a browser without the token', async () => {
  const page = await browser.newPage();
  await openHistory(page);
  await chooseCodecServer(page);
  await page.reload();
  await expect.poll(() => readFileSync(codecServer.logFile, 'utf8')).toContain('request refused');
  expect(await shows(page)).toBe(0);
  await page.close();
});

it('shows the history in clear text to a browser that has logged in at the codec server', async () => {
  const context = await browser.newContext({
    httpCredentials: { username: 'anyone', password: TOKEN, origin: codecUrl },
  });
  const page = await context.newPage();
  expect((await page.goto(`${codecUrl}/login`))?.status()).toBe(200);
  await openHistory(page);
  await chooseCodecServer(page);
  await openHistory(page);
  await expect.poll(() => shows(page)).toBeGreaterThan(0);
  await context.close();
});
