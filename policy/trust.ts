// Writes need trust: a rule that grants one applies where a scope names the ref or the environment, or says why any
// will do, and never to events that run other people's input with the rights of the base branch.

import { provenJob, type Attribution } from '../flow/job.ts';
import type { Operation } from '../flow/operation.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';
import { toList } from './read-values.ts';
import type { OperationRule } from './rule.ts';
import type { MatchFile } from './schema.ts';

/** What a scope says of the runs that it is for. */
export interface LayerTrust {
  /** A ref or an environment is named. */
  readonly namesRef: boolean;
  readonly namesEvent: boolean;
}

export const noTrust: LayerTrust = { namesRef: false, namesEvent: false };

/** Names that nobody gives: patterns that match them match everything. */
const anyName = ['zq7'];
const anyRefs = [
  ['refs', 'heads', 'zq7'],
  ['refs', 'tags', 'zq7'],
];

/** Reads it from `match`; patterns that together match any branch and any tag, or everything, name nothing. */
export function readTrust(match: MatchFile): LayerTrust {
  const names = (value: MatchFile['ref'], probes: readonly (readonly string[])[]) => {
    const patterns = toList<string>(value).map(readPattern);
    const isMatched = (probe: readonly string[]) =>
      patterns.some((tokens) => tokens.length === 0 || matchesSequence(tokens, probe, probe.length));
    return patterns.length > 0 && !probes.every(isMatched);
  };
  return {
    namesRef: names(match.ref, anyRefs) || names(match.environment, [anyName]),
    namesEvent: names(match.event, [anyName]),
  };
}

/** As `match` reads it; empty for what it refuses. */
function readPattern(text: string): Token[] {
  const tokens = text.split('/').map(readToken);
  return tokens.flatMap((token) => (token === null ? [] : [token]));
}

/** Events whose runs have the base branch's rights and read what anybody may write (docs.github.com, "Events that trigger workflows"). */
const foreignEvents: ReadonlySet<string> = new Set([
  'pull_request_target',
  'workflow_run',
  'issue_comment',
  'issues',
  'discussion',
  'discussion_comment',
]);

/** Writes that report on a run and change nothing that others build: they need no named ref (docs/policy.md). */
const exemptOperations: ReadonlySet<string> = new Set([
  'code-scanning/upload-sarif',
  'checks/create',
  'checks/update',
  'checks/create-suite',
  'repos/create-commit-status',
]);
/** What a runner and its platform say to each other, before and after jobs too: a rule that spells it out is enough. */
const runnerOperations: ReadonlySet<string> = new Set([
  'runner/session',
  'runner/poll',
  'runner/acknowledge',
  'runner/acquire-job',
  'runner/renew-job',
  'runner/complete-job',
  'runner/token',
  'job/steps',
  'job/events',
  'log/upload',
  'runner/request-job',
  'runner/update-job',
  'runner/append-trace',
]);

const exemptPermissions: ReadonlySet<string> = new Set(['security-events', 'checks', 'statuses']);

/** True when a write that this rule grants is one to this job, in this scope. */
export function isTrusted(
  rule: OperationRule,
  trust: LayerTrust,
  operation: Operation,
  attribution: Attribution,
): boolean {
  const [job, { source }] = [provenJob(attribution), attribution];
  if (exemptOperations.has(operation.name)) return true;
  if (!trust.namesRef && !rule.anyRef) return false;
  if (runnerOperations.has(operation.name) && spellsOut(rule, operation.name)) return true;
  if (trust.namesEvent) return true;
  if (job === null) return false;
  if (job.fork === true) return false;
  // Who declares a job may leave the event out; a job's own message never does.
  return job.event === null ? source === 'declared' : !foreignEvents.has(job.event);
}

const spellsOut = ({ operations }: OperationRule, name: string): boolean =>
  operations?.some((token) => token.kind === 'literal' && token.text === name) === true;

/** Reports a rule that grants a write where no ref and no environment is named. */
export function checkTrust(rule: OperationRule, trust: LayerTrust, at: ValuePath, list: ProblemList): void {
  if (rule.isBlock || rule.anyRef || trust.namesRef || !grantsWrite(rule)) return;
  list.error(
    at,
    `${rule.id} grants a write, and no ref or environment is named`,
    'put it into a scope whose match names "ref" or "environment", or say anyRef: "why any will do"',
  );
}

/** True for a rule that grants more than reports and reads. */
function grantsWrite({ access, permissions, operations, mutations }: OperationRule): boolean {
  if (mutations.size > 0) return true;
  if (access === 'read') return false;
  if (permissions !== null)
    return Object.entries(permissions).some(
      ([key, level]) => level === 'write' && !exemptPermissions.has(key),
    );
  const isExempt = (text: string) => exemptOperations.has(text);
  return (
    operations === null || !operations.every((token) => token.kind === 'literal' && isExempt(token.text))
  );
}
