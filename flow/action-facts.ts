// What is known of actions besides what a platform's answer says: what their references stood for before, and whether
// their repositories have the commits. The proxy asks; actions/ knows.

import type { ReviewedAnswer } from './asked-request.ts';
import type { Evidence } from './evidence.ts';
import type { ActionTouch, Operation } from './operation.ts';

/** One HTTPS request of the gateway's own, for the job whose answer is looked at. */
export interface OwnRequest {
  /** Canonical host of the platform. */
  readonly host: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  /** Names in lower case. */
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Of the answer's body as it comes over the wire. */
  readonly maxBytes: number;
  readonly timeMs: number;
}

export type OwnAnswer =
  | { readonly kind: 'answer'; readonly status: number; readonly body: Buffer }
  /** For people; names no secret. */
  | { readonly kind: 'failed'; readonly detail: string };

/** Sends it by the gateway's own way out. Never rejects. */
export type SendOwn = (request: OwnRequest) => Promise<OwnAnswer>;

export interface LookedUp {
  readonly operation: Operation;
  readonly evidence: readonly Evidence[];
}

export interface ActionFactsPort {
  /**
   * Adds what is known of the actions; repositories are asked where `send` is given, for one answer of a runner at a
   * time. Never rejects; bounded in time.
   */
  look(reviewed: ReviewedAnswer, runner: string, send: SendOwn | null): Promise<LookedUp>;
  /** From now on the references of these stand for their commits. Never throws. */
  note(server: string, touches: readonly ActionTouch[]): void;
}
