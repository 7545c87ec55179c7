// The rules for changes of workflows after 1.0: kept by the product, and shown to catch what they are for on a workflow
// of ten lines in two versions, the example of docs/changing-workflows.md.
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { NativeConnection, Worker, type WorkflowBundle } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { projectPath } from '../../src/paths.ts';
import { PATCHES as PRODUCT_PATCHES } from '../../workflows/patches.ts';
import { PATCHES } from '../fixtures/changing-workflows/patches.ts';
import { readHistories, type SavedHistory } from '../histories/saved-history.ts';
import { quietTemporal } from '../quiet-temporal.ts';
import { newNamespace, type TestNamespace } from '../temporal-namespace.ts';
import { brokenRules, bundle, markersOf, type Rules } from './patch-rules.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 120_000 });
quietTemporal();

it('the product keeps the rules', async () => {
  const folder = projectPath('workflows');
  const rules = { patches: PRODUCT_PATCHES, folder, workflowsPath: join(folder, 'index.ts') };
  expect(await brokenRules({ ...rules, histories: readHistories() })).toEqual([]);
});

describe('the example', () => {
  const FIXTURE = projectPath('test/fixtures/changing-workflows');
  const OLD = readFileSync(join(FIXTURE, 'order-1.0.ts'), 'utf8');
  const NEW = readFileSync(join(FIXTURE, 'order-1.1.ts'), 'utf8');
  const REGISTRY = readFileSync(join(FIXTURE, 'patches.ts'), 'utf8');
  let namespace: TestNamespace;
  let connection: NativeConnection;
  let folder: string;
  let before: SavedHistory;
  let after: SavedHistory;

  beforeAll(async () => {
    namespace = await newNamespace();
    connection = await NativeConnection.connect(namespace.config.connectionOptions);
    mkdirSync(projectPath('.cache'), { recursive: true });
    // As deep as the fixture lies, for its import of the product's registry.
    folder = mkdtempSync(projectPath('.cache/patches-'));
    before = await record(await versionOf(OLD));
    after = await record(await versionOf(NEW));
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await connection?.close();
    await namespace?.close();
  });

  /** Writes a version of the workflow into a folder of its own. */
  function write(order: string): { folder: string; workflowsPath: string } {
    const own = mkdtempSync(join(folder, 'version-'));
    writeFileSync(join(own, 'patches.ts'), REGISTRY);
    writeFileSync(join(own, 'order.ts'), order);
    return { folder: own, workflowsPath: join(own, 'order.ts') };
  }
  const versionOf = (order: string) => bundle(write(order).workflowsPath);

  async function record(workflowBundle: WorkflowBundle): Promise<SavedHistory> {
    const taskQueue = randomUUID();
    const activities = { reserve: async () => {}, charge: async () => {}, ship: async () => {} };
    const options = {
      connection,
      namespace: namespace.config.namespace,
      taskQueue,
      workflowBundle,
      activities,
    };
    const worker = await Worker.create(options);
    const { workflow } = namespace.client;
    const handle = await workflow.start('order', { taskQueue, workflowId: taskQueue, args: ['a book'] });
    await worker.runUntil(handle.result());
    return JSON.parse(historyToJSON(await handle.fetchHistory()));
  }

  const replay = (workflowBundle: WorkflowBundle, history: SavedHistory) =>
    Worker.runReplayHistory({ workflowBundle }, history);
  const rules = (order: string, histories: Rules['histories'], patches: Rules['patches'] = PATCHES) =>
    brokenRules({ patches, histories, ...write(order) });

  it('an order from before replays with the patch, and not with the bare change', async () => {
    const bare = NEW.replace("if (isPatched('charge-before-shipping')) ", '');
    expect(bare).not.toBe(NEW);
    await expect(replay(await versionOf(bare), before)).rejects.toThrow(/Nondeterminism|nondeterminism/);
    await replay(await versionOf(NEW), before);
  });

  it('a new order takes the new branch, and its history says so', async () => {
    expect(markersOf(before)).toEqual([]);
    expect(markersOf(after)).toEqual(['charge-before-shipping']);
    expect(JSON.stringify(after)).toContain('"charge"');
    await replay(await versionOf(NEW), after);
    await expect(replay(await versionOf(OLD), after)).rejects.toThrow(/ondeterminism/);
  });

  it('keeps the rules with a history of each version', async () => {
    const histories = { order: after, 'before-charge-before-shipping': before };
    expect(await rules(NEW, histories)).toEqual([]);
  });

  it('an id that is used and not listed', async () => {
    const order = NEW.replace("'charge-before-shipping'", "'charge-later'");
    expect(await rules(order, { order: after })).toContain(
      'order.ts asks for charge-later, which is not listed',
    );
    const own = NEW.replace('isPatched(', 'patched(');
    expect(await rules(own, { order: after })).toContain(
      "order.ts calls Temporal's own patched(): list the patch in patches.ts",
    );
  });

  it('a listed id of which no history has the marker', async () => {
    expect(await rules(NEW, { 'before-charge-before-shipping': before })).toEqual([
      'no history has the marker of charge-before-shipping: record one',
    ]);
  });

  it('a history of the current version that replays a branch which new runs do not take', async () => {
    await replay(await versionOf(NEW), before);
    expect(await rules(NEW, { order: after, 'another-story': before })).toEqual([
      'another-story replays a branch that new runs do not take: record it anew',
    ]);
  });

  it('a listed id that nothing asks for, and one that does not say what it is', async () => {
    const patches = { ...PATCHES, chargeTwice: { why: '', since: 'soon', mayGo: '' } };
    expect(await rules(NEW, { order: after }, patches)).toEqual([
      'chargeTwice is not in kebab-case',
      'chargeTwice does not say why, since which version, and when it may go',
      'no workflow asks for chargeTwice: delete it',
    ]);
  });

  it('once the old branch is deleted, histories with the marker still replay', async () => {
    const retired = NEW.replace(
      "if (isPatched('charge-before-shipping')) await",
      "retirePatch('charge-before-shipping');\n  await",
    ).replace('{ isPatched }', '{ retirePatch }');
    expect(retired).toContain("retirePatch('charge");
    expect(await rules(retired, { order: after })).toEqual([]);
    await replay(await versionOf(retired), after);
  });
});
