// The decisions: may this name be asked for, this host be connected to, this request be sent, this packet pass?
// Pure and synchronous. A block beats an allow, the order of rules never matters, the blocklist beats everything.

import { parseAddress, type Cidr } from '../flow/address.ts';
import { isOpen as maySend, type Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import { unattributed, type Attribution } from '../flow/job.ts';
import type { CredentialKind, Operation } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { findActionRefusal } from './actions.ts';
import { findBlockedAddress, findBlockedHost } from './blocklist.ts';
import { passesCeiling } from './ceiling.ts';
import { checkAddress } from './check-address.ts';
import { intersectCidrs } from './cidr-set.ts';
import { findByRange, findConnection, findRangeBlocks, type HostQuestion } from './connection-view.ts';
import { blocksOperation, coverOperation, explainUncovered, type OperationUse } from './cover-operation.ts';
import { findWithheld } from './credentials.ts';
import { findWildcard } from './find-wildcard.ts';
import { findHostView, type Candidate, type HostView } from './host-view.ts';
import { blocksMethod } from './method-set.ts';
import { findPackageRefusal } from './packages.ts';
import { selectByPath } from './path-index.ts';
import { coversPort, coversTcp, type BlockingRule, type NetworkRule, type Rule } from './rule.ts';
import { blocksRequest, blocksWholeHost, fitsEndpoint, grantsRequest, type RequestUse } from './rule-fit.ts';
import type { EffectivePolicy } from './scope.ts';
import { blockNow, dnsOverTlsPort, findListed, findRefusal, isNever, settle } from './settle.ts';
import { uniteAddresses, uniteGrants } from './unite-grants.ts';

export interface NameDecision extends Decision {
  /** Private ranges that the name may lead to. */
  readonly addresses: readonly Cidr[];
  /** Ports that a network rule opens for this name: written to the kernel before the answer leaves. */
  readonly bind: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
  readonly answer: 'forward' | 'explain' | 'nxdomain';
  /** Of an allowed name: the narrowest wildcard that opens it, or null where a rule writes it out. */
  readonly wildcard?: string | null;
}
export interface HostDecision extends Decision {
  readonly treatment: 'intercept' | 'pass-through';
  readonly addresses: readonly Cidr[];
}
export interface RequestDecision extends Decision {
  readonly addresses: readonly Cidr[];
  readonly websocket: boolean;
  readonly maxUploadBytes: number | null;
  readonly follow: boolean;
}

export interface RequestQuestion {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  readonly method: string;
  /** Canonical, without the query. */
  readonly path: string;
  readonly hasBody: boolean;
  readonly upgrade: string | null;
  readonly evidence: readonly Evidence[];
  /** What the request means; absent or null: nobody says. */
  readonly operation?: Operation | null;
  /** For whom; needed where rules speak of the job's own. */
  readonly attribution?: Attribution;
  /** Whose credential it carries, where the policy asks; of an operation its own counts. */
  readonly credential?: CredentialKind | null;
}
export interface NetworkQuestion {
  /** The name that the address was bound for, or null. */
  readonly host: string | null;
  /** Null only where a name is asked about before its address is known (`explain`). */
  readonly address: string | null;
  readonly port: number | null;
  readonly protocol: 'tcp' | 'udp' | 'icmp' | 'other';
}

/** A DNS question, before anything goes upstream. */
export function decideName(effective: EffectivePolicy, { name }: { readonly name: string }): NameDecision {
  const view = findHostView(effective, name);
  const decision = settle(effective, {
    refusal: null,
    listed: findBlockedHost(effective.policy.blocklist, name, Date.now()),
    blocks: view.blocks.filter(({ rule }) => blocksEverything(rule)),
    grants: view.groups,
    union: view.union,
    blockReason: 'no-rule',
  });
  const isOpen = decision.verdict === 'allow' || !decision.enforced;
  const isSilent = decision.reason === 'blocklist' || !name.includes('.');
  return {
    ...decision,
    addresses: [...uniteAddresses(view.groups), ...findNamedRanges(effective, view)],
    bind: isOpen ? listBindings(view) : [],
    answer: isOpen ? 'forward' : isSilent ? 'nxdomain' : 'explain',
    ...(decision.verdict === 'allow' ? { wildcard: findWildcard(view, name) } : {}),
  };
}

/** A connection, before any SYN leaves; what is allowed here may still be blocked request by request. */
export function decideHost(effective: EffectivePolicy, question: HostQuestion): HostDecision {
  const { host, address, port, protocol } = question;
  const view = findConnection(effective, question);
  const decision = settle(effective, {
    refusal: findRefusal(host ?? address ?? '', port),
    listed: findListed(effective, host, address),
    blocks: view.blocks,
    grants: view.grants,
    union: view.union,
    blockReason: host !== null ? 'no-rule' : protocol === 'tls' ? 'no-server-name' : 'direct-address',
  });
  const isAllowed = decision.verdict === 'allow';
  return {
    ...decision,
    reason: isAllowed && !view.isWhole ? 'host-open' : decision.reason,
    treatment: view.isPassed ? 'pass-through' : 'intercept',
    addresses: host === null && isAllowed ? [...view.addresses, ...ownAddress(address)] : view.addresses,
  };
}

/** One request; the host was decided before, and is decided again with it. */
export function decideRequest(effective: EffectivePolicy, question: RequestQuestion): RequestDecision {
  const { host, scheme, port, path } = question;
  const { paths, groups, operations } = findHostView(effective, host);
  const use: RequestUse = {
    ...question,
    overridden: question.evidence.some(({ kind }) => kind === 'method-override'),
  };
  const isGranted = ({ rule }: Candidate) =>
    fitsEndpoint(rule, scheme, port) && grantsRequest(rule, use) === 'yes';
  const meant = operations === null ? null : readUse(effective, question);
  const grants = paths.groups.map((index, at) => {
    const found = selectByPath(index, path).filter(isGranted);
    return meant === null ? found : [...found, ...coverOperation(operations!.groups[at]!, meant)];
  });
  const { upgrade } = use;
  const open =
    upgrade === null ? grants : grants.map((group) => group.filter(({ rule }) => mayUpgrade(rule, upgrade)));
  const isOpen = open.every((group) => group.length > 0);
  const isBlocking = (candidate: Candidate<BlockingRule>) => {
    const { rule } = candidate;
    if (rule.kind === 'operation') return false;
    return rule.kind === 'http' ? blocksRequest(rule, use, blocksMethod) : coversTcp(rule, port);
  };
  const byPath = paths.blocks.all.length === 0 ? noBlocks : selectByPath(paths.blocks, path);
  const decision = settle(effective, {
    refusal: findRefusal(host, port),
    listed: findListed(effective, host, host),
    blocks: [
      ...byPath.filter(isBlocking),
      ...(meant === null ? [] : operations!.blocks.filter((block) => blocksOperation(block, meant))),
      ...findRangeBlocks(effective, host, port),
    ],
    grants: open,
    union: isOpen
      ? []
      : [
          ...selectByPath(paths.union, path).filter(isGranted),
          ...(meant === null ? [] : coverOperation(operations!.union, meant)),
        ],
    blockReason: isOpen
      ? 'no-rule'
      : nameMiss(
          explainMeaning(operations, grants, meant) ?? explainMiss(groups, paths, grants, use),
          question.operation ?? null,
          effective.policy.packages !== null,
        ),
  });
  const addresses = uniteAddresses(open);
  const own = decision.verdict === 'allow' ? ownAddress(host) : [];
  return {
    ...(maySend(decision) ? pickBlock(decision, findOtherBlocks(effective, question, open)) : decision),
    ...uniteGrants(open),
    addresses: own.length === 0 ? addresses : [...addresses, ...own],
  };
}

/** What else blocks the request, in the order in which it is told. */
function findOtherBlocks(
  effective: EffectivePolicy,
  question: RequestQuestion,
  open: readonly (readonly Candidate[])[],
): readonly (Decision | null)[] {
  const isResolver =
    question.evidence.some(({ kind }) => kind === 'encrypted-dns') &&
    !open.every((group) => group.some(({ rule }) => namesPath(rule, question.path)));
  return [
    isResolver ? blockNow(effective, 'encrypted-dns') : null,
    withhold(effective, question),
    ...findMeaningBlocks(effective, question.operation ?? null, open),
  ];
}

/** What is enforced counts before what is only recorded; of these the first, so that audit tells what block mode would. */
function pickBlock(decision: Decision, others: readonly (Decision | null)[]): Decision {
  const enforced = others.find((found) => found?.enforced === true);
  if (enforced) return enforced;
  return decision.verdict === 'block' ? decision : (others.find((found) => found !== null) ?? decision);
}

/** The block of a request for the credentials that it carries or asks for, or null; no grant lifts it. */
export function withhold(effective: EffectivePolicy, question: RequestQuestion): Decision | null {
  const { credentials } = effective;
  const reason = credentials === null ? null : findWithheld(credentials, question);
  return reason === null ? null : blockNow(effective, reason);
}

/** The block that no grant lifts, not even storage that an answer handed out: of credentials, a package, its token. */
export function withholdGranted(effective: EffectivePolicy, question: RequestQuestion): Decision | null {
  const { operation = null } = question;
  const found = [
    withhold(effective, question),
    operation === null ? null : refusePackage(effective, operation),
    findExcess(effective, operation),
  ];
  return found.find((each) => each?.enforced) ?? found.find((each) => each !== null) ?? null;
}

/** What rules on hosts and paths do not see: a package that may not be had or published, or a token that does too much. */
function findMeaningBlocks(
  effective: EffectivePolicy,
  operation: Operation | null,
  grants: readonly (readonly Candidate[])[],
): readonly (Decision | null)[] {
  if (operation === null) return [];
  return [
    findPublishBlock(effective, operation, grants),
    refusePackage(effective, operation),
    findActionBlock(effective, operation, grants),
    findExcess(effective, operation),
  ];
}

function findPublishBlock(
  effective: EffectivePolicy,
  operation: Operation,
  grants: readonly (readonly Candidate[])[],
): Decision | null {
  const isPublished = isPublication(operation) && !grants.every((group) => group.some(isPublishGrant));
  const isPushed = isPush(operation) && !grants.every((group) => group.some(isOperationGrant));
  const isBlocked = (isPublished || isPushed) && mayRefuse(operation, effective.policy.packages !== null);
  return isBlocked ? blockNow(effective, 'publish') : null;
}

function refusePackage(effective: EffectivePolicy, operation: Operation): Decision | null {
  const { packages } = effective.policy;
  const refusal = packages === null ? null : findPackageRefusal(packages, operation, Date.now());
  if (refusal === null) return null;
  const decision = blockNow(effective, refusal.reason, refusal.rule);
  return refusal.isRecordedOnly ? { ...decision, enforced: false } : decision;
}

/** An action that may not be had, or an archive of one that no rule on repositories opens: hosts say nothing of it. */
function findActionBlock(
  effective: EffectivePolicy,
  operation: Operation,
  grants: readonly (readonly Candidate[])[],
): Decision | null {
  const isArchive = operation.platform === 'github' && operation.name === 'actions/download';
  if (isArchive && !grants.every((group) => group.some(({ rule }) => rule.kind === 'operation')))
    return blockNow(effective, 'repository');
  const { actions } = effective.policy;
  const refusal = actions === null ? null : findActionRefusal(actions, operation);
  if (refusal === null) return null;
  const decision = blockNow(effective, refusal.reason, refusal.rule);
  return refusal.isRecordedOnly ? { ...decision, enforced: false } : decision;
}

/** What is recognised by its shape alone is a publication only to a policy that speaks of packages. */
function mayRefuse({ byShape }: Operation, speaksOfPackages: boolean): boolean {
  return byShape !== true || speaksOfPackages;
}

const isPublication = ({ touches }: Operation) =>
  touches.some((touch) => touch.kind === 'package' && touch.act === 'publish');

const isPublishGrant = ({ rule }: Candidate) => rule.kind === 'operation' && rule.family === 'packages';

/** An image is published by a rule on images, or on the account that its registry is of. */
const isPush = ({ platform, touches }: Operation) =>
  platform === 'oci' && touches.some((touch) => touch.kind === 'image' && touch.access !== 'read');

const isOperationGrant = ({ rule }: Candidate) => rule.kind === 'operation';

/** The block of a request by which the job's own token would do more than the policy grants it, or null. */
function findExcess(effective: EffectivePolicy, operation: Operation | null): Decision | null {
  const { ceiling } = effective;
  if (ceiling === null || operation === null || passesCeiling(ceiling, operation)) return null;
  return { ...blockNow(effective, 'permission'), enforced: ceiling.mode === 'block' };
}

function readUse({ policy }: EffectivePolicy, question: RequestQuestion): OperationUse | null {
  const { operation = null, attribution = unattributed, scheme, port } = question;
  const isHttps = scheme === 'https' && port === 443;
  return operation === null ? null : { operation, attribution, trusts: policy.trusts, isHttps };
}

/** Why rules on operations do not cover what the request means, or null where they are not what is missing. */
function explainMeaning(
  operations: HostView['operations'],
  grants: readonly (readonly Candidate[])[],
  meant: OperationUse | null,
): Reason | null {
  const missing = grants.findIndex((group) => group.length === 0);
  if (operations === null || meant === null || missing < 0) return null;
  const reason = explainUncovered(operations.groups[missing]!, meant);
  return reason === 'no-rule' ? null : reason;
}

const noBlocks: readonly Candidate<BlockingRule>[] = [];

/** A packet that the proxy does not see: by address, or by the name that the address was bound for. */
export function decideNetwork(effective: EffectivePolicy, question: NetworkQuestion): Decision {
  const { host, address, port, protocol } = question;
  const bytes = address === null ? null : parseAddress(address);
  if (bytes === null ? address !== null : isNever(bytes)) return blockNow(effective, 'never-address');
  if (port === dnsOverTlsPort && (protocol === 'tcp' || protocol === 'udp'))
    return blockNow(effective, 'encrypted-dns');
  if (port === 443 && protocol === 'udp') return blockNow(effective, 'quic');
  const view = host === null ? null : findHostView(effective, host);
  const coversPorts = ({ ports }: NetworkRule) => (port === null ? ports === null : coversPort(ports, port));
  const fits = (rule: NetworkRule) =>
    rule.protocols.some((known) => known === protocol) && (protocol === 'icmp' || coversPorts(rule));
  const find = (layers: EffectivePolicy['union'], byHost: readonly Candidate[]): Candidate<NetworkRule>[] => [
    ...byHost.flatMap(({ rule, scope }) => (rule.kind === 'network' && fits(rule) ? { rule, scope } : [])),
    ...(bytes === null ? [] : findByRange(layers, bytes)).filter(({ rule }) => fits(rule)),
  ];
  const isGrant = ({ rule }: Candidate<NetworkRule>) => !rule.isBlock;
  return settle(effective, {
    refusal: null,
    listed: findListed(effective, host, address),
    blocks: [
      ...(view?.blocks ?? []).filter(({ rule }) => rule.kind === 'http' && blocksEverything(rule)),
      ...find(effective.blocking, view?.blocks ?? []).filter(({ rule }) => rule.isBlock),
    ],
    grants: effective.groups.map((layers, index) => find(layers, view?.groups[index] ?? []).filter(isGrant)),
    union: find(effective.union, view?.union ?? []).filter(isGrant),
    blockReason: 'no-rule',
  });
}

/**
 * Why an address that a name led to may not be dialled on this TCP port, or null: the blocklist, ranges that a rule
 * blocks, and ranges of `checkAddress`.
 */
export function checkDial(
  effective: EffectivePolicy,
  address: string,
  port: number,
  allowed: readonly Cidr[],
): Reason | null {
  const listed = findBlockedAddress(effective.policy.blocklist, address);
  if (listed !== null && !listed.audit) return 'blocklist';
  const reason = checkAddress(address, allowed);
  if (reason !== null || effective.mode === 'audit') return reason;
  return findRangeBlocks(effective, address, port).some(({ rule }) => !rule.audit) ? 'block-rule' : null;
}

/** True for a block that leaves no port and no protocol of the host: the name then need not be resolved either. */
function blocksEverything(rule: BlockingRule): boolean {
  if (rule.kind === 'operation') return false;
  if (rule.kind === 'http') return rule.endpoints === null && blocksWholeHost(rule);
  return rule.ports === null && rule.protocols.length === 3;
}

/** A name allowed by `dns` alone may lead to the ranges that network rules open anyway. */
function findNamedRanges(effective: EffectivePolicy, view: HostView): readonly Cidr[] {
  if (!view.union.some(({ rule }) => rule.kind === 'name')) return [];
  const lists = effective.groups.map((layers) =>
    layers.flatMap(({ indexes }) =>
      indexes.flatMap(({ byRange }) => byRange.filter((rule) => !rule.isBlock).flatMap(({ to }) => to)),
    ),
  );
  return lists.reduce((a, b) => intersectCidrs(a, b));
}

/** True when the rule was written for this very path. */
function namesPath(rule: Rule, path: string): boolean {
  return (
    rule.kind === 'http' &&
    rule.paths !== null &&
    rule.paths.some(({ form, literal }) => form === 'exact' && literal === path)
  );
}

function mayUpgrade(rule: Rule, upgrade: string): boolean {
  return rule.kind === 'opaque' || (rule.kind === 'http' && rule.websocket && upgrade === 'websocket');
}

/** A publication that rules on its host miss lacks a rule of its own: they would not grant it if they fitted. */
function nameMiss(reason: Reason, operation: Operation | null, speaksOfPackages: boolean): Reason {
  const isHosts = reason === 'method' || reason === 'path';
  const isNamed = operation !== null && isPublication(operation) && mayRefuse(operation, speaksOfPackages);
  return isHosts && isNamed ? 'publish' : reason;
}

/** Why no rule fitted: nearest first. */
function explainMiss(
  groups: HostView['groups'],
  paths: HostView['paths'],
  grants: readonly (readonly Candidate[])[],
  use: RequestUse,
): Reason {
  const missing = grants.findIndex((group) => group.length === 0);
  if (missing < 0) return 'websocket';
  const fits = ({ rule }: Candidate) => fitsEndpoint(rule, use.scheme, use.port);
  const near = selectByPath(paths.groups[missing]!, use.path).filter(fits);
  if (near.some(({ rule }) => grantsRequest(rule, use) === 'method')) return 'method';
  return groups[missing]!.some(fits) ? 'path' : 'no-rule';
}

/** A rule that names the address itself opens it; no range for a name. */
function ownAddress(host: string | null): readonly Cidr[] {
  const bytes = host === null ? null : parseAddress(host);
  return bytes === null ? [] : [{ bytes, prefix: bytes.length * 8 }];
}

function listBindings(view: HostView): NameDecision['bind'] {
  const bindings = view.groups[0]!.flatMap(({ rule }) => (rule.kind === 'network' ? expandPorts(rule) : []));
  const isCovered = ({ protocol, port }: NameDecision['bind'][number]) =>
    view.groups.every((group) =>
      group.some(
        ({ rule }) =>
          rule.kind === 'network' && rule.protocols.includes(protocol) && coversPort(rule.ports, port),
      ),
    ) &&
    !view.blocks.some(({ rule }) =>
      rule.kind === 'network'
        ? !rule.audit && rule.protocols.includes(protocol) && coversPort(rule.ports, port)
        : false,
    );
  const seen = new Map(bindings.map((binding) => [`${binding.protocol} ${binding.port}`, binding]));
  return [...seen.values()].filter(isCovered);
}

function expandPorts(rule: NetworkRule): { protocol: 'tcp' | 'udp'; port: number }[] {
  const ports = (rule.ports ?? []).flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
  return rule.protocols.flatMap((protocol) =>
    protocol === 'icmp' ? [] : ports.map((port) => ({ protocol, port })),
  );
}
