// docs/logs.md names exactly the fields that the sources log.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectPath } from '../../src/paths.ts';

/** Of every line, by the logger. */
const COMMON = ['level', 'time', 'pid', 'msg', 'traceId'];

function sources(folder: string): string[] {
  return readdirSync(projectPath(folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.startsWith('cli/'))
    .map((path) => readFileSync(projectPath(join(folder, path)), 'utf8'));
}

/** The names of the fields in the objects that a source logs; `...name` for what is spread. */
function loggedFields(source: string): string[] {
  return [...source.matchAll(/\blog(?:\.\w+|\[[^\]]*\])\(\s*\{(.*?)\},/gs)].flatMap(([, fields = '']) => {
    // What lies in brackets is a value.
    let flat = fields;
    for (let before = ''; before !== flat; ) {
      before = flat;
      flat = flat.replace(/\([^()]*\)|\{[^{}]*\}/g, '');
    }
    return flat.split(',').flatMap((field) => field.split(':')[0]?.trim() || []);
  });
}

it('docs/logs.md documents every field that is logged, and no other', () => {
  const logged = new Set([...sources('src'), ...sources('activities')].flatMap(loggedFields));
  expect([...logged]).toEqual(expect.arrayContaining(['sessionId', 'sandboxId', 'callId', 'workId']));
  const page = readFileSync(projectPath('docs/logs.md'), 'utf8');
  const documented = [...page.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
  const spread = [...logged].filter((name) => name.startsWith('...'));
  // What is spread is an error, or fields of Temporal's own lines.
  const fields = [...logged].filter((name) => !spread.includes(name));
  expect([...new Set([...fields, ...COMMON])].sort()).toEqual([...documented].sort());
});
