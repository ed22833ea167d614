// What is known of resolved actions besides the answer: which commit a reference stood for before, and, where the
// operator switched it on, whether a branch or a tag of the repository leads to the commit.

import type { ActionFactsPort, LookedUp, SendOwn } from '../flow/action-facts.ts';
import type { ReviewedAnswer } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { ActionTouch, Touch } from '../flow/operation.ts';
import { keyOf, RepositoryAsker, type Asked } from './repository-asker.ts';
import { readCommit } from './read-json.ts';
import { refKey, type SeenRefs } from './seen-refs.ts';

export class ActionFacts implements ActionFactsPort {
  readonly #seen: SeenRefs;
  readonly #asker = new RepositoryAsker();

  constructor(seen: SeenRefs) {
    this.#seen = seen;
  }

  async look(reviewed: ReviewedAnswer, runner: string, send: SendOwn | null): Promise<LookedUp> {
    const { operation } = reviewed;
    const known = operation.touches.map((touch) =>
      touch.kind === 'action' ? this.#withBefore(operation.server, touch) : touch,
    );
    if (send === null) return { operation: { ...operation, touches: known }, evidence: tellMoves(known) };
    const refs = await this.#asker.askAll(reviewed, runner, send);
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

const nameOf = ({ owner, name, ref }: ActionTouch): string => `${owner}/${name}@${ref}`;
