/** Parses JSON request bodies. */
import { badRequest } from './errors.ts';

/** `JSON.stringify` recurses: a deeper value in the state would break every later save. */
const MAX_DEPTH = 200;

/** Throws 400 for invalid JSON, and for JSON that is nested too deeply. */
export function parseJson(text: string): unknown {
  if (depthOf(text) > MAX_DEPTH) throw badRequest(`The request body is nested more than ${MAX_DEPTH} deep.`);
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('The request body is not valid JSON.');
  }
}

/** The deepest nesting of arrays and objects in a JSON text. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') inString = true;
    else if (char === '[' || char === '{') {
      depth += 1;
      deepest = Math.max(deepest, depth);
    } else if (char === ']' || char === '}') depth -= 1;
  }
  return deepest;
}
