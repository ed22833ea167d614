// Which repositories, projects, images and accounts a rule names.

import { provenJob, type Attribution, type Job } from '../flow/job.ts';
import type { Operation, Touch } from '../flow/operation.ts';
import { matchesSubject, type SubjectPattern } from './match-subject.ts';
import { matchesSequence } from './match-sequence.ts';
import type { OperationRule } from './rule.ts';

/** The job, where it is one of the server that is spoken to: elsewhere its names and numbers are somebody else's. */
export function findOwnJob({ platform, server }: Operation, attribution: Attribution): Job | null {
  const job = provenJob(attribution);
  return job !== null && job.platform === platform && job.server === server ? job : null;
}

/** True when the rule covers a repository or project by its names, which are in lower case. */
export function coversSegments(rule: OperationRule, segments: readonly string[], job: Job | null): boolean {
  if (rule.family !== 'github' && rule.family !== 'gitlab') return false;
  return (
    rule.subjects.some((pattern) => matchesSubject(pattern, segments, job)) &&
    !rule.exceptSubjects.some((pattern) => matchesSubject(pattern, segments, job))
  );
}

/** True when the rule covers an image, by registry and name. */
export function coversImage(
  rule: OperationRule,
  image: string,
  operation: Operation,
  attribution: Attribution,
): boolean {
  const { platform } = operation;
  const segments = image.toLowerCase().split('/');
  if (rule.family === 'aws') return coversEcr(rule, segments[0]!);
  const own = findOwnJob(operation, attribution);
  // Images of a forge's own registry lie under the name of their repository.
  if (rule.family === 'gitlab' && rule.family === platform)
    return coversBelowProject(rule, segments.slice(1), own);
  if (rule.family !== 'images' && rule.family === platform)
    return segments.length >= 3 && coversSegments(rule, segments.slice(1, 3), own);
  if (rule.family !== 'images') return false;
  // Whose names lie in a registry the rule says itself.
  const job = provenJob(attribution);
  return (
    rule.subjects.some((pattern) => matchesSubject(pattern, segments, job)) &&
    !rule.exceptSubjects.some((pattern) => matchesSubject(pattern, segments, job))
  );
}

/**
 * Images of a project of GitLab lie at its path or below it, and no project lies below another: one that is spelt out
 * owns all of that. What only a wildcard reaches may be a group: an allow is not sure of it, a block need not be.
 */
function coversBelowProject(rule: OperationRule, path: readonly string[], job: Job | null): boolean {
  const matches = (patterns: readonly SubjectPattern[], isSure: boolean): boolean =>
    patterns.some((pattern) =>
      path.some((_, at) => {
        const isWhole = at + 1 === path.length;
        const mayOwn = isWhole || !isSure || isSpeltOut(pattern);
        return at > 0 && mayOwn && matchesSubject(pattern, path.slice(0, at + 1), job);
      }),
    );
  return matches(rule.subjects, !rule.isBlock) && !matches(rule.exceptSubjects, rule.isBlock);
}

const isSpeltOut = ({ parts }: SubjectPattern): boolean =>
  parts.every((part) => part.kind === 'job' || part.kind === 'literal');

const ecrHost = /^(\d{12})\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?$/;

/** A registry of images is of the account that its host names. */
export function coversEcr(rule: OperationRule, registry: string): boolean {
  const account = ecrHost.exec(registry)?.[1] ?? null;
  return account !== null && coversCloud(rule, { account, service: 'ecr', bucket: null });
}

/** True when the rule covers what a call touches of a cloud; an account that is not known is none of the named. */
export function coversCloud(
  { cloud }: OperationRule,
  { account, service, bucket }: Pick<Extract<Touch, { kind: 'cloud' }>, 'account' | 'service' | 'bucket'>,
): boolean {
  if (cloud === null) return false;
  if (cloud.accounts !== null && (account === null || !cloud.accounts.has(account))) return false;
  if (cloud.services !== null && !cloud.services.has(service)) return false;
  if (cloud.buckets === null) return true;
  // A bucket names an object store's own; other services have none.
  return bucket !== null && cloud.buckets.some((token) => matchesSequence([token], [bucket], 1));
}
