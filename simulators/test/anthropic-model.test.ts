import { describe, expect, test } from 'vitest';
import { bashCommand, scriptFor } from '../anthropic/scripted-model.ts';

describe('the scripted model reads a message', () => {
  test.each([
    ['Use bash to echo hi.', 'echo hi'],
    ['Use bash to run: echo ok. Reply with only the output.', 'echo ok'],
    ['Please use the bash tool to run the command `ls -la`, then reply with it.', 'ls -la'],
    ['Use bash to echo ok and then reply with the output.', 'echo ok'],
    ["Use bash to echo 'a. b' > x.txt && cat x.txt. Thanks.", "echo 'a. b' > x.txt && cat x.txt"],
    ['Use bash to "date". Thanks.', 'date'],
    ['Use bash to "$HOME/bin/x" --y.', '"$HOME/bin/x" --y'],
    ['Use bash to find . -name x.ts', 'find . -name x.ts'],
    ['Use bash to cat file.txt.\nAnd be quick.', 'cat file.txt'],
    ["Use bash to printf '%s' \"it's\". Then stop.", "printf '%s' \"it's\""],
    ['use bash to ls ..', 'ls ..'],
  ])('%s', (text, command) => {
    expect(bashCommand(text)).toBe(command);
    expect(scriptFor(text)).toEqual([{ calls: [{ name: 'bash', input: { command } }] }]);
  });

  test('as plain talk when no tool is named', () => {
    for (const text of ['hello', 'I use bash every day', 'Use bash to ']) {
      expect(scriptFor(text)).toEqual([{ say: `I have read your message of ${text.length} characters.` }]);
    }
  });

  test('as a script when it holds a block of tools', () => {
    const steps = [
      [{ name: 'bash', input: { command: 'a' } }, { name: 'read' }],
      { say: 'x' },
      { name: 'glob', input: { pattern: '*' } },
    ];
    expect(scriptFor(`Do this:\n\`\`\`tools\n${JSON.stringify(steps)}\n\`\`\`\nUse bash to date.`)).toEqual([
      {
        calls: [
          { name: 'bash', input: { command: 'a' } },
          { name: 'read', input: {} },
        ],
      },
      { say: 'x' },
      { calls: [{ name: 'glob', input: { pattern: '*' } }] },
    ]);
  });

  test.each([
    '{}',
    '[]',
    '[[]]',
    '[{"name":1}]',
    '[{"say":"x","name":"y"}]',
    '[null]',
    '[[{"input":{}}]]',
    '[',
  ])('as a mistake when the block is %s', (block) => {
    const [step] = scriptFor(`\`\`\`tools\n${block}\n\`\`\``);
    expect(step).toEqual({ say: expect.stringMatching(/^The tools block is not/) });
  });
});
