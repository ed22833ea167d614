// Failures that are not decisions, with stable codes, and the exit codes of every command.

export const errorCodes = {
  'config-invalid': 'the configuration has problems',
  'policy-invalid': 'the policy has problems',
  usage: 'the command line cannot be understood',
  'not-supported': 'the feature is not part of this release',
  'missing-privilege': 'a right of the process is missing',
  'missing-program': 'a program that the command needs is missing',
  kernel: 'the kernel refused a request',
  'record-unavailable': 'a record could not be written',
  'keeper-unavailable': 'the keeper is gone or refused',
  authority: 'the authority’s certificate or key is not usable',
  'runner-limit': 'a runner asks for more than its share',
  upstream: 'an upstream failed',
  internal: 'an error of the program itself',
} as const satisfies Record<string, string>;
export type ErrorCode = keyof typeof errorCodes;

/** A failure with a stable code; the message names the value and the remedy. */
export class SallyportError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SallyportError';
    this.code = code;
  }
}

/** One problem in a file that a person wrote; lines and columns count from 1. */
export interface Problem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly remedy: string;
}

/** All problems of a configuration or policy at once. */
export class InvalidInputError extends SallyportError {
  readonly problems: readonly Problem[];
  constructor(code: 'config-invalid' | 'policy-invalid', problems: readonly Problem[]) {
    super(code, problems.map(formatProblem).join('\n'));
    this.problems = problems;
  }
}

export function formatProblem(problem: Problem): string {
  const remedy = problem.remedy === '' ? '' : `; ${problem.remedy}`;
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.severity}: ${problem.message}${remedy}`;
}

/** Exit codes of every command (docs/reference/commands.md). `run` passes its command's own code on. */
export const exitCodes = {
  ok: 0,
  /** The answer is no: doctor found a hole, explain found a block, check --strict found warnings. */
  failed: 1,
  /** The command line, configuration or policy is invalid. */
  usage: 2,
  /** The kernel or a missing privilege prevented it. */
  unavailable: 69,
  /** An error of the program itself. */
  software: 70,
  /** `run --mode block` or `--fail-on-block`: the command ended with 0, and flows of it were blocked. */
  blocked: 77,
  /** `run`: the command could not be started (as a shell reports it). */
  notExecutable: 126,
  notFound: 127,
} as const;
