// One row of the tables of tokens that are looked for in logs.

/** What makes a run of characters no placeholder: `mixed` has a digit or both cases, `strict` both cases and a digit. */
export type Randomness = 'mixed' | 'strict' | 'any';

/** One kind of token. In `begins` and `follows` a set is `[a-z]`, `\d` or `\w`, repeated as `{n}` or `{n,}`. */
export interface TokenRow {
  /** In metrics and evidence. */
  readonly slug: string;
  readonly name: string;
  /** Alternatives; those of letters alone are shown in evidence, since they are public. */
  readonly begins: string;
  /** Runs, each of which takes all that it can. */
  readonly follows: string;
  readonly source: string;
  readonly reason: string;
  /** Default: `mixed`. */
  readonly randomness?: Randomness;
  /** It may begin in the middle of a word. */
  readonly isAnywhere?: true;
  /** No letter or digit may follow. */
  readonly isBounded?: true;
  /** Search for `follows` within so many bytes, instead of right behind. */
  readonly within?: number;
  /** Its length once percent-encoding is undone. */
  readonly decodedLengths?: readonly number[];
  /** May be the token of the job itself: it is held against the hashes of those. */
  readonly mayBeOwn?: true;
}

/** A row. */
export const row = (
  slug: string,
  name: string,
  begins: string,
  follows: string,
  source: string,
  reason: string,
  more: Partial<TokenRow> = {},
): TokenRow => ({ slug, name, begins, follows, source, reason, ...more });

/** Properties and reasons that many rows share. */
export const own = { mayBeOwn: true } as const;
export const bounded = { isBounded: true } as const;
export const access = 'acts for whoever made it until it is revoked';
export const publishes = 'publishes packages under a name that others install';
export const cloud = 'reaches the cloud account from anywhere';
