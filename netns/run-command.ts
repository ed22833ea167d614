// `sallyport run`: one command behind a gateway of its own, and the table of what it reached.

import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Mode } from '../flow/decision.ts';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { readSegments } from '../store/read-segments.ts';
import { FlowTable, formatTable, type FlowSummary } from './flow-table.ts';
import { GatedNamespace } from './gated-namespace.ts';
import type { Io, StartGateway } from './gateway-port.ts';
import { declareJob, jobOptions, jobUsage } from './job-flags.ts';
import { prepareRunPolicy } from './run-policy.ts';

const usage = `usage: sallyport run [--policy FILE] [--mode audit|block] [OPTIONS] [JOB FLAGS] -- COMMAND

Runs COMMAND in a network namespace of its own, behind a gateway, as the calling user, and ends with its exit code.
With --mode block it ends with ${exitCodes.blocked} instead of 0 when flows of COMMAND were blocked.
Without --policy everything is let through and recorded.
  --state DIR        keep records, authority and log there (default: removed at the end)
  --fail-on-block    the same without --mode block; --no-fail-on-block: always COMMAND's own exit code
  --authority FILE   PEM file of an authority that servers may use besides the system's; may be repeated
  --host-access      leave COMMAND the host's daemons (system bus, Docker, ...) and root's rights over namespaces;
                     what they do for it is neither held nor recorded
  --json             print {flows, allowed, blocked, exitCode}; what COMMAND prints goes to standard error
${jobUsage}`;

/** Runs the command and answers its exit code. @throws SallyportError */
export async function runRun(args: readonly string[], io: Io, startGateway: StartGateway): Promise<number> {
  const { values, command } = readArguments(args);
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  if (command.length === 0) throw new SallyportError('usage', `no command was given\n${usage}`);
  const mode = readMode(values.mode);
  requireRoot();
  const gate = await GatedNamespace.open({
    startGateway,
    stateDirectory: values.state === undefined ? null : resolve(values.state),
    policy: (directory) => prepareRunPolicy(values.policy, mode, directory),
    job: (addresses) => declareJob(values, addresses),
    extraAuthorities: (values.authority ?? []).map((path) => resolve(path)),
  });
  const segments = join(gate.stateDirectory, 'segments');
  const held = openSync(segments, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const exitCode = await gate.run(command, {
      stdio: values.json ? 'stderr' : 'inherit',
      hasHostAccess: values['host-access'] === true,
    });
    const end = gate.gatewayEnd;
    await gate.stopGateway();
    // By descriptor: the command may own the directory that the records lie in, and put others there.
    const summary = await summarise(`/proc/self/fd/${held}`);
    const isReplaced = !isSame(held, segments);
    const isAsked = values['fail-on-block'] ?? mode === 'block';
    const isFailed = exitCode === 0 && summary.blocked > 0 && isAsked;
    report(io, summary, exitCode, values.json === true);
    if (exitCode === 0 && summary.blocked > 0) io.stderr.write(explainExit(isFailed));
    if (isReplaced) {
      io.stderr.write(`${segments} was replaced meanwhile: what lies there now is not what was recorded\n`);
      return exitCode === 0 ? exitCodes.software : exitCode;
    }
    if (end !== null) {
      io.stderr.write(
        `the gateway ended meanwhile (${end}): what came after was blocked, and is in no record\n`,
      );
      return exitCode === 0 ? exitCodes.software : exitCode;
    }
    return isFailed ? exitCodes.blocked : exitCode;
  } finally {
    closeSync(held);
    await gate.close();
  }
}

function isSame(held: number, path: string): boolean {
  const [was, is] = [fstatSync(held), statSync(path, { throwIfNoEntry: false })];
  return is !== undefined && was.ino === is.ino && was.dev === is.dev;
}

function explainExit(isFailed: boolean): string {
  return isFailed
    ? `the command ended with 0 although flows of it were blocked: exit code ${exitCodes.blocked} (--no-fail-on-block keeps 0)\n`
    : `the command ended with 0 although flows of it were blocked; --fail-on-block ends with ${exitCodes.blocked} then\n`;
}

function readArguments(args: readonly string[]) {
  const end = args.indexOf('--');
  const own = end < 0 ? args : args.slice(0, end);
  try {
    const { values } = parseArgs({
      args: [...own],
      allowNegative: true,
      options: {
        policy: { type: 'string' },
        mode: { type: 'string' },
        state: { type: 'string' },
        'fail-on-block': { type: 'boolean' },
        authority: { type: 'string', multiple: true },
        'host-access': { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
        ...jobOptions,
      },
    });
    return { values, command: end < 0 ? [] : args.slice(end + 1) };
  } catch (error) {
    throw new SallyportError(
      'usage',
      `${error instanceof Error ? error.message : String(error)}\n${usage}`,
      error,
    );
  }
}

function readMode(text: string | undefined): Mode | undefined {
  if (text === undefined || text === 'audit' || text === 'block') return text;
  throw new SallyportError('usage', `--mode ${text}: it is audit or block`);
}

/** @throws SallyportError missing-privilege */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new SallyportError(
    'missing-privilege',
    'network namespaces need root: run it with sudo (the command still runs as you)',
  );
}

/** Puts the records of a directory of segments together. */
export async function summarise(segments: string): Promise<FlowSummary> {
  const table = new FlowTable();
  for await (const record of readSegments(segments)) table.add(record);
  return table.summary();
}

function report(io: Io, summary: FlowSummary, exitCode: number, isJson: boolean): void {
  if (isJson) {
    io.stdout.write(`${JSON.stringify({ ...summary, exitCode })}\n`);
    return;
  }
  // Standard output belongs to the command: its reader may be a program.
  io.stderr.write(`\n${formatTable(summary, io.stderr.columns ?? 120)}`);
}
