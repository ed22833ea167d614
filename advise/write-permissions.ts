// The derived permissions as YAML to be pasted into a workflow: a block for each job, with the calls behind each line
// as comments. Texts of the records stay in comments, on one line each.

import type { Permission } from '../flow/operation.ts';
import type { NeedSet } from '../platform/need-sets.ts';
import { type Uncounted, uncounted } from './count-call.ts';
import type { CallCount, JobPermissions, PermissionLine } from './derive-permissions.ts';
import { compareGranted } from './granted-permissions.ts';

const maxCalls = 6;
const maxListed = 20;

/** One YAML document for each job. `granted`: what the workflow grants today, where it is known. */
export function writePermissions(jobs: readonly JobPermissions[], granted: Permission | null): string {
  return jobs.map((job) => `${writeJob(job, granted).join('\n')}\n`).join('---\n');
}

function writeJob(job: JobPermissions, granted: Permission | null): string[] {
  const { lines } = job;
  return [
    comment(`repository ${job.repository ?? '(unknown)'} on ${job.server}`),
    comment(`workflow ${job.workflow ?? '(unknown)'}, job ${job.job ?? '(unknown)'}`),
    comment(`${plural(job.runs, 'run')}, ${plural(job.calls, 'call')} counted${notCounted(job)}`),
    ...(lines.length === 0
      ? ['permissions: {}']
      : ['permissions:', ...lines.map((line) => writeLine(line, job.checkout))]),
    ...listed(job.undecided, (one) => [
      `undecided: ${countText(one)} needs ${needText(one.alternatives)}; the smallest set has ${setText(one.chosen)}`,
    ]),
    ...listed(job.ungrantable, (one) => [`no key grants: ${one.needs}, which ${countText(one)} needs`]),
    ...listed(job.unknown, (one) => [
      `unknown: ${one.method} ${one.path}, ${countText(one)}; nobody knows what it needs` +
        (one.accepted === null ? '' : `, GitHub names ${needText(one.accepted)}`),
    ]),
    ...(granted === null ? [] : difference(granted, job.permissions)),
  ];
}

function writeLine({ key, level, calls }: PermissionLine, isCheckedOut: boolean): string {
  const told = calls.filter((call) => call.level === level);
  const texts = told.slice(0, maxCalls).map(countText);
  if (told.length > maxCalls) texts.push(`${told.length - maxCalls} more`);
  if (key === 'contents' && level === 'read' && isCheckedOut) texts.unshift('checkout');
  return oneLine(`  ${key}: ${level} # ${texts.join(', ')}`);
}

function listed<T>(all: readonly T[], write: (one: T) => string[]): string[] {
  const lines = all.slice(0, maxListed).flatMap(write).map(comment);
  return all.length > maxListed ? [...lines, comment(`and ${all.length - maxListed} more`)] : lines;
}

function difference(granted: Permission, needed: Permission): string[] {
  const { remove, lower, add } = compareGranted(granted, needed);
  const say = (word: string, keys: readonly string[], levels: Permission): string[] =>
    keys.length === 0 ? [] : [comment(`${word}: ${keys.map((key) => `${key}: ${levels[key]}`).join(', ')}`)];
  const lines = [
    ...say('granted and not needed', remove, granted),
    ...say('granted as write, read is enough', lower, needed),
    ...say('needed and not granted', add, needed),
  ];
  return lines.length > 0 ? lines : [comment('granted: exactly this')];
}

function notCounted(job: JobPermissions): string {
  // The keys are those of `uncounted`: nothing else is put in.
  const parts = (Object.entries(job.notCounted) as [Uncounted, number][]).map(
    ([why, calls]) => `${calls} ${uncounted[why]}`,
  );
  return parts.length === 0 ? '' : `; not counted: ${parts.join(', ')}`;
}

function countText({ operation, calls, runs }: CallCount): string {
  return `${operation} (${plural(calls, 'call')} in ${plural(runs, 'run')})`;
}

function needText(needs: NeedSet): string {
  return needs.length === 0 ? 'nothing that a key grants' : needs.map(setText).join(' or ');
}

function setText(set: Permission): string {
  const text = Object.entries(set).map(([key, level]) => `${key}: ${level}`);
  return text.length === 0 ? 'nothing' : text.join(' + ');
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}

function comment(text: string): string {
  return oneLine(`# ${text}`);
}

/** No text of a record ends a comment. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}
