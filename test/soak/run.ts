// `npm run soak`: the soak for as long as asked, and a table of what held.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { soak, type SoakResult } from './soak.ts';

const usage = `usage: npm run soak -- [--seconds N | --minutes N] [--json] [--out FILE]

Puts a gateway of its own, in network namespaces of its own, under mixed traffic of two runners for 20 s (or as long as
asked), replaces its policy, kills one of its two workers again and again, and upgrades it at the end. Needs root.
  --json      print the result as JSON, progress on standard error
  --out FILE  write the dated table there as well
Exit codes: 0 everything held, 1 something did not, 2 the command line is wrong, 70 it could not run.
`;

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        json: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    const seconds = values.minutes === undefined ? Number(values.seconds ?? 20) : 60 * Number(values.minutes);
    if (!(seconds >= 5 && seconds <= 7 * 86_400)) throw new Error('between 5 seconds and 7 days');
    return { ...values, seconds };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return null;
  }
}

function format(result: SoakResult): string {
  const rows = result.checks.map(({ check, result: found, bound, isHeld }) => [
    isHeld ? 'held' : 'LOST',
    check,
    found,
    bound,
  ]);
  const table = [['', 'check', 'result', 'bound'], ...rows];
  const widths = [0, 1, 2, 3].map((at) => Math.max(...table.map((row) => row[at]!.length)));
  const lines = table.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at]!))
      .join('  ')
      .trimEnd(),
  );
  const kinds = Object.entries(result.calm).map(([kind, { begun, done }]) => {
    const other = result.shaken[kind];
    return `  ${kind.padEnd(12)} ${done}/${begun}, at the killed worker ${other?.done ?? 0}/${other?.begun ?? 0}`;
  });
  const failures = JSON.stringify(Object.entries(result.calm).map(([kind, { failed }]) => [kind, failed]));
  const head = `${new Date().toISOString()}: ${result.seconds} s, ${result.reloads} new policies, ${result.kills} kills`;
  return `${head}\n\n${lines.join('\n')}\n\ncame back whole of those begun:\n${kinds.join('\n')}\nfailures beside the killed worker: ${failures}\n`;
}

async function main(): Promise<number> {
  const values = readArguments();
  if (values === null) return 2;
  if (values.help === true) {
    process.stdout.write(usage);
    return 0;
  }
  const onProgress = (text: string): void => void process.stderr.write(`${text}\n`);
  const result = await soak({ seconds: values.seconds, upgrade: true, onProgress });
  const text = format(result);
  process.stdout.write(values.json === true ? `${JSON.stringify(result)}\n` : text);
  if (values.out !== undefined) writeFileSync(values.out, text);
  return result.checks.every(({ isHeld }) => isHeld) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 70;
}
