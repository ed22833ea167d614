// Claims as they outlast control, which is replaced by each upgrade: a hook speaks once. They are good for the same keeper
// alone; after a restart of the gateway an address may be anybody's.

import type { JobMessage } from '../../flow/job-message.ts';
import { readMessage } from '../live-table.ts';
import { flag, integer, list, nullable, oneOf, ReadProblem, shape, text, type Read } from '../read-shape.ts';

interface KeptClaim {
  readonly address: string;
  readonly message: JobMessage;
  readonly runner: string | null;
  readonly machine: string | null;
}

/** A claim that is held. That it was confirmed is not kept: it is asked for again. */
export interface KeptPlace extends KeptClaim {
  readonly claimedMs: number;
  readonly heardMs: number;
  readonly hasHeartbeat: boolean;
  readonly isConflict: boolean;
  readonly isFresh: boolean;
}

/** A claim that ended, and whose job may go on. */
export interface KeptEnd extends KeptClaim {
  readonly atMs: number;
}

export interface KeptClaims {
  readonly v: 1;
  /** Which keeper's control wrote it. */
  readonly keeper: string;
  /** Since when claims are heard. */
  readonly sinceMs: number;
  readonly places: readonly KeptPlace[];
  readonly earlier: readonly KeptEnd[];
  /** When a claim of an address ended last. */
  readonly last: readonly { readonly address: string; readonly atMs: number }[];
}

const maxKept = 16_384;
const maxTextBytes = 64 * 1024 * 1024;
const [address, word, time] = [text(45), text(1024), integer(0, Number.MAX_SAFE_INTEGER)];
const claim = { address, message: readMessage, runner: nullable(word), machine: nullable(text(64)) };

const readKept: Read<KeptClaims> = shape({
  v: oneOf(1),
  keeper: word,
  sinceMs: time,
  places: list(
    maxKept,
    shape({
      ...claim,
      claimedMs: time,
      heardMs: time,
      hasHeartbeat: flag,
      isConflict: flag,
      isFresh: flag,
    }),
  ),
  earlier: list(maxKept * 8, shape({ ...claim, atMs: time })),
  last: list(maxKept, shape({ address, atMs: time })),
});

/** The claims of a file's text; null when it is none of this keeper's. */
export function readKeptClaims(json: string, keeper: string): KeptClaims | null {
  if (json.length > maxTextBytes) return null;
  try {
    const kept = readKept(JSON.parse(json));
    return kept.keeper === keeper ? kept : null;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ReadProblem) return null;
    throw error;
  }
}
