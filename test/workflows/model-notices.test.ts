// What the model reads is part of the product: each text, word for word.
import { expect, it } from 'vitest';
import * as notices from '../../workflows/model-notices.ts';

const TEXTS: [string, string][] = [
  [
    'files-lost',
    '[The sandbox of this session was lost. This is a new one: files written earlier no longer exist.]',
  ],
  [
    'files-rolled-back',
    '[The sandbox of this session was resumed in an earlier state: what was done in it last is undone. Check files before you rely on them.]',
  ],
  [
    'sandbox-replaced',
    '[A person has replaced the sandbox of this session. This is a new one: files written earlier no longer exist.]',
  ],
  [
    'withoutMemory',
    '[Memory is not available now (a reason): its folders may not show what is saved. What is written there is saved when memory is back, if the sandbox still exists by then.]',
  ],
  [
    'MEDIA_LOST',
    '[The tool returned an image or a document. It could not be delivered at once, and was lost with its sandbox. Read the file again if it still exists.]',
  ],
  ['sandboxUnavailable', 'The sandbox for this session could not be started: a reason'],
  ['CALL_ORPHANED', 'The command was left behind when its worker went away; it was not run.'],
  [
    'SANDBOX_LOST',
    'The sandbox that ran this command no longer exists. Whether the command had an effect is unknown, and it was not run again. The session continues in a new, empty sandbox.',
  ],
  [
    'SANDBOX_REPLACED',
    'A person replaced the sandbox while this command ran in it. Whether the command had an effect is unknown, and it was not run again. The session continues in a new, empty sandbox.',
  ],
  [
    'SANDBOX_ROLLED_BACK',
    'The sandbox went back to an earlier state while this command ran. Whether it had an effect is unknown.',
  ],
  ['CUT_OFF', 'The command was cut off when its sandbox was restarted; it may have had an effect.'],
  [
    'INTERRUPTED',
    'The command was interrupted by the user. If it had begun it was stopped, and it may have had an effect.',
  ],
  ['callFailed', 'The tool could not be run: a reason'],
  [
    'outputRefused',
    'The command ran, but its output was refused by the API and cannot be shown. Do not repeat it for its output alone: write the output to a file and read it in parts. The refusal: a reason',
  ],
];

const byName: Record<string, unknown> = { ...notices, ...notices.FILES_NOTICES };

it.each(TEXTS)('%s', (name, text) => {
  const notice = byName[name];
  expect(typeof notice === 'string' ? notice : (notice as (reason: string) => string)('a reason')).toBe(text);
});

it('has each text above', () => {
  const names = Object.keys(byName).filter((name) => name !== 'errorResult' && name !== 'FILES_NOTICES');
  expect(TEXTS.map(([name]) => name).sort()).toEqual(names.sort());
});

it('is an error where it stands in place of an output', () => {
  expect(notices.errorResult(notices.CUT_OFF)).toEqual({
    content: [{ type: 'text', text: notices.CUT_OFF }],
    isError: true,
  });
});
