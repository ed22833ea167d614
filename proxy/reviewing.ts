// Keeps a whole answer back until it was decided: what it tells is asked of policy once more, and then it goes on as it
// came, or the job is told why not.

import type { AnswerReview, ReviewedAnswer } from '../flow/asked-request.ts';
import { isOpen, type Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Held } from '../flow/held.ts';
import type { ActionTouch, Operation } from '../flow/operation.ts';
import type { ActionWords } from '../policy/actions.ts';
import { openStorage } from './answer-reading.ts';
import { ChunkContent } from './chunk-content.ts';
import type { Exchange } from './exchange.ts';
import { Pieces } from './hold.ts';
import { rejudge, type Judgement } from './judge.ts';
import { sendOwn } from './own-request.ts';
import type { Original } from './answer-rewriting.ts';
import { codingOf, decodeWhole } from './step-decoder.ts';

/** One answer that waits. */
export class AnswerReviewing {
  /** What goes on to the client if it may: the head and the body, framing included, as they arrived. */
  readonly #raw: Buffer[];
  readonly #limits: AnswerReview['limits'];
  readonly #coding: string;
  readonly #chunks: ChunkContent | null;
  readonly #content = new Pieces();
  #bytes = 0;
  /** It is being decided, and no byte of it may come any more. */
  isDeciding = false;
  /** More came behind it. */
  hasSurplus = false;

  constructor(review: AnswerReview, { bytes, head, coding }: Pick<Original, 'bytes' | 'head' | 'coding'>) {
    this.#raw = [bytes];
    this.#limits = review.limits;
    this.#coding = codingOf(coding);
    this.#chunks = head.framing === 'chunked' ? new ChunkContent() : null;
  }

  /** Memory that is held for it. */
  get heldBytes(): number {
    return 2 * this.#bytes;
  }

  /** The answer is longer than what is held. */
  get isTooLarge(): boolean {
    return this.#bytes > this.#limits.maxBytes;
  }

  /** Bytes of the body as they come, framing included. */
  push(bytes: Buffer, start: number, end: number): void {
    this.#bytes += end - start;
    this.#raw.push(bytes.subarray(start, end));
    if (this.isTooLarge) return this.#content.clear();
    if (this.#chunks === null) this.#content.push(bytes.subarray(start, end));
    else this.#chunks.feed(bytes, start, end, (content) => this.#content.push(content));
  }

  /** What came so far, to be sent on. */
  takeRaw(): readonly Buffer[] {
    return this.#raw.splice(0);
  }

  /** What the body came to. */
  held(): Held {
    const body = this.isTooLarge
      ? 'the answer is larger than what is held'
      : decodeWhole(this.#coding, Buffer.concat(this.#content.list), this.#limits);
    return typeof body === 'string'
      ? { kind: 'opaque', detail: body, raw: [] }
      : { kind: 'whole', body, raw: [] };
  }
}

/** What is known of the answer's actions once everybody was asked. Never rejects. */
export async function lookUp(exchange: Exchange, review: AnswerReview, body: Held): Promise<Looked> {
  const { core } = exchange.connection;
  const reviewed = review.read(body);
  const isAsking = core.decider?.actions?.asksRepositories === true;
  const send = isAsking ? sendOwn(exchange) : null;
  const looked = await core.ports.actionFacts?.look(reviewed, exchange.runner, send);
  return { reviewed, ...(looked ?? { operation: reviewed.operation, evidence: [] }) };
}

export interface Looked {
  readonly reviewed: ReviewedAnswer;
  readonly operation: Operation;
  readonly evidence: readonly Evidence[];
}

/** Decides by what is known now; what the job may have is open and remembered when this returns. */
export function decideAnswer(exchange: Exchange, { reviewed, operation, evidence }: Looked): Decision {
  const { connection, judgement, head } = exchange;
  const found = { operation, evidence };
  exchange.judgement = {
    ...rejudge(connection, judgement, head.override, found),
    answer: null,
    review: null,
  };
  const { decision } = exchange.judgement;
  exchange.decision = decision;
  const words = connection.core.decider?.actions ?? null;
  if (isOpen(decision) && words !== null) putInForce(exchange, exchange.judgement, reviewed, words);
  return decision;
}

function putInForce(
  exchange: Exchange,
  { operation, query }: Judgement,
  { grants }: ReviewedAnswer,
  words: ActionWords,
): void {
  if (operation === null || query === null || query.scheme !== 'https') return;
  const had = operation.touches.map((touch) =>
    touch.kind === 'action' && words.refusal(touch) === null ? touch : null,
  );
  const opened = grants.flatMap((ofTouch, at) => (had[at] == null ? [] : ofTouch));
  if (opened.length > 0) openStorage(exchange, query, opened);
  const noted = had.filter((touch): touch is ActionTouch => touch !== null);
  exchange.connection.core.ports.actionFacts?.note(operation.server, noted);
}
