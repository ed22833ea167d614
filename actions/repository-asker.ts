// Asks the repositories of an answer's actions, a few at a time: one answer of a runner, three histories of all. What
// was found is known for a while.

import { LRUCache } from 'lru-cache';
import type { SendOwn } from '../flow/action-facts.ts';
import type { ReviewedAnswer, StorageGrant } from '../flow/asked-request.ts';
import type { ActionTouch } from '../flow/operation.ts';
import { askHistory, askRefs, type RefsQuestion } from './ask-refs.ts';

/** Repositories that are asked at the same time for one answer. */
const maxAsking = 2;
const maxLookMs = 20_000;
/** What a branch or a tag leads to it goes on leading to, unless somebody pushes over it. */
const knownMs = 600_000;
const maxKnown = 4_096;
const lanes = 3;

/** By repository (`keyOf`): those of the answer's commits that its branches and tags lead to, or why nobody could tell. */
export type Asked = ReadonlyMap<string, Found>;
type Found = ReadonlySet<string> | string;

interface Question {
  readonly refs: RefsQuestion;
  readonly commits: Set<string>;
}

const repositoryOf = ({ owner, name, foundAs }: ActionTouch): string => foundAs ?? `${owner}/${name}`;

/** What the repository of an action is known by. */
export const keyOf = (touch: ActionTouch): string => repositoryOf(touch).toLowerCase();

/** Never rejects. */
export class RepositoryAsker {
  readonly #known = new LRUCache<string, true>({ max: maxKnown, ttl: knownMs });
  readonly #busy = new Set<string>();
  readonly #lanes = new Map<number, Promise<void>>();

  async askAll(reviewed: ReviewedAnswer, runner: string, send: SendOwn): Promise<Asked> {
    const questions = questionsOf(reviewed);
    if (this.#busy.has(runner))
      return new Map([...questions.keys()].map((key) => [key, 'this runner asks already']));
    this.#busy.add(runner);
    const found = new Map<string, Found>();
    const waiting = [...questions];
    const until = Date.now() + maxLookMs;
    const work = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [key, question] = next;
        found.set(key, await this.#askOne(question, runner, send, until));
      }
    };
    await Promise.all(Array.from({ length: maxAsking }, work));
    this.#busy.delete(runner);
    return found;
  }

  /** Most commits are at a branch or a tag; for the others the history is asked for. */
  async #askOne({ refs, commits }: Question, runner: string, send: SendOwn, until: number): Promise<Found> {
    const keyed = (commit: string) => `${refs.host} ${refs.repository} ${commit}`.toLowerCase();
    const known = new Set([...commits].filter((commit) => this.#known.has(keyed(commit))));
    if (known.size === commits.size) return known;
    if (Date.now() >= until) return noTime;
    const tips = await askRefs(send, refs);
    if (typeof tips === 'string') return tips;
    const found = known.union(commits.intersection(tips));
    const rest = commits.difference(found);
    const behind =
      rest.size === 0 || tips.size === 0
        ? new Set<string>()
        : await this.#inTurn(runner, until, () => askHistory(send, refs, tips, rest));
    const all = typeof behind === 'string' ? found : found.union(behind);
    for (const commit of all) this.#known.set(keyed(commit), true);
    return typeof behind === 'string' && all.size === 0 ? behind : all;
  }

  /** Histories are large: few are read at the same time, and one runner waits for few others. */
  #inTurn(runner: string, until: number, ask: () => Promise<Found>): Promise<Found> {
    const lane = laneOf(runner);
    const mine = (this.#lanes.get(lane) ?? Promise.resolve()).then(() =>
      Date.now() < until ? ask() : noTime,
    );
    const settled = async (): Promise<void> => void (await Promise.allSettled([mine]));
    this.#lanes.set(lane, settled());
    return mine;
  }
}

function laneOf(runner: string): number {
  let sum = 0;
  for (let at = 0; at < runner.length; at++) sum = (sum * 31 + runner.charCodeAt(at)) % 65_521;
  return sum % lanes;
}

const noTime = 'there was no time left to ask';

/** A server of one's own may have its actions from github.com: their archives say so, and so their tokens are for it. */
function serverOf(server: string, archive: StorageGrant | undefined): string {
  const isOfGithub = archive !== undefined && /^(?:api\.|codeload\.)?github\.com$/.test(archive.host);
  return isOfGithub ? 'github.com' : server;
}

function questionsOf({ operation, grants, tokens }: ReviewedAnswer): Map<string, Question> {
  const { server, touches } = operation;
  const asked = new Map<string, Question>();
  touches.forEach((touch, at) => {
    if (touch.kind !== 'action' || touch.commit === undefined) return;
    const host = serverOf(server, grants[at]?.[0]);
    const refs = { host, repository: repositoryOf(touch), token: tokens[at] ?? null };
    const known = asked.get(keyOf(touch)) ?? { refs, commits: new Set() };
    known.commits.add(touch.commit);
    asked.set(keyOf(touch), known);
  });
  return asked;
}
