// Reads the answer to an understood request as its bytes go on, which are never changed: what it tells is in force
// before its last byte reaches the job. The answers of other requests are not looked at.

import type { AnswerHead, AnswerMeaning, AnswerReader, AnswerStream } from '../flow/asked-request.ts';
import type { Decision } from '../flow/decision.ts';
import type { Held } from '../flow/held.ts';
import type { Attribution } from '../flow/job.ts';
import {
  toFlowLineage,
  type FlowLineage,
  type Lineage,
  type Making,
  type MintedToken,
} from '../flow/lineage.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import { ChunkContent } from './chunk-content.ts';
import type { Connection } from './connection.ts';
import { grantHolder } from './follow.ts';
import { Pieces } from './hold.ts';
import type { Judgement } from './judge.ts';
import type { RequestQuery } from './options.ts';
import type { ResponseFraming } from './response-head.ts';
import { codingOf, decoderBytes, decodeWhole, StepDecoder } from './step-decoder.ts';

/** A request that was sent on, whichever version of HTTP it speaks. */
export interface Asked {
  /** Of its flow. */
  readonly id: string;
  readonly connection: Connection;
  readonly runner: string;
  attribution: Attribution;
  readonly decision: Decision;
  readonly policyRevision: string | null;
  judgement: Judgement;
}

/** Begins to read the final answer to a request; null when its head told everything, which is in force then. */
export function readAnswer(asked: Asked, head: AnswerHead, framing: ResponseFraming): AnswerReading | null {
  const reader = asked.judgement.answer;
  if (reader === null) return null;
  if (framing !== 'none' && reader.wantsBody(head))
    return new AnswerReading(asked, reader, head, framing === 'chunked');
  putInForce(asked, reader.read(head, null));
  return null;
}

/** One body that is read; given up without a word where the answer breaks off. */
export class AnswerReading {
  readonly #asked: Asked;
  readonly #reader: AnswerReader;
  readonly #head: AnswerHead;
  readonly #coding: string;
  readonly #chunks: ChunkContent | null;
  readonly #stream: AnswerStream | null;
  readonly #pieces = new Pieces();
  #decoder: StepDecoder | null = null;
  #bytes = 0;
  #problem: string | null = null;

  constructor(asked: Asked, reader: AnswerReader, head: AnswerHead, isChunked: boolean) {
    this.#asked = asked;
    this.#reader = reader;
    this.#head = head;
    this.#coding = codingOf(head.header('content-encoding'));
    this.#chunks = isChunked ? new ChunkContent() : null;
    this.#stream = reader.stream?.(head) ?? null;
    if (this.#stream === null || this.#coding === '') return;
    this.#decoder = StepDecoder.open(this.#coding, reader.limits);
    if (this.#decoder === null) this.#giveUp('an unknown content coding');
  }

  /** Memory that is held for it. */
  get heldBytes(): number {
    return this.#bytes + (this.#decoder === null ? 0 : decoderBytes);
  }

  /** Bytes of the body as they pass, framing included. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#chunks === null) this.#take(bytes.subarray(start, end));
    else this.#chunks.feed(bytes, start, end, this.#take);
  }

  readonly #take = (content: Buffer): void => {
    if (this.#problem !== null || content.length === 0) return;
    if (this.#stream === null) return this.#keep(content);
    if (this.#decoder === null) return this.#stream.push(content);
    const problem = this.#decoder.push(content, this.#tell);
    if (problem !== null) this.#giveUp(problem);
  };

  readonly #tell = (decoded: Buffer): void => this.#stream?.push(decoded);

  #keep(content: Buffer): void {
    this.#bytes += content.length;
    if (this.#bytes <= this.#reader.limits.maxBytes) this.#pieces.push(content);
    else this.#giveUp('the body is larger than what is held');
  }

  /** What still comes is not looked at; the reader is told at the end. */
  #giveUp(problem: string): void {
    this.#problem = problem;
    this.#pieces.clear();
    this.#bytes = 0;
    this.#decoder?.close();
    this.#decoder = null;
  }

  /** The body is whole: what it tells is in force when this returns. */
  end(): void {
    const unfinished = this.#problem === null ? (this.#decoder?.end(this.#tell) ?? null) : null;
    if (unfinished !== null) this.#giveUp(unfinished);
    putInForce(
      this.#asked,
      this.#stream === null || this.#problem !== null
        ? this.#reader.read(this.#head, this.#held())
        : this.#stream.end(),
    );
  }

  #held(): Held {
    const decoded =
      this.#problem ?? decodeWhole(this.#coding, Buffer.concat(this.#pieces.list), this.#reader.limits);
    return typeof decoded === 'string'
      ? { kind: 'opaque', detail: decoded, raw: [] }
      : { kind: 'whole', body: decoded, raw: [] };
  }

  /** The answer broke off. */
  drop(): void {
    this.#giveUp('the answer broke off');
  }
}

/** Opens what was handed out, and keeps for the record what was said of the operation. */
function putInForce(asked: Asked, meaning: AnswerMeaning): void {
  const { judgement, decision } = asked;
  // Where the request itself would have been blocked, what it led to would be too; and anybody answers without TLS.
  if (meaning.grants.length > 0 && decision.verdict === 'allow' && judgement.query?.scheme === 'https')
    openStorage(asked, judgement.query, meaning.grants);
  if (meaning.grants.length > 0 && judgement.query?.scheme === 'https')
    asked.connection.core.watched.note(grantHolder(asked.attribution, asked.runner), meaning.grants);
  const minted = keepMinted(asked, meaning.minted ?? []);
  const operation = tellOf(judgement.operation, meaning);
  const evidence =
    meaning.evidence.length === 0 ? judgement.evidence : [...judgement.evidence, ...meaning.evidence];
  // The question that policy was asked stays what it was.
  asked.judgement = { ...judgement, operation, evidence, ...(minted.length === 0 ? {} : { minted }) };
  hearJobs(asked, meaning.news ?? []);
}

/** Whoever reads who runs where is told; what changes by it changes before the answer's last byte goes on. */
function hearJobs(asked: Asked, news: NonNullable<AnswerMeaning['news']>): void {
  const { judgement, connection, runner, attribution } = asked;
  const { core } = connection;
  if (news.length === 0 || judgement.query?.scheme !== 'https') return;
  core.teller = connection;
  try {
    core.ports.hearJobs?.(runner, news);
  } finally {
    core.teller = null;
  }
  // The request by which a job was handed out was made for it.
  if (attribution.job === null && !attribution.conflict) asked.attribution = connection.attribution;
}

const maxMinted = 32;
/** Credentials of somebody, whatever they were made with. */
const ownKind: Readonly<Partial<Record<Making, CredentialKind>>> = {
  installation: 'app',
  'access-token': 'pat',
};

/** Remembers what was handed out over TLS; anybody could say so without. */
function keepMinted(asked: Asked, tokens: readonly MintedToken[]): FlowLineage[] {
  const { judgement, attribution, runner, id: flow, connection } = asked;
  if (tokens.length === 0 || judgement.query?.scheme !== 'https') return [];
  const { lineages } = connection.core;
  return tokens.slice(0, maxMinted).map(({ token, made, homes, audience, madeWith }) => {
    const maker = madeWith ?? judgement.maker ?? { id: null, root: 'unknown' as const };
    const lineage: Lineage = {
      made,
      id: lineages.hash(token),
      parent: maker.id,
      root: ownKind[made] ?? maker.root,
      flow,
      homes,
      ...(audience === undefined ? {} : { audience }),
    };
    lineages.keep(grantHolder(attribution, runner), lineage);
    return toFlowLineage(lineage);
  });
}

/** Opens storage and archives to the job that was answered. */
export function openStorage(
  asked: Pick<Asked, 'connection' | 'runner' | 'attribution' | 'decision' | 'policyRevision'>,
  query: RequestQuery,
  grants: AnswerMeaning['grants'],
): void {
  const { attribution, runner, policyRevision: revision } = asked;
  const { rule, scope } = asked.decision;
  const from = { rule, scope, hops: 0, isImplied: true, asked: { revision, attribution, query } } as const;
  asked.connection.core.storage.open(grantHolder(attribution, runner), grants, from);
}

function tellOf(
  operation: Operation | null,
  { accepted, decided, refused, touches }: AnswerMeaning,
): Operation | null {
  if (operation === null) return null;
  return {
    ...operation,
    ...(accepted === null ? {} : { accepted }),
    ...(decided === undefined ? {} : { decided }),
    ...(refused === undefined ? {} : { refused }),
    ...(touches === undefined ? {} : { touches }),
  };
}
