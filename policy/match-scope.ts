// Does a scope apply to a job? Answers yes, no, or maybe: a scope that the unknown could make apply never grants,
// but what it forbids holds. A positive key whose value is unknown does not match.

import type { Job } from '../flow/job.ts';
import { canonicaliseHost } from './canonicalise-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { toEntries } from './read-values.ts';
import type { MatchFile, MatchKey } from './schema.ts';

export type Applies = 'yes' | 'maybe' | 'no';

type Condition =
  | { readonly key: MatchKey; readonly patterns: readonly (readonly Token[])[]; readonly flag: null }
  | { readonly key: MatchKey; readonly patterns: null; readonly flag: boolean };

export interface ScopeMatch {
  readonly conditions: readonly Condition[];
  readonly not: readonly Condition[];
}

const withoutCase: ReadonlySet<MatchKey> = new Set([
  'server',
  'owner',
  'repo',
  'project',
  'actor',
  'runnerGroup',
]);

/** What is known of jobs: keys that some source supplies, and keys of which a configured job has a value. */
interface Sources {
  readonly suppliedKeys: ReadonlySet<MatchKey>;
  readonly knownKeys: ReadonlySet<MatchKey>;
}

/** Compiles `match`; reports keys that no source supplies and refs that are not full. */
export function compileMatch(
  match: MatchFile,
  path: ValuePath,
  list: ProblemList,
  sources: Sources,
): ScopeMatch {
  const { not, ...rest } = match;
  return {
    conditions: compileConditions(rest, path, list, sources),
    not: not === undefined ? [] : compileConditions(not, [...path, 'not'], list, sources),
  };
}

function compileConditions(
  match: Omit<MatchFile, 'not'>,
  path: ValuePath,
  list: ProblemList,
  sources: Sources,
): Condition[] {
  // Object.entries widens the keys that the schema fixes.
  const entries = Object.entries(match) as [MatchKey, string | string[] | boolean][];
  return entries.map(([key, value]) => {
    checkKey(key, [...path, key], list, sources);
    if (typeof value === 'boolean') return { key, patterns: null, flag: value };
    const patterns = toEntries<string>(value, [...path, key]).map(([text, at]) =>
      readMatchText(key, text, at, list),
    );
    return { key, patterns, flag: null };
  });
}

function checkKey(
  key: MatchKey,
  at: ValuePath,
  list: ProblemList,
  { suppliedKeys, knownKeys }: Sources,
): void {
  if (!suppliedKeys.has(key)) {
    list.error(at, `no configured source of jobs supplies "${key}"`, 'the scope could never apply', 'key');
  } else if (!knownKeys.has(key)) {
    const message = `no job of the configuration says its "${key}": the scope applies to none of them`;
    list.warn(at, message, 'say it of the jobs, or match another key');
  }
}

function readMatchText(key: MatchKey, text: string, at: ValuePath, list: ProblemList): Token[] {
  if (text.includes('{'))
    list.error(at, `"${text}" holds a placeholder, which is not yet supported`, 'write the value');
  if (key === 'ref' && !text.startsWith('refs/')) {
    list.error(at, `"${text}" is no full ref`, `write "refs/heads/${text}" or "refs/tags/${text}"`);
  }
  if (key === 'repo' && text.split('/').length < 2) {
    list.error(at, `"${text}" names no repository`, 'write "owner/name"; for all of an owner use "owner"');
  }
  const tokens: Token[] = [];
  for (const part of splitText(key, text)) {
    const token = readToken(part);
    if (token === null)
      list.error(at, `"${part}" glues ** to other text`, 'use * inside a part, ** as a part');
    else {
      if (token.kind === 'many') tokens.push({ kind: 'one' });
      tokens.push(token);
    }
  }
  return tokens;
}

function splitText(key: MatchKey, text: string): string[] {
  const folded = withoutCase.has(key) ? text.toLowerCase() : text;
  return folded.split(key === 'server' ? '.' : '/');
}

/** What a job says to each key of `match`: parts as patterns see them, a flag, or null when it is not known. */
export type JobValues = Readonly<Record<MatchKey, readonly string[] | boolean | null>>;

/** Reads a job once for all scopes. */
export function readJob(job: Job): JobValues {
  const parts = (key: MatchKey, value: string | null) => (value === null ? null : splitText(key, value));
  return {
    server: parts('server', readServer(job.server)),
    owner: parts('owner', job.repository?.split('/')[0] ?? null),
    repo: parts('repo', job.repository),
    project: parts('project', job.platform === 'gitlab' ? job.repository : null),
    workflow: parts('workflow', job.workflow),
    calledWorkflow: parts('calledWorkflow', job.calledWorkflow),
    ref: parts('ref', job.ref),
    event: parts('event', job.event),
    environment: parts('environment', job.environment),
    job: parts('job', job.name),
    actor: parts('actor', job.actor),
    runnerGroup: parts('runnerGroup', job.runnerGroup),
    fork: job.fork,
    protected: job.protected,
  };
}

/** The keys to which some of these jobs have a value. */
export function findKnownKeys(jobs: Iterable<Job>): Set<MatchKey> {
  const known = new Set<MatchKey>();
  // Object.entries widens the keys that JobValues fixes.
  for (const job of jobs)
    for (const [key, value] of Object.entries(readJob(job))) if (value !== null) known.add(key as MatchKey);
  return known;
}

function readServer(server: string): string {
  const host = canonicaliseHost(server);
  return host.kind === 'name' ? host.name : server;
}

/** Whether the scope applies; null stands for a job of which nothing is known. */
export function matchScope(match: ScopeMatch, job: JobValues | null): Applies {
  if (job === null) return 'maybe';
  if (!match.conditions.every((condition) => holds(condition, job) === true)) return 'no';
  let applies: Applies = 'yes';
  for (const condition of match.not) {
    const result = holds(condition, job);
    if (result === true) return 'no';
    if (result === null) applies = 'maybe';
  }
  return applies;
}

/** Null when the job's value is not known. */
function holds(condition: Condition, job: JobValues): boolean | null {
  const value = job[condition.key];
  if (value === null) return null;
  if (typeof value === 'boolean' || condition.patterns === null) return value === condition.flag;
  return condition.patterns.some((tokens) => matchesSequence(tokens, value, value.length));
}
