// What is known of resolved actions besides the answer: which commit a reference stood for before, and, where the
// operator switched it on, whether a branch or a tag of the repository leads to the commit.

import type { ActionFactsPort, LookedUp, SendOwn } from '../flow/action-facts.ts';
import type { ReviewedAnswer } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { ActionTouch, Touch } from '../flow/operation.ts';
import { askHistory, askRefs, type RefsQuestion } from './ask-refs.ts';
import { readCommit } from './read-json.ts';
import { refKey, type SeenRefs } from './seen-refs.ts';

/** Repositories that are asked at the same time for one answer. */
const maxAsking = 2;
const maxLookMs = 20_000;

export class ActionFacts implements ActionFactsPort {
  readonly #seen: SeenRefs;

  constructor(seen: SeenRefs) {
    this.#seen = seen;
  }

  async look(reviewed: ReviewedAnswer, send: SendOwn | null): Promise<LookedUp> {
    const { operation } = reviewed;
    const known = operation.touches.map((touch) =>
      touch.kind === 'action' ? this.#withBefore(operation.server, touch) : touch,
    );
    if (send === null) return { operation: { ...operation, touches: known }, evidence: tellMoves(known) };
    const refs = await askAll(reviewed, send);
    const touches = known.map((touch) => (touch.kind === 'action' ? withRefs(touch, refs) : touch));
    return {
      operation: { ...operation, touches },
      evidence: [...tellMoves(touches), ...tellOffBranch(touches, refs)],
    };
  }

  note(server: string, touches: readonly ActionTouch[]): void {
    for (const { owner, name, ref, commit } of touches)
      if (owner !== null && name !== null && ref !== null && commit !== undefined && readCommit(ref) === null)
        this.#seen.note(refKey(server, owner, name, ref), commit);
  }

  /** A whole commit id stands for itself, whatever was seen. */
  #withBefore(server: string, touch: ActionTouch): ActionTouch {
    const { owner, name, ref, commit } = touch;
    if (owner === null || name === null || ref === null || commit === undefined) return touch;
    const before = readCommit(ref) ?? this.#seen.find(refKey(server, owner, name, ref));
    return before === null || before === commit ? touch : { ...touch, before };
  }
}

/** By repository: those of the answer's commits that its branches and tags lead to, or why nobody could tell. */
type Asked = ReadonlyMap<string, ReadonlySet<string> | string>;

async function askAll({ operation, tokens }: ReviewedAnswer, send: SendOwn): Promise<Asked> {
  const { server: host, touches } = operation;
  const asked = new Map<string, { readonly question: RefsQuestion; readonly commits: Set<string> }>();
  touches.forEach((touch, at) => {
    if (touch.kind !== 'action' || touch.commit === undefined) return;
    const question = { host, repository: repositoryOf(touch), token: tokens[at] ?? null };
    const known = asked.get(keyOf(touch)) ?? { question, commits: new Set() };
    known.commits.add(touch.commit);
    asked.set(keyOf(touch), known);
  });
  const found = new Map<string, ReadonlySet<string> | string>();
  const waiting = [...asked];
  const until = Date.now() + maxLookMs;
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [key, { question, commits }] = next;
      const isLate = Date.now() >= until;
      found.set(key, isLate ? 'there was no time left to ask' : await askOne(send, question, commits));
    }
  };
  await Promise.all(Array.from({ length: maxAsking }, work));
  return found;
}

/** Most commits are at a branch or a tag; for the others the history is asked for. */
async function askOne(
  send: SendOwn,
  question: RefsQuestion,
  commits: ReadonlySet<string>,
): Promise<ReadonlySet<string> | string> {
  const tips = await askRefs(send, question);
  if (typeof tips === 'string') return tips;
  const rest = commits.difference(tips);
  if (rest.size === 0 || tips.size === 0) return tips;
  const behind = await askHistory(send, question, tips, rest);
  if (typeof behind !== 'string') return tips.union(behind);
  return rest.size < commits.size ? tips : behind;
}

function withRefs(touch: ActionTouch, asked: Asked): ActionTouch {
  if (touch.commit === undefined) return touch;
  const refs = asked.get(keyOf(touch));
  if (refs === undefined || typeof refs === 'string') return { ...touch, onRef: 'unknown' };
  return { ...touch, onRef: refs.has(touch.commit) ? 'yes' : 'no' };
}

function tellMoves(touches: readonly Touch[]): Evidence[] {
  return touches.flatMap((touch) =>
    touch.kind === 'action' && touch.before !== undefined
      ? [
          {
            kind: 'moved-ref',
            detail: `${nameOf(touch)}: ${touch.before} before, ${touch.commit} now`,
          } as const,
        ]
      : [],
  );
}

function tellOffBranch(touches: readonly Touch[], asked: Asked): Evidence[] {
  return touches.flatMap((touch): Evidence[] => {
    if (touch.kind !== 'action' || (touch.onRef !== 'no' && touch.onRef !== 'unknown')) return [];
    const refs = asked.get(keyOf(touch));
    const why =
      touch.onRef === 'no'
        ? 'no branch and no tag leads there'
        : typeof refs === 'string'
          ? refs
          : 'nobody could say';
    return [{ kind: 'off-branch', detail: `${nameOf(touch)}: ${touch.commit}: ${why}` }];
  });
}

const repositoryOf = ({ owner, name, foundAs }: ActionTouch): string => foundAs ?? `${owner}/${name}`;
const keyOf = (touch: ActionTouch): string => repositoryOf(touch).toLowerCase();
const nameOf = ({ owner, name, ref }: ActionTouch): string => `${owner}/${name}@${ref}`;
