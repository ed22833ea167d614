// One request and its answer: what was judged, what passed, and its two records.

import type { BodyWatcher } from '../flow/asked-request.ts';
import type { Decision } from '../flow/decision.ts';
import { blocked } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Destination, FlowHttp, FlowStep } from '../flow/flow.ts';
import type { Attribution } from '../flow/job.ts';
import type { FlowLineage } from '../flow/lineage.ts';
import type { Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';
import type { AnswerReading } from './answer-reading.ts';
import type { AnswerRewriting } from './answer-rewriting.ts';
import { BodyWatching } from './body-watching.ts';
import type { AnswerReviewing } from './reviewing.ts';
import type { Connection } from './connection.ts';
import type { DialFailure } from './dial.ts';
import { HeadFields } from './fields.ts';
import { byChunks, byLength } from './framing.ts';
import type { Framer } from './framing.ts';
import type { RequestHead } from './head.ts';
import type { HeldBody } from './held-body.ts';
import { isOfRunnerProgram } from './infrastructure.ts';
import { reasonToEnd } from './judge.ts';
import type { Judgement } from './judge.ts';
import { recordClosed, recordOpened, recordOpenedTogether } from './record.ts';
import type { Told } from './record.ts';
import type { ResponseHead } from './response-head.ts';
import type { Upstream } from './upstream.ts';

const none: readonly FlowLineage[] = [];
const noTimings = { resolveMs: null, connectMs: null, handshakeMs: null };

/** A request in flight. */
export class Exchange implements Told {
  readonly kind = 'request';
  readonly id = uuidv7();
  readonly parent: string;
  readonly runner: string;
  attribution: Attribution;
  readonly step: FlowStep | null;
  readonly infrastructure: boolean;
  readonly connection: Connection;
  readonly head: RequestHead;
  /** The head's bytes as they arrived. */
  readonly headBytes: Buffer;
  judgement: Judgement;
  readonly scheme: 'http' | 'https';
  readonly tls = null;
  readonly policyRevision: string | null;
  readonly requestFramer: Framer;
  decision: Decision;
  upstream: Upstream | null = null;
  /** What of its body is waited for before it is decided. */
  held: HeldBody | null = null;
  /** The upstream came from the pool and nothing was answered on it yet. */
  isReused = false;
  /** Why its upstream came to nothing. */
  problem: DialFailure | null = null;
  /** Frames of the WebSocket that it became. */
  webSocket: FlowHttp['webSocket'];
  answer: ResponseHead | null = null;
  answerFramer: Framer | null = null;
  /** Reads the answer's body on its way. */
  reading: AnswerReading | null = null;
  /** Keeps it back until it was decided. */
  reviewing: AnswerReviewing | null = null;
  /** Sends it on shortened. */
  rewriting: AnswerRewriting | null = null;
  /** Reads along what it sends. */
  watching: BodyWatching | null = null;
  /** Its answer may rest for as long as a tunnel. */
  isEventStream = false;
  /** Counted by the limiter. */
  isCounted = false;
  /** Bytes of the answer have reached the client: no answer of our own can follow. */
  isAnswering = false;
  status: number | null = null;
  sentBytes = 0;
  bodyBytes = 0;
  receivedBytes = 0;
  readonly #startedAt = performance.now();
  #firstByteMs: number | null = null;
  #isOpened = false;
  #isClosed = false;

  constructor(
    connection: Connection,
    head: RequestHead,
    headBytes: Buffer,
    judgement: Judgement,
    scheme: 'http' | 'https',
  ) {
    this.connection = connection;
    this.parent = connection.id;
    this.runner = connection.runner;
    this.attribution = connection.attribution;
    this.step = connection.core.ports.steps?.stepOf(connection.attribution) ?? null;
    this.infrastructure = isOfRunnerProgram(connection, judgement);
    this.head = head;
    this.headBytes = headBytes;
    this.judgement = judgement;
    this.scheme = scheme;
    this.decision = judgement.decision;
    this.policyRevision = connection.core.decider?.revision ?? null;
    this.requestFramer = head.bodyBytes < 0 ? byChunks() : byLength(head.bodyBytes);
  }

  get lineage(): FlowLineage | null {
    return this.judgement.lineage ?? null;
  }

  get minted(): readonly FlowLineage[] {
    return this.judgement.minted ?? none;
  }

  get operation(): Operation | null {
    return this.judgement.operation;
  }

  get evidence(): readonly Evidence[] {
    const found = this.problem?.evidence;
    return found === undefined ? this.judgement.evidence : [...this.judgement.evidence, found];
  }

  get destination(): Destination {
    const { query, host } = this.judgement;
    const address = this.upstream?.address ?? this.connection.originalAddress;
    return { host, address, port: query?.port ?? this.connection.port, protocol: this.scheme };
  }

  get http(): FlowHttp {
    const { method, version } = this.head;
    const { webSocket } = this;
    const http = { method, path: this.judgement.query?.path ?? '', version, status: this.status };
    return webSocket === undefined ? http : { ...http, webSocket };
  }

  /** Writes the opened record; false when the request must be refused for want of it. */
  open(): boolean {
    this.#isOpened = true;
    const isWritten = recordOpened(this.connection.core.ports, this);
    if (!isWritten) this.decision = blocked('record-unavailable');
    return isWritten;
  }

  /** The same for one that waits until the records of others are written with its own. */
  openTogether(): void {
    this.#isOpened = true;
    if (!recordOpenedTogether(this.connection.core.ports, this))
      this.decision = blocked('record-unavailable');
  }

  /** Bytes of its body that go on, framing included. */
  watch(bytes: Buffer, start: number, end: number): void {
    const { watch } = this.judgement;
    if (watch === null) return;
    this.watching ??= this.#openWatching(watch);
    this.watching.push(bytes, start, end);
  }

  #openWatching(watch: BodyWatcher): BodyWatching {
    const coding = new HeadFields(this.headBytes).header('content-encoding');
    return new BodyWatching(this, watch, coding, this.head.bodyBytes < 0);
  }

  /** What was found in what it sent belongs to its record. */
  #endWatching(isWhole: boolean): void {
    if (this.watching === null) return;
    const found = this.watching.end(isWhole);
    this.watching = null;
    const { judgement } = this;
    if (found.length > 0) this.judgement = { ...judgement, evidence: [...judgement.evidence, ...found] };
  }

  /** Why it would be decided otherwise now, the upstream's address included, or null. */
  mustEnd(address = this.upstream?.address ?? null): Reason | null {
    // What waits for its body is decided by the policy of that moment.
    if (this.held !== null) return null;
    return reasonToEnd(this.connection, this.judgement, this.head.override, address);
  }

  /** Its upstream came to nothing, for this. */
  meet(problem: DialFailure): void {
    this.problem = problem;
    this.connection.noteProblem(problem);
  }

  markFirstByte(): void {
    if (this.#firstByteMs !== null) return;
    this.#firstByteMs = performance.now() - this.#startedAt;
    this.connection.core.ports.meter.observe('sallyport_upstream_seconds', this.#firstByteMs / 1000);
  }

  close(ended: Reason | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.reading?.drop();
    this.rewriting?.drop();
    this.#endWatching(this.requestFramer.isDone && (this.webSocket === undefined || ended === null));
    // One that ended while it was held has both records all the same.
    if (!this.#isOpened) this.open();
    if (this.isCounted) this.connection.core.limiter.leaveRequest(this.runner);
    const isFresh = this.upstream !== null && this.upstream.uses === 1;
    const bytes = { sent: this.sentBytes, received: this.receivedBytes };
    const totalMs = performance.now() - this.#startedAt;
    const timings = {
      ...noTimings,
      ...(isFresh ? this.upstream!.timings : null),
      firstByteMs: this.#firstByteMs,
      totalMs,
    };
    recordClosed(this.connection.core.ports, this, bytes, timings, ended);
  }
}
