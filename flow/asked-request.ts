// A request as those see it who say what it means (platform/, registry/), and what they answer. The path and
// `explain` ask the same question; nothing here depends on how the bytes came.

import type { Evidence } from './evidence.ts';
import type { HoldLimits, Held } from './held.ts';
import type { Lineage, MintedToken } from './lineage.ts';
import type { Attribution } from './job.ts';
import type { JobNews } from './job-news.ts';
import type { CredentialKind, Operation, Touch } from './operation.ts';

/** A request's head. Headers are latin1; several of one name are joined by ", " (RFC 9110 §5.3). */
export interface AskedRequest {
  readonly scheme: 'http' | 'https';
  /** Canonical host, or address. */
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Canonical, without the query; `%2F` in a segment is still encoded. */
  readonly path: string;
  /** As it came, without `?`; empty when there is none. */
  readonly query: string;
  readonly hasBody: boolean;
  /** By a name in lower case; null when absent. */
  header(name: string): string | null;
  readonly attribution: Attribution;
  /** Whose credential the Authorization carries, found once before anybody understands. */
  readonly credential: CredentialKind;
  /** What is known of that credential where an answer handed it out to this job; null or absent: nothing. */
  readonly lineage?: Lineage | null;
  /** Looks through a text for an identity token that this job was given; absent: it was given none. */
  findIdentity?(text: string): Lineage | null;
}

/** What a request means. Understanding never throws; what it cannot place is `unknown` or opaque, never open. */
export interface Understanding {
  readonly operation: Operation | null;
  readonly evidence: readonly Evidence[];
  /** Set when the body decides: it is held within these limits, and `withBody` answers in place of this. */
  readonly hold?: HoldLimits & { withBody(body: Held): Understanding };
  /** Set when the answer tells something: it is read as it passes and not changed. */
  readonly answer?: AnswerReader;
  /** Set when the whole answer decides whether it goes on, where the policy asks: takes the place of `answer` then. */
  readonly review?: AnswerReview;
  /** Set when the answer can be changed so that versions which policy refuses are not in it. */
  readonly rewrite?: AnswerRewrite;
  /** An identity token that was found in the body. */
  readonly presented?: Lineage;
  /** Set when the body, or what is said on the WebSocket that the request opens, is a log. */
  readonly watch?: BodyWatcher;
}

/** Reads what a request sends as it passes: it is neither changed nor kept, and nothing waits for it. */
export interface BodyWatcher {
  /** Of an encoded body: what goes beyond is not looked at any more. */
  readonly limits: HoldLimits;
  /** `whose` says of a token whether it is one of the job's own (`job`, `runtime`, how it was made), or null. */
  open(whose: (token: string) => string | null): BodyWatch;
}

export interface BodyWatch {
  /** Content without framing, decoded and unmasked. Never throws. */
  push(chunk: Buffer): void;
  /** Called once; `isWhole`: everything that was sent has passed and could be read. */
  end(isWhole: boolean): readonly Evidence[];
}

/** Reads an answer that is kept until it was decided (over HTTP/1 alone). */
export interface AnswerReview {
  /** Longer ones, or such as are encoded beyond the ratio, are told to `read` as opaque. */
  readonly limits: HoldLimits;
  /** Asked where an age is asked of images, and `answer` reads besides; left out: where actions are governed. */
  readonly about?: 'images';
  wantsBody(head: AnswerHead): boolean;
  read(body: Held): ReviewedAnswer;
}

/** What an answer makes of the operation, and what belongs to each thing that it touches, in their order. */
export interface ReviewedAnswer {
  readonly operation: Operation;
  /** Opened where policy lets the job have what is touched. */
  readonly grants: readonly (readonly StorageGrant[])[];
  /** What the job was given to fetch it with; never recorded. */
  readonly tokens: readonly (string | null)[];
}

/** A list of versions that can be shortened on its way to the job (registry/rewrite-*.ts). */
export interface AnswerRewrite {
  /** Headers that the request goes on with in place of its own; null takes one away. The answer then tells times. */
  readonly ask: Readonly<Record<string, string | null>>;
  /** Headers of the answer that hold no more: validators, digests, lengths. */
  readonly forget: readonly string[];
  /** Null when this answer is none that can be shortened: it passes as it is. `body` gets decoded bytes. */
  open(head: AnswerHead, keep: KeepVersion): AnswerTransform | null;
}

/** Policy's word on one version of a package; the time in milliseconds since 1970, or null: not known. */
export type KeepVersion = (version: string, timeMs: number | null, file: string | null) => boolean;

/** Takes an answer's decoded bytes and gives others. `end` says `refused` where the answer could not be read safely. */
export interface AnswerTransform {
  /** Bytes that it keeps until its end: they count as held for the runner. */
  readonly heldBytes: number;
  push(chunk: Buffer): readonly Buffer[];
  end():
    | { readonly kind: 'whole'; readonly rest: readonly Buffer[]; readonly removed: readonly string[] }
    | { readonly kind: 'refused'; readonly detail: string };
}

/** Reads the answer to an understood request: the head always, the body up to `maxBytes` when `wantsBody` says so. */
export interface AnswerReader {
  /** Answer bodies that are longer, or encoded beyond the hold's ratio, are told to `read` as opaque. */
  readonly limits: HoldLimits;
  wantsBody(head: AnswerHead): boolean;
  /** It reads credentials that are handed out: what the request carried is remembered as what they were made with. */
  readonly mints?: true;
  /** Called once, before the last byte of the answer goes on to the job; `body` is null where none was wanted. */
  read(head: AnswerHead, body: Held | null): AnswerMeaning;
  /**
   * Reads decoded bytes as they pass, in place of a body that is kept, where answers are large; null: `read` alone.
   * `end` is called before the last byte goes on to the job, in place of `read`; not where the answer broke off.
   */
  stream?(head: AnswerHead): AnswerStream | null;
}

export interface AnswerStream {
  push(chunk: Buffer): void;
  end(): AnswerMeaning;
}

export interface AnswerHead {
  readonly status: number;
  header(name: string): string | null;
}

/** What an answer told: URLs that it hands out, and what it says of the permission that was needed. */
export interface AnswerMeaning {
  readonly grants: readonly StorageGrant[];
  /** `X-Accepted-GitHub-Permissions` read as alternatives, or null. */
  readonly accepted: Operation['needs'] | null;
  /** Which of the operation's alternatives the answer's target decided: an issue or a pull request. */
  readonly decided?: Operation['needs'];
  /** The body refuses although the status does not (GraphQL). */
  readonly refused?: boolean;
  /** What the operation touches, where more is known of it now: its age. */
  readonly touches?: readonly Touch[];
  readonly evidence: readonly Evidence[];
  /** What a platform told its runner of jobs. */
  readonly news?: readonly JobNews[];
  /** Credentials that it hands out to the job. */
  readonly minted?: readonly MintedToken[];
}

/** One URL handed out by an answer: open to this job alone until it expires. */
export interface StorageGrant {
  readonly host: string;
  readonly port: number;
  readonly methods: readonly string[];
  /** Canonical; the request's path must equal it or lie beneath it. */
  readonly pathPrefix: string;
  /** Milliseconds since 1970; at most a day from now. */
  readonly expiresMs: number;
  /** An archive that the platform made for this job: this very path alone, also where rules on repositories say no. */
  readonly isArchive?: true;
  /** What is sent to the very path is a log, whatever policy says of the answer. */
  readonly watch?: BodyWatcher;
}

/** Says what requests mean; null when the request is none of its business. */
export interface Interpreter {
  understand(request: AskedRequest): Understanding | null;
  /** False where no request to this host is ever held for its body; left out: it may be. */
  mayHold?(host: string): boolean;
}
