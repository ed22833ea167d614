// `sallyport check POLICY`: every problem of a policy with its place, or what the policy comes to.

import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { stringify } from 'yaml';
import { exitCodes, formatProblem, InvalidInputError, SallyportError, type Problem } from '../flow/errors.ts';
import { expandPolicy } from './expand-policy.ts';
import { loadPolicy, readPolicyBundle, type LoadOptions } from './load.ts';
import type { Policy } from './compile.ts';

/** Where a command reads and writes. */
export interface CommandIo {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

const help = `usage: sallyport check POLICY [--config FILE] [--expand] [--strict] [--json]

  --config   sallyport.yaml: also warn of scopes that none of its jobs can match, and of rules
             that its mode cannot put into effect; say how old its fetched malware feed is
  --expand   print what presets, bundles and defaults come to
  --strict   exit 1 when there are warnings
  --json     one object {ok, revision, mode, rules, problems, notes?, expanded?}

Exit codes: 0 valid, 1 --strict and warnings, 2 invalid.
`;

const options = {
  config: { type: 'string' },
  expand: { type: 'boolean', default: false },
  strict: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/**
 * Runs the command; answers its exit code. `readOptions` says what a configuration knows of its jobs, `tellNotes` what
 * else there is to say of it.
 * @throws SallyportError usage, InvalidInputError of the configuration
 */
export async function checkPolicy(
  args: readonly string[],
  io: CommandIo,
  readOptions: (configPath: string) => LoadOptions = () => ({}),
  tellNotes: (configPath: string) => readonly string[] = () => [],
): Promise<number> {
  const { values, positionals } = readArguments(args);
  if (values.help) {
    io.stdout.write(help);
    return exitCodes.ok;
  }
  const [path] = positionals;
  if (path === undefined || positionals.length > 1)
    throw new SallyportError('usage', `one POLICY is needed\n${help}`);
  const loaded = tryLoad(path, values.config === undefined ? {} : readOptions(values.config));
  const problems = loaded.problems.map((problem) => ({
    ...problem,
    file: join(dirname(path), problem.file),
  }));
  const notes = values.config === undefined ? [] : tellNotes(values.config);
  const json = { ...toJson(loaded.policy, problems, values.expand), ...(notes.length > 0 && { notes }) };
  if (values.json) io.stdout.write(`${JSON.stringify(json)}\n`);
  else {
    printText(loaded.policy, problems, values.expand, io);
    // Apart from what is printed of the policy, which a program may read.
    for (const note of notes) io.stderr.write(`${note}\n`);
  }
  if (loaded.policy === null) return exitCodes.usage;
  return values.strict && problems.length > 0 ? exitCodes.failed : exitCodes.ok;
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new SallyportError(
      'usage',
      `${error instanceof Error ? error.message : String(error)}\n${help}`,
      error,
    );
  }
}

function tryLoad(
  path: string,
  options: LoadOptions,
): { policy: Policy | null; problems: readonly Problem[] } {
  try {
    const { policy, warnings } = loadPolicy(readPolicyBundle(path), options);
    return { policy, problems: warnings };
  } catch (error) {
    if (error instanceof InvalidInputError) return { policy: null, problems: error.problems };
    throw error;
  }
}

function toJson(
  policy: Policy | null,
  problems: readonly Problem[],
  isExpanded: boolean,
): Record<string, unknown> {
  return {
    ok: policy !== null,
    revision: policy?.revision ?? null,
    mode: policy?.mode ?? null,
    rules: policy?.ruleCount ?? null,
    problems,
    ...(isExpanded && policy !== null && { expanded: expandPolicy(policy) }),
  };
}

function printText(
  policy: Policy | null,
  problems: readonly Problem[],
  isExpanded: boolean,
  io: CommandIo,
): void {
  for (const problem of problems) io.stderr.write(`${formatProblem(problem)}\n`);
  if (policy === null) return;
  if (isExpanded) io.stdout.write(stringify(expandPolicy(policy), { lineWidth: 0 }));
  else {
    const { revision, mode, ruleCount, scopes } = policy;
    io.stdout.write(
      `valid: revision ${revision}, mode ${mode}, ${ruleCount} rules, ${scopes.length} scopes\n`,
    );
  }
}
