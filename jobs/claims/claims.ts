// Attribution sources 4 and 5: what hooks say of their own machine's job. A claim says whose flows those of the socket's
// address are; it opens nothing until the platform's API confirms it. A second claim on an address is a conflict.

import type { Platform } from '../../flow/job.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import type { JobSource, KnownJobs } from '../job-source.ts';
import type { LiveEntry } from '../live-table.ts';
import { isSameJob } from '../same-job.ts';
import { ClaimLimits, networkOf } from './claim-limits.ts';
import type { KeptClaims } from './kept-claims.ts';
import { isSameClaim, placeOfClaim, readClaim, type Claim } from './read-claim.ts';

/** What the platform's API says of a claim. */
export type Confirmation =
  /** The job runs on the runner that the claim names; what the API says of it. */
  | { readonly kind: 'confirmed'; readonly message: JobMessage; readonly startedMs: number }
  /** There is no such job, or it does not run there. */
  | { readonly kind: 'refused'; readonly detail: string }
  /** Nobody can say now. */
  | { readonly kind: 'unknown'; readonly detail: string };

export interface ConfirmPort {
  /** True where the server's API may be asked. */
  canConfirm(server: string): boolean;
  /** Never rejects. */
  confirm(claim: Claim): Promise<Confirmation>;
}

export interface ClaimsOptions {
  readonly isBelieved: (platform: Platform, server: string) => boolean;
  readonly known: Pick<KnownJobs, 'entriesOf'>;
  /** Null: no claim is ever confirmed. */
  readonly confirm: ConfirmPort | null;
  /** The first claim on an address of which nothing was known for a while counts as confirmed. */
  readonly trustsFresh: boolean;
  /** Since when claims are heard, in milliseconds since 1970: of what was before nothing is known. Default: always. */
  readonly sinceMs?: number;
  readonly onChange: () => void;
  readonly onResult: (result: ClaimResult, detail: string, address: string) => void;
  readonly limits?: { readonly claims: number; readonly perNetwork: number };
}

/** What became of a claim, for the metric and the log. */
export type ClaimResult =
  'taken' | 'repeated' | 'conflict' | 'invalid' | 'limited' | 'full' | 'ended' | 'confirmed' | 'unconfirmed';

/** The answer to a request: `status` of HTTP, and a text for whoever reads the hook's output. */
export interface ClaimAnswer {
  readonly status: number;
  readonly text: string;
}

/** What is known of an address by its claims. */
interface Place {
  claim: Claim;
  /** Of the addresses of one machine the claims count as one. */
  claimedMs: number;
  heardMs: number;
  hasHeartbeat: boolean;
  isConflict: boolean;
  readonly isFresh: boolean;
  confirmed: JobMessage | null;
  state: 'waiting' | 'confirmed' | 'refused';
  tries: number;
  /** When the API is asked next; null: not any more. */
  dueMs: number | null;
  /** When it said yes last. */
  saidMs: number;
  isAsking: boolean;
}

/** Claims that ended on an address, and jobs that may still run there: a job could end its own claim to make another one. */
interface Earlier {
  readonly claim: Claim;
  readonly atMs: number;
}

const usual = { claims: 16_384, perNetwork: 1_024 };
/** Without heartbeats a claim ends after this; a hook that is called again renews it. */
const claimMs = 6 * 3_600_000;
const heartbeatMs = 180_000;
const holdMs = 120_000;
/** A hook runs while its job begins: a claim of a job that has been running for longer is not its hook's. */
const beginMs = 300_000;
const skewMs = 120_000;
const retriesMs = [1000, 2000, 5000, 15_000, 30_000, 60_000, 120_000] as const;
const recheckMs = 300_000;
const patienceMs = 900_000;
const freshAfterMs = 3_600_000;
/** Two claims of one job that came this close together: nobody can say which of them is true. */
const raceMs = 60_000;
const maxEarlier = 8;
const earlierMs = 86_400_000;

export class Claims implements JobSource {
  readonly #options: ClaimsOptions;
  #sinceMs: number;
  readonly #limits = new ClaimLimits();
  readonly #places = new Map<string, Place>();
  readonly #earlier = new Map<string, Earlier[]>();
  readonly #lastMs = new Map<string, number>();
  readonly #perNetwork = new Map<string, number>();
  readonly #addressesOf = new Map<string, Set<string>>();

  constructor(options: ClaimsOptions) {
    this.#options = options;
    this.#sinceMs = options.sinceMs ?? 0;
  }

  /** `POST /runner/v1/claims` from an address (canonical). */
  take(address: string, body: unknown, nowMs: number): ClaimAnswer {
    if (!this.#limits.take(address, nowMs)) return this.#tell(address, 'limited', 429, 'too many requests');
    const claim = readClaim(body);
    if ('problem' in claim) return this.#tell(address, 'invalid', 422, claim.problem);
    const { platform, server } = claim.message.job;
    if (!this.#options.isBelieved(platform, server))
      return this.#tell(address, 'invalid', 422, '/server is none that this gateway knows');
    const place = this.#placeOf(address, nowMs);
    if (place === undefined) return this.#begin(address, claim, nowMs);
    if (!isSameClaim(place.claim, claim)) {
      place.isConflict = true;
      this.#options.onChange();
      return this.#tell(address, 'conflict', 409, 'another job is claimed here: both are nobody’s');
    }
    place.heardMs = nowMs;
    return this.#tell(address, 'repeated', 200, 'known');
  }

  /** `DELETE /runner/v1/claims`: the job of the address is over, says its hook. */
  end(address: string, nowMs: number): ClaimAnswer {
    if (!this.#limits.take(address, nowMs)) return this.#tell(address, 'limited', 429, 'too many requests');
    const place = this.#places.get(address);
    if (place === undefined) return { status: 404, text: 'there is no claim' };
    this.#drop(address, place, nowMs);
    this.#options.onChange();
    return this.#tell(address, 'ended', 200, 'ended');
  }

  /** `POST /runner/v1/heartbeats`: the job of the address goes on. */
  beat(address: string, nowMs: number): ClaimAnswer {
    if (!this.#limits.take(address, nowMs)) return this.#tell(address, 'limited', 429, 'too many requests');
    const place = this.#placeOf(address, nowMs);
    if (place === undefined) return { status: 404, text: 'there is no claim' };
    place.heardMs = nowMs;
    place.hasHeartbeat = true;
    return { status: 200, text: 'known' };
  }

  entries(nowMs = Date.now()): readonly LiveEntry[] {
    this.expire(nowMs);
    return [...this.#places].flatMap(([address, place]) => this.#entryOf(address, place, nowMs) ?? []);
  }

  conflicts(nowMs = Date.now()): readonly string[] {
    this.expire(nowMs);
    const contradicted = [...this.#places].filter(
      ([address, place]) => place.isConflict || this.#contradiction(address, place) === 'later',
    );
    return contradicted.map(([address]) => address);
  }

  /** What the next control is to know. */
  kept(keeper: string): KeptClaims {
    return {
      v: 1,
      keeper,
      sinceMs: this.#sinceMs,
      places: [...this.#places].map(([address, place]) => {
        const { claim, claimedMs, heardMs, hasHeartbeat, isConflict, isFresh } = place;
        return { address, ...claim, claimedMs, heardMs, hasHeartbeat, isConflict, isFresh };
      }),
      earlier: [...this.#earlier].flatMap(([address, ends]) =>
        ends.map(({ claim, atMs }) => ({ address, ...claim, atMs })),
      ),
      last: [...this.#lastMs].map(([address, atMs]) => ({ address, atMs })),
    };
  }

  /** Takes what the control before knew; what it had confirmed is asked for again. */
  restore({ sinceMs, places, earlier, last }: KeptClaims, nowMs: number): void {
    this.#sinceMs = sinceMs;
    for (const { address, atMs } of last) this.#lastMs.set(address, atMs);
    for (const { address, atMs, message, runner, machine } of earlier) {
      const ends = this.#earlier.get(address) ?? [];
      this.#earlier.set(address, [...ends, { claim: { message, runner, machine }, atMs }]);
    }
    for (const { address, message, runner, machine, ...times } of places)
      this.#hold(address, { message, runner, machine }, { ...times, nowMs });
    this.expire(nowMs);
  }

  /** Asks the API for what is due. To be called about once a second. */
  async tick(nowMs = Date.now()): Promise<void> {
    const { confirm } = this.#options;
    this.expire(nowMs);
    if (confirm === null) return;
    const due = [...this.#places].filter(
      ([, { dueMs, isAsking }]) => dueMs !== null && dueMs <= nowMs && !isAsking,
    );
    await Promise.all(due.map(([address, place]) => this.#ask(confirm, address, place, nowMs)));
  }

  /** Forgets what has ended by itself. */
  expire(nowMs: number): void {
    for (const address of this.#places.keys()) this.#placeOf(address, nowMs);
  }

  #placeOf(address: string, nowMs: number): Place | undefined {
    const place = this.#places.get(address);
    if (place === undefined) return undefined;
    const untilMs = place.heardMs + (place.hasHeartbeat ? heartbeatMs : claimMs);
    if (untilMs > nowMs && this.#contradiction(address, place) !== 'earlier') return place;
    this.#drop(address, place, nowMs);
    this.#options.onChange();
    return undefined;
  }

  /** Claims that are held. */
  get size(): number {
    return this.#places.size;
  }

  #begin(address: string, claim: Claim, nowMs: number): ClaimAnswer {
    const { claims, perNetwork } = this.#options.limits ?? usual;
    const network = networkOf(address) ?? '';
    const inNetwork = network === '' ? 0 : (this.#perNetwork.get(network) ?? 0);
    if (this.#places.size >= claims || inNetwork >= perNetwork)
      return this.#tell(address, 'full', 503, 'no more claims are kept');
    const { dueMs } = this.#hold(address, claim, {
      claimedMs: nowMs,
      heardMs: nowMs,
      hasHeartbeat: false,
      isConflict: false,
      isFresh: this.#isFresh(address, nowMs),
      nowMs,
    });
    this.#options.onChange();
    return this.#tell(address, 'taken', 202, dueMs === null ? 'taken; it opens nothing' : 'to be confirmed');
  }

  #hold(
    address: string,
    claim: Claim,
    {
      nowMs,
      ...said
    }: Pick<Place, 'claimedMs' | 'heardMs' | 'hasHeartbeat' | 'isConflict' | 'isFresh'> & {
      readonly nowMs: number;
    },
  ): Place {
    const canConfirm = this.#options.confirm?.canConfirm(claim.message.job.server) === true;
    const place: Place = {
      ...said,
      claim,
      confirmed: null,
      state: 'waiting',
      tries: 0,
      dueMs: canConfirm ? nowMs : null,
      saidMs: nowMs,
      isAsking: false,
    };
    this.#places.set(address, place);
    const network = networkOf(address);
    if (network !== null) this.#perNetwork.set(network, (this.#perNetwork.get(network) ?? 0) + 1);
    const key = placeOfClaim(claim);
    this.#addressesOf.set(key, (this.#addressesOf.get(key) ?? new Set()).add(address));
    return place;
  }

  #isFresh(address: string, nowMs: number): boolean {
    const lastMs = this.#lastMs.get(address) ?? this.#sinceMs;
    return this.#options.known.entriesOf(address).length === 0 && nowMs - lastMs > freshAfterMs;
  }

  #drop(address: string, place: Place, nowMs: number): void {
    this.#places.delete(address);
    const network = networkOf(address);
    if (network !== null) {
      const left = (this.#perNetwork.get(network) ?? 1) - 1;
      if (left > 0) this.#perNetwork.set(network, left);
      else this.#perNetwork.delete(network);
    }
    const key = placeOfClaim(place.claim);
    this.#addressesOf.get(key)?.delete(address);
    if (this.#addressesOf.get(key)?.size === 0) this.#addressesOf.delete(key);
    remember(this.#lastMs, address, nowMs);
    if (
      place.state === 'refused' ||
      this.#options.confirm?.canConfirm(place.claim.message.job.server) !== true
    )
      return;
    const earlier = (this.#earlier.get(address) ?? []).filter(({ atMs }) => nowMs - atMs < earlierMs);
    if (earlier.length < maxEarlier) earlier.push({ claim: place.claim, atMs: nowMs });
    remember(this.#earlier, address, earlier);
  }

  #entryOf(address: string, place: Place, nowMs: number): LiveEntry | null {
    if (place.isConflict) return null;
    const { claim, confirmed, claimedMs } = place;
    const isTrusted = this.#options.trustsFresh && place.isFresh && place.state !== 'refused';
    return {
      address,
      agent: null,
      source: confirmed !== null || isTrusted ? 'confirmed-claim' : 'hook-claim',
      certainty: confirmed === null ? 'likely' : 'certain',
      sinceMs: claimedMs,
      untilMs: nowMs + holdMs,
      message: confirmed ?? claim.message,
    };
  }

  /** What a surer source says of the address is of another job: one that it told before the claim, or after it. */
  #contradiction(address: string, place: Place): 'earlier' | 'later' | null {
    const { job } = place.claim.message;
    for (const { source, message, sinceMs } of this.#options.known.entriesOf(address)) {
      if (source === 'hook-claim' || source === 'confirmed-claim' || source === 'process') continue;
      if (isSameJob(message.job, job)) continue;
      // The claim of a job whose end nobody told.
      return place.claimedMs < sinceMs ? 'earlier' : 'later';
    }
    return null;
  }

  async #ask(confirm: ConfirmPort, address: string, place: Place, nowMs: number): Promise<void> {
    place.isAsking = true;
    try {
      const isFree = place.confirmed !== null || (await this.#isFree(confirm, address, nowMs));
      const said: Confirmation = isFree
        ? await confirm.confirm(place.claim)
        : { kind: 'unknown', detail: 'an earlier job of the address has not ended' };
      if (this.#places.get(address) === place) this.#note(address, place, said, nowMs);
    } finally {
      place.isAsking = false;
    }
  }

  /** Every job that was claimed here before has ended, says its platform. */
  async #isFree(confirm: ConfirmPort, address: string, nowMs: number): Promise<boolean> {
    const earlier = (this.#earlier.get(address) ?? []).filter(({ atMs }) => nowMs - atMs < earlierMs);
    const left: Earlier[] = [];
    for (const one of earlier) if ((await confirm.confirm(one.claim)).kind !== 'refused') left.push(one);
    if (left.length === 0) this.#earlier.delete(address);
    else remember(this.#earlier, address, left);
    return left.length === 0;
  }

  #note(address: string, place: Place, said: Confirmation, nowMs: number): void {
    if (said.kind === 'confirmed') return this.#confirm(address, place, said, nowMs);
    if (place.confirmed !== null) {
      if (said.kind === 'unknown' && nowMs - place.saidMs < patienceMs) {
        place.dueMs = nowMs + retriesMs[4];
        return;
      }
      // It runs no more; or nobody could say so for too long.
      if (said.kind === 'refused') this.#drop(address, place, nowMs);
      else [place.confirmed, place.state, place.dueMs] = [null, 'waiting', nowMs + recheckMs];
      this.#options.onResult(said.kind === 'refused' ? 'ended' : 'unconfirmed', said.detail, address);
      return this.#options.onChange();
    }
    const waitMs = retriesMs[place.tries++];
    place.dueMs = waitMs === undefined ? null : nowMs + waitMs;
    if (waitMs !== undefined) return;
    place.state = said.kind === 'refused' ? 'refused' : 'waiting';
    this.#options.onResult('unconfirmed', said.detail, address);
  }

  #confirm(
    address: string,
    place: Place,
    said: Extract<Confirmation, { kind: 'confirmed' }>,
    nowMs: number,
  ): void {
    place.saidMs = nowMs;
    place.dueMs = nowMs + recheckMs;
    if (place.confirmed !== null) return;
    const isBeginning =
      place.claimedMs >= said.startedMs - skewMs && place.claimedMs <= said.startedMs + beginMs;
    const isOnly = this.#isOnly(address, place);
    if (!isBeginning || !isOnly) {
      [place.state, place.dueMs] = ['refused', null];
      const detail = isBeginning ? 'another address claims the same job' : 'the job did not begin just now';
      return this.#options.onResult('unconfirmed', detail, address);
    }
    [place.confirmed, place.state] = [said.message, 'confirmed'];
    this.#options.onResult('confirmed', '', address);
    this.#options.onChange();
  }

  /** No other machine claims the job; where several did so at about the same time none of them is believed. */
  #isOnly(address: string, place: Place): boolean {
    const all = [...(this.#addressesOf.get(placeOfClaim(place.claim)) ?? [])];
    const others = all.flatMap((other) => {
      const its = this.#places.get(other);
      return other === address || its === undefined || its.state === 'refused' ? [] : [[other, its] as const];
    });
    const isTwin = ([other, its]: (typeof others)[number]): boolean =>
      place.claim.machine !== null &&
      place.claim.machine === its.claim.machine &&
      isV6(other) !== isV6(address);
    if (others.every(isTwin)) return true;
    for (const [other, its] of others) {
      if (Math.abs(its.claimedMs - place.claimedMs) > raceMs) continue;
      [its.confirmed, its.state, its.dueMs] = [null, 'refused', null];
      this.#options.onResult('unconfirmed', 'another address claims the same job', other);
      this.#options.onChange();
    }
    return false;
  }

  #tell(address: string, result: ClaimResult, status: number, text: string): ClaimAnswer {
    this.#options.onResult(result, text, address);
    return { status, text };
  }
}

const isV6 = (address: string): boolean => address.includes(':');

/** Adds to a bounded memory; the oldest goes first. */
function remember<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key);
  if (map.size >= usual.claims) map.delete(map.keys().next().value!);
  map.set(key, value);
}
