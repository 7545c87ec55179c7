// `doctor`: checks settings, credentials and services side by side, and says what to do. Changes nothing.
import { type Command, InvalidArgumentError } from 'commander';
import { inspectConfig } from '../../config.ts';
import { scrub } from '../../log.ts';
import { type CommandContext, EXIT } from '../command.ts';
import { counted } from '../counted.ts';
import { type Output, oneLine } from '../output.ts';
import { anthropicChecks } from './anthropic.ts';
import { type CheckResult, runChecks, type Verdict } from './check.ts';
import { configurationChecks } from './configuration.ts';
import { e2bChecks } from './e2b.ts';
import { networkChecks } from './network.ts';
import { temporalChecks } from './temporal.ts';
import { webhookChecks } from './webhook.ts';

/** Errors of services may be long. */
const MAX_TEXT = 500;

export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('check settings, keys and services, and say what to do; changes nothing')
    .option(
      '--webhook-url <url>',
      'address of the webhook server (default: host and port as configured)',
      httpUrl,
    )
    .action(async ({ webhookUrl }: { webhookUrl?: string }) => {
      const inspection = inspectConfig(context.environment());
      const results = await runChecks([
        ...configurationChecks(inspection),
        ...temporalChecks(inspection),
        ...webhookChecks(inspection, webhookUrl),
        ...anthropicChecks(inspection),
        ...e2bChecks(inspection),
        ...networkChecks(inspection),
      ]);
      const shown = results.map((result) => withoutSecrets(result, inspection.secrets));
      const problems = shown.filter(({ verdict }) => verdict === 'problem').length;
      const output = context.output();
      output.result({ ok: problems === 0, checks: shown }, () => describe(output, shown));
      context.end(problems === 0 ? EXIT.done : EXIT.failed);
    });
}

function httpUrl(text: string): string {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError('Write http://host:port.');
  return new URL(text).origin;
}

/** Texts quote errors of services, which could quote anything. */
function withoutSecrets({ cure, ...result }: CheckResult, secrets: readonly string[]): CheckResult {
  const safe = (text: string) => oneLine(scrub(text, secrets)).slice(0, MAX_TEXT);
  return { ...result, text: safe(result.text), ...(cure === undefined ? {} : { cure: safe(cure) }) };
}

const COLORS: Record<Verdict, 'green' | 'yellow' | 'red' | 'dim'> = {
  ok: 'green',
  warning: 'yellow',
  problem: 'red',
  'not checked': 'dim',
};

function describe(output: Output, results: readonly CheckResult[]): string {
  const lines = results.flatMap(({ area, name, verdict, text, cure }) => [
    ...wrap(`${verdict.padEnd(11)} `, `${area}: ${name}: ${text}`, output.width, (start) =>
      output.style(COLORS[verdict], start),
    ),
    ...(cure === undefined || verdict === 'ok' ? [] : wrap(' '.repeat(12), `→ ${cure}`, output.width)),
  ]);
  const count = (wanted: Verdict) => results.filter(({ verdict }) => verdict === wanted).length;
  const [problems, warnings, unchecked] = [count('problem'), count('warning'), count('not checked')];
  lines.push(
    '',
    `${counted(problems, 'problem')}, ${counted(warnings, 'warning')}, ${count('ok')} ok, ${unchecked} not checked`,
  );
  return lines.join('\n');
}

/** Wraps text at spaces and indents it below `start`. */
function wrap(start: string, text: string, width: number, style = (prefix: string) => prefix): string[] {
  const room = Math.max(20, width - start.length);
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((each, index) => `${index === 0 ? style(start) : ' '.repeat(start.length)}${each}`);
}
