// The package's version, as /health and the logs show it.
import { readFileSync } from 'node:fs';
import { projectPath } from './paths.ts';

export const VERSION: string = JSON.parse(readFileSync(projectPath('package.json'), 'utf8')).version;
