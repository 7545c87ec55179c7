/** JSON bodies, read as the API reads them. */
import { badRequest } from './errors.ts';

/** What is kept is written again, and writers recurse: deeper values would break every save from then on. */
const MAX_DEPTH = 200;

/** Throws 400 for what is not JSON or nested too deeply. */
export function parseJson(text: string): unknown {
  if (depthOf(text) > MAX_DEPTH) throw badRequest(`The request body is nested more than ${MAX_DEPTH} deep.`);
  try {
    return JSON.parse(text);
  } catch {
    throw badRequest('The request body is not valid JSON.');
  }
}

/** How deep lists and objects lie in each other. */
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
