// What policy and configuration come to for one name and one effective policy, worked out once and kept for a few
// seconds: the decision, and the answers that are made here. The hot path only compares and looks up.

import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Destination } from '../flow/flow.ts';
import { edeOption } from './answer.ts';
import type { LocalAnswer } from './answer.ts';
import type { CacheEntry } from './cache.ts';
import { ede, rcode as code, treatType, type as recordType } from './codes.ts';
import type { Transport } from './flow-record.ts';
import { findLocalName, isUnder } from './local-names.ts';
import type { LocalName } from './local-names.ts';
import { displayName, nameText } from './name.ts';
import type { NamePolicyPort, NameVerdictOfPolicy } from './policy-port.ts';
import type { Wire } from './rebuild.ts';
import type { Outcome } from './recording.ts';
import type { QueryScan } from './scan-query.ts';

export interface AnswerRules {
  /** How a blocked name is answered where nothing else fixes it. */
  readonly blockedAnswer: 'explain' | 'nxdomain';
  /** Canonical names; a blocked name under one of them is NXDOMAIN, so that the stub goes on searching. */
  readonly searchDomains: readonly string[];
  /** Our own addresses as bytes, null where the gateway has none of that family. */
  readonly v4: Uint8Array | null;
  readonly v6: Uint8Array | null;
  readonly ownNames: ReadonlySet<string>;
  /** Allowed names are answered with our own address. */
  readonly steer: boolean;
  /** False where runners have no IPv6: AAAA is then NODATA without asking. */
  readonly ipv6: boolean;
  /** Runners have IPv6 alone: names without an IPv6 address are answered with the gateway's own. */
  readonly isV6Only: boolean;
  /** Steer mode: families that have virtual addresses. */
  readonly pool: { readonly v4: boolean; readonly v6: boolean };
}

/** An allowed name whose address questions are answered with one of the gateway's addresses (steering.ts). */
export interface Steered {
  /** Always, or when the upstream says that the name exists, or that it exists and has no address of that type. */
  readonly when: 'always' | 'exists' | 'empty';
  /** Opened on a virtual address for whoever asks; empty where the gateway's own address is the answer. */
  readonly ports: NameVerdictOfPolicy['bind'];
  readonly has: AnswerRules['pool'];
  /** Known from the beginning, or once the keeper has given the name its virtual addresses. */
  a: LocalAnswer | null;
  aaaa: LocalAnswer | null;
}

/** A kept answer as it was judged, with its record: until the entry expires the same question gets the same. */
export interface Ready {
  readonly type: number;
  readonly transport: Transport;
  readonly entry: CacheEntry;
  readonly wire: Wire;
  readonly outcome: Outcome;
}

export interface NameVerdict {
  /** Folded wire name. */
  readonly name: Uint8Array;
  readonly wireName: string;
  readonly decision: Decision;
  readonly addresses: NameVerdictOfPolicy['addresses'];
  readonly bind: NameVerdictOfPolicy['bind'];
  readonly wildcard: NameVerdictOfPolicy['wildcard'];
  readonly destination: Destination;
  /** Answers made here by type of question; null: the question goes on to the cache and the upstreams. */
  readonly forA: LocalAnswer | null;
  readonly forAaaa: LocalAnswer | null;
  readonly forOther: LocalAnswer | null;
  readonly steered: Steered | null;
  readonly notImplemented: LocalAnswer;
  readonly refused: LocalAnswer;
  readonly empty: LocalAnswer;
  /** Records that recur, prepared; and whether it was met before. */
  readonly outcomes: Outcome[];
  recurs: boolean;
  /** The last kept answers, by the lowest bit of their type. */
  readonly ready: [Ready | null, Ready | null];
}

const blockedTtl = 5;
/** Seconds that a client may keep the gateway's address for a name. */
export const steerTtl = 30;
const ownTtl = 60;
const loopbackV4 = Uint8Array.of(127, 0, 0, 1);
const loopbackV6 = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);

/** An answer made here, without data unless `fields` say so. */
export function makeLocal(decision: Decision, fields: Partial<LocalAnswer> = {}): LocalAnswer {
  const none = {
    rcode: 0,
    authoritative: false,
    address: null,
    ttl: blockedTtl,
    hasSoa: false,
    option: null,
  };
  return { ...none, decision, ...fields };
}

/** The text that a client is told about a block: which rule, and the reason. */
export function explainOption(decision: Decision): Uint8Array {
  const rule = decision.rule === null ? '' : ` by rule ${decision.rule}`;
  return edeOption(ede.blocked, `blocked${rule}: ${decision.reason}`);
}

/** NXDOMAIN with the explanation; `decision` is recorded. */
export function blockedAbsent(decision: Decision): LocalAnswer {
  return makeLocal(decision, { rcode: code.NXDOMAIN, hasSoa: true, option: explainOption(decision) });
}

function addressAnswer(
  decision: Decision,
  address: Uint8Array | null,
  fields: Partial<LocalAnswer>,
): LocalAnswer {
  // NODATA, not NXDOMAIN: a stub that asks for AAAA first must not lose the name.
  return makeLocal(decision, { ...fields, address, hasSoa: address === null });
}

/** The answer made here for this type, or null when the question goes on. */
export function localAnswer(verdict: NameVerdict, type: number): LocalAnswer | null {
  if (type === recordType.A) return verdict.forA;
  if (type === recordType.AAAA) return verdict.forAaaa;
  if (verdict.forOther !== null) return verdict.forOther;
  const treatment = treatType(type);
  if (treatment === 'forward') return null;
  if (treatment === 'empty') return verdict.empty;
  return treatment === 'refused' ? verdict.refused : verdict.notImplemented;
}

const maxAgeMs = 10_000;
/** Of all tables together. */
const maxNames = 20_000;
const maxTables = 256;

interface VerdictTable {
  readonly byHash: Map<number, NameVerdict>;
  bornAt: number;
}

export class Verdicts {
  readonly #policy: NamePolicyPort;
  readonly #rules: AnswerRules;
  readonly #isForwarded: (wireName: string) => boolean;
  readonly #tables = new Map<object, VerdictTable>();
  #lastEffective: object | null = null;
  #lastTable: VerdictTable | null = null;
  #count = 0;

  constructor(policy: NamePolicyPort, rules: AnswerRules, isForwarded: (wireName: string) => boolean) {
    this.#policy = policy;
    this.#rules = rules;
    this.#isForwarded = isForwarded;
  }

  /** The verdict on the scanned name under an effective policy; at most 10 s old. */
  find(effective: object, scan: QueryScan, nowMs: number): NameVerdict {
    let table = this.#tableOf(effective, nowMs);
    const verdict = table.byHash.get(scan.hash);
    if (verdict !== undefined && isSame(verdict, scan)) return verdict;
    if (this.#count >= maxNames) {
      this.clear();
      table = this.#tableOf(effective, nowMs);
    }
    const made = this.#judge(effective, scan);
    // Two names of one hash replace each other: names can be chosen to collide only by guessing the seed.
    if (!table.byHash.has(scan.hash)) this.#count++;
    table.byHash.set(scan.hash, made);
    return made;
  }

  #tableOf(effective: object, nowMs: number): VerdictTable {
    let table = effective === this.#lastEffective ? this.#lastTable : null;
    table ??= this.#tables.get(effective) ?? null;
    if (table === null) {
      if (this.#tables.size >= maxTables) this.clear();
      table = { byHash: new Map(), bornAt: nowMs };
      this.#tables.set(effective, table);
    } else if (nowMs - table.bornAt > maxAgeMs) {
      this.#count -= table.byHash.size;
      table.byHash.clear();
      table.bornAt = nowMs;
    }
    this.#lastEffective = effective;
    this.#lastTable = table;
    return table;
  }

  /** Void everything: the policy changed. */
  clear(): void {
    this.#tables.clear();
    this.#count = 0;
    this.#lastEffective = null;
    this.#lastTable = null;
  }

  #judge(effective: object, scan: QueryScan): NameVerdict {
    const name = scan.name.slice(0, scan.nameLength);
    const wireName = Buffer.from(name).toString('latin1');
    const text = nameText(wireName);
    if (text === null)
      return this.#blockedVerdict(name, wireName, blocked('ambiguous-host'), null, 'nxdomain');
    const judged = this.#policy.decideName(effective, { name: text });
    const decision = plainDecision(judged);
    const isListed = decision.verdict === 'allow' || this.#isForwarded(wireName);
    const local = findLocalName(text, this.#rules.ownNames, isListed);
    if (local !== null) return this.#localVerdict(name, wireName, local);
    if (!isOpen(decision)) return this.#blockedVerdict(name, wireName, decision, text, judged.answer);
    return this.#openVerdict(
      name,
      wireName,
      decision,
      judged,
      this.#steer(effective, wireName, text, judged),
    );
  }

  #openVerdict(
    name: Uint8Array,
    wireName: string,
    decision: Decision,
    judged: NameVerdictOfPolicy,
    steered: Steered | null,
  ): NameVerdict {
    const { steer, ipv6 } = this.#rules;
    return {
      ...baseVerdict(name, wireName, decision),
      addresses: judged.addresses,
      wildcard: judged.wildcard,
      // In steer mode nothing is forwarded; what a virtual address needs is in `steered`.
      bind: steer ? [] : judged.bind,
      steered,
      forA: steered?.when === 'always' ? steered.a : null,
      forAaaa: steered?.when === 'always' ? steered.aaaa : ipv6 ? null : addressAnswer(decision, null, {}),
    };
  }

  /** How an allowed name is steered, or null when its own answer goes out. */
  #steer(effective: object, wireName: string, text: string, judged: NameVerdictOfPolicy): Steered | null {
    const { steer, v4, v6, isV6Only, pool } = this.#rules;
    const decision = plainDecision(judged);
    const own = (address: Uint8Array | null) => addressAnswer(decision, address, { ttl: steerTtl });
    if (!steer) {
      // Ports that are not intercepted are reached at the name's own address, or not at all.
      if (!isV6Only || judged.bind.length > 0) return null;
      return { when: 'empty', ports: [], has: pool, a: null, aaaa: own(v6) };
    }
    const hasPool = pool.v4 || pool.v6;
    const numbers = hasPool ? (this.#policy.steeredPorts?.(effective, { name: text }) ?? []) : [];
    const ports = numbers.map((port) => ({ protocol: 'tcp' as const, port }));
    // Elsewhere a stub would take the first expansion of its search list for the name it wants.
    const when = this.#isForwarded(wireName) || this.#isSearched(text) ? 'exists' : 'always';
    const isVirtual = ports.length > 0;
    return { when, ports, has: pool, a: isVirtual ? null : own(v4), aaaa: isVirtual ? null : own(v6) };
  }

  #blockedVerdict(
    name: Uint8Array,
    wireName: string,
    decision: Decision,
    text: string | null,
    answer: NameVerdictOfPolicy['answer'],
  ): NameVerdict {
    const base = baseVerdict(name, wireName, decision);
    const option = explainOption(decision);
    if (text === null || answer === 'nxdomain' || this.#isAbsent(text, decision)) {
      const absent = blockedAbsent(decision);
      return { ...base, forA: absent, forAaaa: absent, forOther: absent };
    }
    const own = (address: Uint8Array | null) => addressAnswer(decision, address, { option });
    return { ...base, forA: own(this.#rules.v4), forAaaa: own(this.#rules.v6), forOther: own(null) };
  }

  #isAbsent(text: string, decision: Decision): boolean {
    if (this.#rules.blockedAnswer === 'nxdomain' || decision.reason === 'blocklist') return true;
    if (!text.includes('.') || isUnder(text, 'arpa')) return true;
    return this.#isSearched(text);
  }

  #isSearched(text: string): boolean {
    return this.#rules.searchDomains.some((domain) => isUnder(text, domain));
  }

  #localVerdict(name: Uint8Array, wireName: string, local: LocalName): NameVerdict {
    const decision: Decision = { ...ownNameDecision };
    const base = baseVerdict(name, wireName, decision);
    if (local === 'own' || local === 'loopback') {
      const { v4, v6 } = local === 'own' ? this.#rules : { v4: loopbackV4, v6: loopbackV6 };
      const own = (address: Uint8Array | null) =>
        addressAnswer(decision, address, { authoritative: true, ttl: ownTtl });
      return { ...base, forA: own(v4), forAaaa: own(v6), forOther: own(null) };
    }
    const rcode = local === 'absent' ? code.NXDOMAIN : code.NOERROR;
    const answer = makeLocal(decision, { rcode, hasSoa: true, ttl: 30 });
    return { ...base, forA: answer, forAaaa: answer, forOther: answer };
  }
}

// Records carry the decision alone, without what policy adds for this folder.
function plainDecision({ verdict, enforced, mode, rule, scope, reason }: Decision): Decision {
  return { verdict, enforced, mode, rule, scope, reason };
}

const ownNameDecision: Decision = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'own-name',
};

function baseVerdict(name: Uint8Array, wireName: string, decision: Decision): NameVerdict {
  const ofType: Decision = { ...blocked('dns-type'), rule: decision.rule, scope: decision.scope };
  const option = explainOption(ofType);
  return {
    name,
    wireName,
    decision,
    addresses: [],
    bind: [],
    wildcard: undefined,
    destination: { host: displayName(wireName), address: null, port: 53, protocol: 'dns' },
    forA: null,
    forAaaa: null,
    forOther: null,
    steered: null,
    notImplemented: makeLocal(ofType, { rcode: code.NOTIMP, option }),
    refused: makeLocal(ofType, { rcode: code.REFUSED, option }),
    empty: makeLocal(decision, { hasSoa: true }),
    outcomes: [],
    recurs: false,
    ready: [null, null],
  };
}

function isSame(verdict: NameVerdict, scan: QueryScan): boolean {
  const own = verdict.name;
  if (own.length !== scan.nameLength) return false;
  for (let i = 0; i < own.length; i++) if (own[i] !== scan.name[i]) return false;
  return true;
}
