// Judges one request before its first byte leaves: one canonical host and path, Host against the name of
// the connection, evidence, policy, and grants from answers. Synchronous and free of I/O.

import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision, Mode } from '../flow/decision.ts';
import type { Cidr } from '../flow/address.ts';
import type { Evidence } from '../flow/evidence.ts';
import type {
  AnswerReader,
  AnswerReview,
  AnswerRewrite,
  BodyWatcher,
  KeepVersion,
  Understanding,
} from '../flow/asked-request.ts';
import { toFlowLineage, type FlowLineage } from '../flow/lineage.ts';
import type { Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { canonicalisePath, slashesOn } from '../policy/canonicalise-path.ts';
import type { RequestDecision } from '../policy/decide.ts';
import { findEncryptedDns } from '../policy/encrypted-dns.ts';
import { offeredUpgrade } from '../policy/offered-upgrade.ts';
import type { Connection } from './connection.ts';
import { joinQuery } from './follow.ts';
import type { FollowGrant } from './follow.ts';
import { Carried, understandHead, type Maker } from './asking.ts';
import { inspectRequest } from './inspecting.ts';
import type { Fields } from './fields.ts';
import type { RequestQuery } from './options.ts';
import { isSamePackage } from './same-package.ts';
import { readTarget, type AskedHead, type Target } from './read-target.ts';

/** The judgement on one request; `host` and `query` are null when they could not be read in one way. */
export interface Judgement {
  readonly decision: Decision;
  readonly host: string | null;
  readonly query: RequestQuery | null;
  /** The query string, for grants only; never recorded. */
  readonly search: string;
  readonly evidence: readonly Evidence[];
  readonly operation: Operation | null;
  /** Of a credential that was made here, or came with the job. */
  readonly lineage?: FlowLineage | null;
  /** Credentials that the answer handed out. */
  readonly minted?: readonly FlowLineage[];
  /** What they were made with; absent where the answer is not read for them. */
  readonly maker?: Maker;
  /** Set when the body decides and is to be held. */
  readonly hold: NonNullable<Understanding['hold']> | null;
  /** Who reads the answer, or null. */
  readonly answer: AnswerReader | null;
  /** Set when the whole answer decides whether it goes on. */
  readonly review: AnswerReview | null;
  /** How the list that is asked for is shortened on its way, over HTTP/1 alone; null: it is not. */
  readonly rewrite: { readonly how: AnswerRewrite; readonly keep: KeepVersion } | null;
  /** Who reads along what is sent, or null. */
  readonly watch: BodyWatcher | null;
  readonly allowed: readonly Cidr[];
  readonly maxUploadBytes: number | null;
  /** Set when the answer's Location is to be opened. */
  readonly follow: FollowGrant | null;
  /** Origin-form of an absolute-form target (RFC 9112 §3.2.2), to be sent instead; null: as it came. */
  readonly originForm: string | null;
  /** For people, on what was malformed. */
  readonly detail: string;
}

const noCidrs: readonly Cidr[] = [];
// Reasons that say "nothing allows it", which a grant may supply; a block by rule or list stays.
const grantable: ReadonlySet<Reason> = new Set([
  'no-rule',
  'path',
  'method',
  'not-exclusive',
  'repository',
  'access',
  'not-understood',
]);
// Those that say so of the host or the path: what an answer hands out by itself lifts no other, so that it opens
// nothing of what rules on operations speak of.
const unlisted: ReadonlySet<Reason> = new Set(['no-rule', 'path', 'method', 'not-exclusive']);
// What no body changes: such a request is not held to be refused after all.
const settledByHead: ReadonlySet<Reason> = new Set([
  'blocklist',
  'unattributed',
  'never-address',
  'private-address',
  'encrypted-dns',
  'policy-unavailable',
  'websocket',
  'request-smuggling',
  'foreign-token',
  'credential-kind',
]);

/** Judges the request; `isExplicit` allows it to name any host in absolute-form. */
export function judge(
  connection: Connection,
  head: AskedHead,
  scheme: 'http' | 'https',
  isExplicit: boolean,
  fields: Fields,
): Judgement {
  const target = readTarget(head, scheme, connection.port, isExplicit);
  if ('reason' in target) return refused(target.reason, target.detail, null);
  if (connection.isPinned && target.host !== (connection.host ?? connection.address)) {
    return misdirected(connection, target.host, 'SNI');
  }
  if (!isExplicit && target.port !== connection.port) return misdirected(connection, target.host, 'port');
  if (isForeignAddress(connection, target.host)) return misdirected(connection, target.host, 'address');
  const path = canonicalisePath(target.pathText, slashesOn(target.host));
  if (path.kind === 'ambiguous') return refused('ambiguous-path', path.detail, target.host);
  const upgrade = head.upgrade === null ? null : offeredUpgrade(head.upgrade);
  const { host, port } = target;
  const base = { scheme, host, port, method: head.method, path: path.path, hasBody: head.hasBody, upgrade };
  const bare = { ...base, evidence: connection.evidence, operation: null };
  return decide(connection, head, bare, { search: path.query, target, fields });
}

interface Asked {
  readonly search: string;
  readonly target: Target;
  readonly fields: Fields;
}

function decide(
  connection: Connection,
  head: AskedHead,
  bare: RequestQuery,
  { search, target, fields }: Asked,
): Judgement {
  const carried = new Carried(connection, bare, search, fields);
  const understood = understandHead(connection, bare, search, fields, carried);
  const operation = understood?.operation ?? null;
  if (operation !== null && fields.isRepeated('authorization'))
    return refused('request-smuggling', 'two Authorization fields', bare.host);
  const inspected = inspectRequest(connection, bare, { search, fields, carried }, understood);
  const evidence = [...connection.evidence, ...(understood?.evidence ?? []), ...(inspected?.evidence ?? [])];
  if (head.override !== null)
    evidence.push({ kind: 'method-override', detail: `the request asks to be read as ${head.override}` });
  const dns = findEncryptedDns({ path: bare.path, query: search, mediaTypes: head.dnsTypes });
  if (dns !== null) evidence.push({ kind: 'encrypted-dns', detail: dns });
  const meant = evidence.length === 0 && operation === null ? bare : { ...bare, evidence, operation };
  const query = inspected === null ? meant : { ...meant, credential: inspected.credential };
  const told = {
    host: query.host,
    query,
    search,
    evidence,
    operation,
    hold: bare.hasBody ? (inspected?.hold ?? understood?.hold ?? null) : null,
    ...answerOf(connection, understood),
    ...traceOf(carried, understood),
    rewrite: rewriteOf(connection, understood),
    watch: watchOf(connection, bare, understood),
    originForm: target.originForm,
    detail: '',
  };
  return { ...told, ...settle(connection, query, search, head.override) };
}

/** Who reads the answer: as it passes, or before it does where the policy asks. */
function answerOf(
  { core }: Connection,
  understood: Understanding | null,
): Pick<Judgement, 'answer' | 'review'> {
  const { answer = null, review = null } = understood ?? {};
  if (review?.about === 'images')
    return { answer, review: core.decider?.asksImageAges === true ? review : null };
  const isAsked = review !== null && (core.decider?.actions ?? null) !== null;
  return isAsked ? { answer: null, review } : { answer, review: null };
}

/** What the record says of the credential, and what the answer's would be made with. */
function traceOf(carried: Carried, understood: Understanding | null): Pick<Judgement, 'lineage' | 'maker'> {
  if (understood === null) return {};
  const { lineage } = carried;
  const mayMint = understood.answer?.mints === true || understood.hold !== undefined;
  return {
    ...(lineage === null ? {} : { lineage: toFlowLineage(lineage) }),
    ...(mayMint ? { maker: carried.maker } : {}),
  };
}

function rewriteOf(
  { core, attribution }: Connection,
  understood: Understanding | null,
): Judgement['rewrite'] {
  const { operation = null, rewrite } = understood ?? {};
  if (operation === null || rewrite === undefined) return null;
  const keep = core.ports.keepVersion?.(attribution, operation) ?? null;
  return keep === null ? null : { how: rewrite, keep };
}

/** Who reads along: where the request itself is a log, or goes where an answer said that logs go. */
function watchOf(
  { core, holder }: Connection,
  query: RequestQuery,
  understood: Understanding | null,
): BodyWatcher | null {
  if (understood?.watch !== undefined) return understood.watch;
  return query.hasBody && query.scheme === 'https' ? core.watched.find(holder, query) : null;
}

type Settled = Pick<Judgement, 'decision' | 'allowed' | 'maxUploadBytes' | 'follow'>;

/** Policy's answer at this moment, or the one that a grant supplies in place of a missing rule. */
function settle(
  connection: Connection,
  query: RequestQuery,
  search: string,
  override: string | null,
): Settled {
  const decided = decideNow(connection, query, override);
  const grant = grantFor(connection, query, search, decided);
  if (grant !== null) {
    const withheld = findWithheld(connection, query, grant);
    if (withheld !== null && !isOpen(withheld))
      return { decision: withheld, allowed: noCidrs, maxUploadBytes: null, follow: null };
    // A grant opens no private range: only rules for the host itself do.
    const allowed =
      'addresses' in decided ? decided.addresses : (connection.hostDecision?.addresses ?? noCidrs);
    const decision = withheld ?? grantDecision(grant, decided.mode);
    return { decision, allowed, maxUploadBytes: null, follow: grant };
  }
  if (!('maxUploadBytes' in decided)) {
    return { decision: decided, allowed: noCidrs, maxUploadBytes: null, follow: null };
  }
  const { addresses, maxUploadBytes } = decided;
  return {
    decision: plain(decided),
    allowed: addresses,
    maxUploadBytes,
    follow: followOf(connection, decided, query),
  };
}

/** The block that no grant lifts; a package is judged where its registry was asked for it. */
function findWithheld(
  { core, attribution }: Connection,
  query: RequestQuery,
  grant: FollowGrant,
): Decision | null {
  const isSame = isSamePackage(grant.asked?.query.operation ?? null, query.operation);
  return core.decider?.withheld?.(attribution, isSame ? { ...query, operation: null } : query) ?? null;
}

/** What the Location of an allowed answer opens: where a rule says so, or a forge sends the job on. */
function followOf(
  { core, attribution }: Connection,
  { verdict, follow, rule, scope }: RequestDecision,
  query: RequestQuery,
): FollowGrant | null {
  if (verdict !== 'allow') return null;
  const { platform, sureness } = query.operation ?? {};
  const isForge = (platform === 'github' || platform === 'gitlab') && sureness === 'known';
  // Anybody answers without TLS: what they say opens nothing that no rule asks for.
  if (!follow && (!isForge || query.scheme !== 'https')) return null;
  const asked = { revision: core.decider?.revision ?? null, attribution, query };
  return { rule, scope, hops: 0, asked, ...(follow ? {} : { isImplied: true }) };
}

/** The judgement again, with what was found in the body that it waited for. */
export function rejudge(
  connection: Connection,
  judged: Judgement,
  override: string | null,
  found: Understanding | null,
): Judgement {
  if (judged.query === null) return judged;
  // What the body says takes the place of its not having been read.
  const isFirst = judged.hold !== null && found !== null;
  const before = isFirst ? judged.evidence.filter(({ kind }) => kind !== 'opaque-body') : judged.evidence;
  const evidence = found === null ? before : [...before, ...found.evidence];
  const operation = found?.operation ?? judged.operation;
  const isRead = found?.answer !== undefined || found?.review !== undefined;
  const { answer, review } = isRead ? answerOf(connection, found) : judged;
  const query = { ...judged.query, evidence, operation };
  const trace = found?.presented === undefined ? {} : { lineage: toFlowLineage(found.presented) };
  const watch = found?.watch ?? judged.watch;
  const told = { query, evidence, operation, answer, review, watch, ...trace, hold: null };
  return { ...judged, ...told, ...settle(connection, query, judged.search, override) };
}

/** Why a request in flight would be decided otherwise now, or why its upstream's address may no longer be used; or null. */
export function reasonToEnd(
  connection: Connection,
  judgement: Judgement,
  override: string | null,
  address: string | null,
): Reason | null {
  if (judgement.query === null) return null;
  const now = settle(connection, judgement.query, judgement.search, override);
  if (isOpen(now.decision) !== isOpen(judgement.decision)) return now.decision.reason;
  if (address === null || !isOpen(now.decision)) return null;
  return connection.addressCheck(now.allowed, judgement.query.port).reason(address);
}

/** The decision that a grant supplies in place of "nothing allows it". */
export function grantDecision(grant: FollowGrant, mode: Mode): Decision {
  return { verdict: 'allow', enforced: true, mode, rule: grant.rule, scope: grant.scope, reason: 'rule' };
}

/** True when the request must be held until its body has been read. */
export function mustHold({ hostDecision }: Connection, { decision, hold }: Judgement): boolean {
  if (hold === null || (hostDecision !== null && !isOpen(hostDecision))) return false;
  return isOpen(decision) || !settledByHead.has(decision.reason);
}

/** True for a block that a grant from an answer may lift. */
export function isGrantable(decision: Decision): boolean {
  return decision.verdict === 'block' && grantable.has(decision.reason);
}

/** Policy's answer at this moment: the host's own block first, then the request, then what it claims to be. */
function decideNow(
  connection: Connection,
  query: RequestQuery,
  override: string | null,
): RequestDecision | Decision {
  const { decider } = connection.core;
  if (decider === null) return blocked('policy-unavailable');
  const startedAt = performance.now();
  const name = connection.host ?? connection.address;
  const hostDecision = connection.hostDecision;
  // A kept connection of the explicit proxy may name other ports too.
  const isSame = query.host === name && query.port === connection.port;
  if (hostDecision !== null && isSame && !isOpen(hostDecision)) return plain(hostDecision);
  let decided = decider.request(connection.attribution, query);
  if (override !== null && isOpen(decided)) {
    const asOverride = decider.request(connection.attribution, { ...query, method: override });
    if (asOverride.verdict === 'block') decided = asOverride;
  }
  connection.core.ports.meter.observe('sallyport_decision_seconds', (performance.now() - startedAt) / 1000);
  // Recorded is what block mode would tell: the host's own reason, where the request has none besides.
  const hasNone = !decided.enforced && decided.reason === 'no-rule';
  const isOfHost = isSame && hasNone && hostDecision?.verdict === 'block';
  return isOfHost ? { ...decided, reason: hostDecision.reason } : decided;
}

function grantFor(
  connection: Connection,
  query: RequestQuery,
  search: string,
  decided: Decision,
): FollowGrant | null {
  if (!isGrantable(decided) || query.scheme !== 'https') return null;
  const isRead = query.method === 'GET' || query.method === 'HEAD';
  if (query.upgrade !== null || (isRead && query.hasBody)) return null;
  if (query.evidence.some(({ kind }) => kind === 'method-override' || kind === 'encrypted-dns')) return null;
  const { core, holder } = connection;
  const { operation } = query;
  const followed = core.grants.url(
    holder,
    { host: query.host, port: query.port, pathAndQuery: joinQuery(query.path, search) },
    query.method,
  );
  // Rules on accounts name no bucket of a forge or a registry: whoever it belongs to has signed the URL.
  const isBucket = operation?.platform === 'aws' && operation.name.startsWith('s3/');
  const isNamed = operation !== null && operation.byShape !== true && !isBucket;
  // An answer sends nobody on to change what rules on operations speak of.
  const mayLift = isRead ? operation === null || operation.access === 'read' : !isNamed;
  if (followed !== null && followed.isImplied !== true && mayLift)
    return core.isInForce(followed) ? followed : null;
  const archive = isRead ? core.storage.archive(holder, query) : null;
  if (archive !== null) return core.isInForce(archive) ? archive : null;
  if (isNamed || !(isBucket || unlisted.has(decided.reason))) return null;
  const grant = followed ?? core.storage.url(holder, query);
  return grant !== null && core.isInForce(grant) ? grant : null;
}

/** The decision alone, without what the record has no field for. */
export function plain(decision: Decision): Decision {
  const { verdict, enforced, mode, rule, scope, reason } = decision;
  return { verdict, enforced, mode, rule, scope, reason };
}

/** A literal address in Host that is not the one the client dialled. */
function isForeignAddress(connection: Connection, host: string): boolean {
  const { originalAddress } = connection;
  return originalAddress !== null && host !== originalAddress && /^[\d.]+$|:/.test(host);
}

function misdirected(connection: Connection, host: string, by: string): Judgement {
  const detail = `Host names ${host}, the ${by} of the connection ${connection.host ?? connection.address ?? 'none'}`;
  const judged = refused('misdirected', 'Host and the connection name different destinations', host);
  return { ...judged, evidence: [...connection.evidence, { kind: 'sni-mismatch', detail }] };
}

function refused(reason: Reason, detail: string, host: string | null): Judgement {
  const none = {
    query: null,
    search: '',
    evidence: [],
    operation: null,
    hold: null,
    answer: null,
    review: null,
    rewrite: null,
    watch: null,
  };
  return {
    ...none,
    allowed: noCidrs,
    decision: blocked(reason),
    host,
    maxUploadBytes: null,
    follow: null,
    originForm: null,
    detail,
  };
}
