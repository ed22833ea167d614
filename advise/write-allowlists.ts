// The derived allowlists as YAML: for each job of a GitLab the projects that must let its token in, and the
// permissions that each entry needs, with the calls behind them as comments on one line each.

import { type Uncounted, uncounted } from './count-call.ts';
import type { AllowlistTarget, BeyondAllowlist, JobAllowlists } from './derive-allowlists.ts';
import type { CallCount } from './derive-permissions.ts';

const maxCalls = 6;
const maxListed = 20;

/** One YAML document for each job. */
export function writeAllowlists(jobs: readonly JobAllowlists[]): string {
  return jobs.map((job) => `${writeJob(job).join('\n')}\n`).join('---\n');
}

function writeJob(job: JobAllowlists): string[] {
  const { project, server, runs, calls, targets, beyond } = job;
  return [
    oneLine(`# project ${project ?? '(unknown)'} on ${server}, job ${job.job ?? '(unknown)'}`),
    oneLine(`# ${plural(runs, 'run')}, ${plural(calls, 'call')} on other projects counted${notCounted(job)}`),
    ...(targets.length === 0 ? ['allowlists: []'] : ['allowlists:', ...targets.flatMap(writeTarget)]),
    ...beyond.slice(0, maxListed).map((one) => oneLine(`# ${tellBeyond(one)}`)),
    ...(beyond.length > maxListed ? [`# and ${beyond.length - maxListed} more`] : []),
  ];
}

function writeTarget({ target, kind, permissions }: AllowlistTarget): string[] {
  const named = permissions.filter(({ permission }) => permission !== null);
  const bare = permissions.find(({ permission }) => permission === null);
  const head = oneLine(
    `  - ${kind}: ${JSON.stringify(target)}${bare === undefined ? '' : ` # ${tellCalls(bare.calls)}`}`,
  );
  if (named.length === 0) return [head, '    permissions: []'];
  return [
    head,
    '    permissions:',
    ...named.map(({ permission, calls }) => oneLine(`      - ${permission} # ${tellCalls(calls)}`)),
  ];
}

function tellBeyond({ needs, target, method, path, ...count }: BeyondAllowlist): string {
  if (needs === null) return `unknown: ${method} ${path}, ${countText(count)}; nobody knows what it needs`;
  return `no job token may: ${countText(count)} on ${target} needs a token with the scope ${needs}`;
}

function tellCalls(calls: readonly CallCount[]): string {
  const texts = calls.slice(0, maxCalls).map(countText);
  return (calls.length > maxCalls ? [...texts, `${calls.length - maxCalls} more`] : texts).join(', ');
}

function notCounted({ notCounted: numbers }: JobAllowlists): string {
  // The keys are those of `uncounted`: nothing else is put in.
  const parts = (Object.entries(numbers) as [Uncounted, number][]).map(
    ([why, calls]) => `${calls} ${why === 'otherToken' ? 'with another credential' : uncounted[why]}`,
  );
  return parts.length === 0 ? '' : `; not counted: ${parts.join(', ')}`;
}

function countText({ operation, calls, runs }: CallCount): string {
  return `${operation} (${plural(calls, 'call')} in ${plural(runs, 'run')})`;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

/** No text of a record ends a line. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}
