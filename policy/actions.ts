// What policy says of the actions that a runner has resolved: lists, pins, references that moved, commits that no
// branch and no tag leads to.

import type { ActionTouch, Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { matchesAction, readActionPattern, type ActionPattern } from './match-action.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { toEntries } from './read-values.ts';
import type { ActionsFile } from './schema.ts';

type Word = 'allow' | 'detect' | 'block';

export interface ActionTerms {
  /** Null: every action. */
  readonly allow: readonly ActionPattern[] | null;
  readonly unpinned: Word;
  readonly allowUnpinned: readonly ActionPattern[];
  readonly movedRef: Word;
  readonly allowMoves: readonly ActionPattern[];
  readonly offBranch: Word;
  readonly allowOffBranch: readonly ActionPattern[];
}

/** Why an action is not let through; recorded only where the policy says `detect`. */
export interface ActionRefusal {
  readonly reason: Reason;
  /** The key that says so. */
  readonly rule: string;
  readonly isRecordedOnly: boolean;
}

/** Reads the key of the top level; null where it is not there. */
export function readActionTerms(
  file: ActionsFile | undefined,
  path: ValuePath,
  list: ProblemList,
): ActionTerms | null {
  if (file === undefined) return null;
  const read = (key: 'allow' | 'allowUnpinned' | 'allowMoves' | 'allowOffBranch') =>
    readPatterns(file[key], [...path, key], list);
  return {
    allow: file.allow === undefined ? null : read('allow'),
    unpinned: file.pinned === undefined ? 'allow' : file.pinned === 'required' ? 'block' : 'detect',
    allowUnpinned: read('allowUnpinned'),
    movedRef: file.movedRef ?? 'detect',
    allowMoves: read('allowMoves'),
    offBranch: file.offBranch ?? 'allow',
    allowOffBranch: read('allowOffBranch'),
  };
}

function readPatterns(
  value: string | readonly string[] | undefined,
  path: ValuePath,
  list: ProblemList,
): ActionPattern[] {
  return toEntries<string>(value, path).flatMap(([text, at]) => {
    const read = readActionPattern(text);
    if ('pattern' in read) return [read.pattern];
    list.error(at, read.problem, read.remedy);
    return [];
  });
}

/** The first reason why one of the actions may not be had, else the first that is only recorded, or null. */
export function findActionRefusal(terms: ActionTerms, operation: Operation): ActionRefusal | null {
  const refusals = operation.touches.flatMap((touch) =>
    touch.kind === 'action' ? (judgeAction(terms, touch) ?? []) : [],
  );
  return refusals.find(({ isRecordedOnly }) => !isRecordedOnly) ?? refusals[0] ?? null;
}

/** Why one action may not be had, or null; what was not found out yet refuses nothing. */
export function judgeAction(terms: ActionTerms, touch: ActionTouch): ActionRefusal | null {
  const { owner, ref, commit, before, onRef } = touch;
  if (owner === null || ref === null) return refuse('action-unread', 'actions', 'block');
  const isIn = (patterns: readonly ActionPattern[]) =>
    patterns.some((pattern) => matchesAction(pattern, touch));
  const found: ActionRefusal[] = [];
  if (terms.allow !== null && !isIn(terms.allow))
    found.push(refuse('action-unlisted', 'actions.allow', 'block'));
  if (!isPinned(ref) && terms.unpinned !== 'allow' && !isIn(terms.allowUnpinned))
    found.push(refuse('action-unpinned', 'actions.pinned', terms.unpinned));
  // A commit that stands for another one is never a move.
  const mayMove = !isPinned(ref) && isIn(terms.allowMoves);
  if (commit !== undefined && before !== undefined && terms.movedRef !== 'allow' && !mayMove)
    found.push(refuse('moved-ref', 'actions.movedRef', terms.movedRef));
  if ((onRef === 'no' || onRef === 'unknown') && terms.offBranch !== 'allow' && !isIn(terms.allowOffBranch))
    found.push(refuse('off-branch', 'actions.offBranch', terms.offBranch));
  return found.find(({ isRecordedOnly }) => !isRecordedOnly) ?? found[0] ?? null;
}

const isPinned = (ref: string): boolean => /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i.test(ref);

function refuse(reason: Reason, rule: string, word: Word): ActionRefusal {
  return { reason, rule, isRecordedOnly: word === 'detect' };
}

/** What policy says of single actions, for those who resolve them. */
export interface ActionWords {
  /** Repositories are asked for their branches and tags. */
  readonly asksRepositories: boolean;
  /** Why the action may not be had, or null; what is only recorded may be had. */
  refusal(touch: ActionTouch): ActionRefusal | null;
}

/** Null where policy says nothing of actions. */
export function actionWordsOf(terms: ActionTerms | null): ActionWords | null {
  if (terms === null) return null;
  return {
    asksRepositories: terms.offBranch !== 'allow',
    refusal: (touch) => {
      const refusal = judgeAction(terms, touch);
      return refusal === null || refusal.isRecordedOnly ? null : refusal;
    },
  };
}
