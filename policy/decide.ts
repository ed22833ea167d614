// The decisions: may this name be asked for, this host be connected to, this request be sent, this packet pass?
// Pure and synchronous. A block beats an allow, the order of rules never matters, the blocklist beats everything.

import { cidrContains, classifyAddress, isNeverClass, parseAddress, type Cidr } from '../flow/address.ts';
import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Reason } from '../flow/reason.ts';
import { isAlwaysEnforced } from './always-enforced.ts';
import { findBlockedAddress, findBlockedHost, type BlocklistSource } from './blocklist.ts';
import { checkAddress } from './check-address.ts';
import { intersectCidrs } from './cidr-set.ts';
import { findHostView, type Candidate, type HostView } from './host-view.ts';
import { matchesHost } from './match-host.ts';
import { blocksMethod } from './method-set.ts';
import { coversPort, type HttpRule, type NetworkRule } from './rule.ts';
import {
  blocksRequest,
  blocksWholeHost,
  fitsEndpoint,
  grantsRequest,
  needsInspection,
  type RequestUse,
} from './rule-fit.ts';
import type { EffectivePolicy } from './scope.ts';
import { uniteAddresses, uniteGrants } from './unite-grants.ts';

export interface NameDecision extends Decision {
  /** Private ranges that the name may lead to. */
  readonly addresses: readonly Cidr[];
  /** Ports that a network rule opens for this name: written to the kernel before the answer leaves. */
  readonly bind: readonly { readonly protocol: 'tcp' | 'udp'; readonly port: number }[];
  readonly answer: 'forward' | 'explain' | 'nxdomain';
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

export interface HostQuestion {
  /** Canonical; null when the flow names none. */
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly protocol: 'tls' | 'http' | 'unknown';
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
    never: false,
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
    bind: isOpen ? listBindings(effective, view) : [],
    answer: isOpen ? 'forward' : isSilent ? 'nxdomain' : 'explain',
  };
}

/** A connection, before any SYN leaves; what is allowed here may still be blocked request by request. */
export function decideHost(effective: EffectivePolicy, question: HostQuestion): HostDecision {
  const { host, address, port, protocol } = question;
  const key = host ?? address ?? '';
  const view = findHostView(effective, key);
  const scheme = protocol === 'tls' ? 'https' : protocol === 'http' ? 'http' : null;
  const isOpened = isIntercepted(effective, key);
  const grants = view.groups.map((group, index) => [
    ...group.filter(
      ({ rule }) =>
        fitsEndpoint(rule, scheme, port) && (isOpened || scheme !== 'https' || !needsInspection(rule)),
    ),
    ...(host === null ? findDirect(effective.groups[index]!, address, port) : []),
  ]);
  const decision = settle(effective, {
    never: host === null && isNever(key),
    listed: findListed(effective, host, address),
    blocks: view.blocks.filter(({ rule }) => blocksConnection(rule, scheme, port)),
    grants,
    union: view.union.filter(({ rule }) => fitsEndpoint(rule, scheme, port)),
    blockReason: host !== null ? 'no-rule' : protocol === 'tls' ? 'no-server-name' : 'direct-address',
  });
  const isUnread = grants.every((group) =>
    group.some(({ rule }) => rule.kind === 'opaque' || rule.kind === 'network'),
  );
  const mustRead = view.blocks.some(({ rule }) => rule.kind === 'http' && !blocksWholeHost(rule));
  const isPassed = scheme === 'https' ? !isOpened || (isUnread && !mustRead) : scheme === null || isUnread;
  const isWhole = grants.every((group) =>
    group.some(({ rule }) => rule.kind !== 'http' || !needsInspection(rule)),
  );
  const reason: Reason = decision.verdict === 'allow' && !isWhole ? 'host-open' : decision.reason;
  return {
    ...decision,
    reason,
    treatment:
      isPassed && (decision.verdict === 'allow' || !isOpened || scheme === null)
        ? 'pass-through'
        : 'intercept',
    addresses: [...uniteAddresses(grants), ...ownAddress(host, address, decision)],
  };
}

/** One request; the host was decided before, and is decided again with it. */
export function decideRequest(effective: EffectivePolicy, question: RequestQuestion): RequestDecision {
  const { host, scheme, port } = question;
  const view = findHostView(effective, host);
  const use: RequestUse = {
    ...question,
    overridden: question.evidence.some(({ kind }) => kind === 'method-override'),
  };
  const reachable = view.groups.map((group) => group.filter(({ rule }) => fitsEndpoint(rule, scheme, port)));
  const grants = reachable.map((group) => group.filter(({ rule }) => grantsRequest(rule, use) === 'yes'));
  const open = use.upgrade === null ? grants : grants.map((group) => group.filter(mayUpgrade));
  const decision = settle(effective, {
    never: isNever(host),
    listed: findListed(effective, host, host),
    blocks: view.blocks.filter(({ rule }) => rule.kind === 'http' && blocksRequest(rule, use, blocksMethod)),
    grants: open,
    union: view.union.filter(
      ({ rule }) => fitsEndpoint(rule, scheme, port) && grantsRequest(rule, use) === 'yes',
    ),
    blockReason: explainMiss(reachable, grants, use),
  });
  return {
    ...decision,
    ...uniteGrants(open),
    addresses: [...uniteAddresses(open), ...ownAddress(null, host, decision)],
  };
}

/** A packet that the proxy does not see: by address, or by the name that the address was bound for. */
export function decideNetwork(effective: EffectivePolicy, question: NetworkQuestion): Decision {
  const { host, address, port, protocol } = question;
  const bytes = address === null ? null : parseAddress(address);
  if (bytes === null ? address !== null : isNever(bytes)) return blockNow(effective, 'never-address');
  if (port === 853 && (protocol === 'tcp' || protocol === 'udp')) return blockNow(effective, 'encrypted-dns');
  if (port === 443 && protocol === 'udp') return blockNow(effective, 'quic');
  const view = host === null ? null : findHostView(effective, host);
  const fits = (rule: NetworkRule) =>
    rule.protocols.some((known) => known === protocol) &&
    (port === null || protocol === 'icmp' || coversPort(rule.ports, port));
  const find = (layers: EffectivePolicy['union'], byHost: readonly Candidate[]): Candidate<NetworkRule>[] => [
    ...byHost.flatMap(({ rule, scope }) => (rule.kind === 'network' && fits(rule) ? { rule, scope } : [])),
    ...(bytes === null ? [] : findByRange(layers, bytes)).filter(({ rule }) => fits(rule)),
  ];
  const isGrant = ({ rule }: Candidate<NetworkRule>) => !rule.isBlock;
  return settle(effective, {
    never: false,
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

interface Findings {
  readonly never: boolean;
  readonly listed: BlocklistSource | null;
  readonly blocks: readonly Candidate<HttpRule | NetworkRule>[];
  readonly grants: readonly (readonly Candidate[])[];
  readonly union: readonly Candidate[];
  readonly blockReason: Reason;
}

/** The one place where blocklist, blocks, grants and mode come to a decision. */
function settle(effective: EffectivePolicy, findings: Findings): Decision {
  const { listed, blocks, grants } = findings;
  if (findings.never) return blockNow(effective, 'never-address');
  if (listed !== null && !listed.audit) return blockNow(effective, 'blocklist', listed.id);
  const block = blocks.find(({ rule }) => !rule.audit);
  if (block !== undefined) return blockNow(effective, 'block-rule', block.rule.id, block.scope);
  if (effective.blocksUnattributed) return blockNow(effective, 'unattributed');
  if (!grants.every((group) => group.length > 0)) {
    const missed = effective.exclusive && findings.union.length > 0;
    const decision = blockNow(effective, missed ? 'not-exclusive' : findings.blockReason);
    return decision.enforced || listed === null ? decision : recordOnly(effective, 'blocklist', listed.id);
  }
  if (listed !== null) return recordOnly(effective, 'blocklist', listed.id);
  const recorded = blocks[0];
  if (recorded !== undefined) return recordOnly(effective, 'block-rule', recorded.rule.id, recorded.scope);
  const { rule, scope } = grants[0]![0]!;
  return {
    verdict: 'allow',
    enforced: true,
    mode: effective.mode,
    rule: rule.id,
    scope,
    reason: 'rule',
  };
}

function blockNow(
  effective: EffectivePolicy,
  reason: Reason,
  rule: string | null = null,
  scope: string | null = null,
): Decision {
  const enforced = effective.mode === 'block' || isAlwaysEnforced(reason);
  return { verdict: 'block', enforced, mode: effective.mode, rule, scope, reason };
}

function recordOnly(
  effective: EffectivePolicy,
  reason: Reason,
  rule: string,
  scope: string | null = null,
): Decision {
  return { verdict: 'block', enforced: false, mode: effective.mode, rule, scope, reason };
}

function findListed(
  effective: EffectivePolicy,
  host: string | null,
  address: string | null,
): BlocklistSource | null {
  const { blocklist } = effective.policy;
  const byHost = host === null ? null : findBlockedHost(blocklist, host, Date.now());
  if (byHost !== null && !byHost.audit) return byHost;
  return (address === null ? null : findBlockedAddress(blocklist, address)) ?? byHost;
}

/** Why an address that a name led to may not be dialled, or null: ranges of `checkAddress`, and the blocklist. */
export function checkDial(
  effective: EffectivePolicy,
  address: string,
  allowed: readonly Cidr[],
): Reason | null {
  const listed = findBlockedAddress(effective.policy.blocklist, address);
  return listed !== null && !listed.audit ? 'blocklist' : checkAddress(address, allowed);
}

/** Text of a host is an address only when it parses as one. */
function isNever(host: string | Uint8Array): boolean {
  const bytes = typeof host === 'string' ? parseAddress(host) : host;
  return bytes !== null && isNeverClass(classifyAddress(bytes));
}

function isIntercepted({ policy }: EffectivePolicy, host: string): boolean {
  return policy.intercept === null || policy.intercept.some((pattern) => matchesHost(pattern, host));
}

function blocksConnection(
  rule: HttpRule | NetworkRule,
  scheme: 'http' | 'https' | null,
  port: number,
): boolean {
  if (rule.kind === 'network') return rule.protocols.includes('tcp') && coversPort(rule.ports, port);
  if (!blocksWholeHost(rule)) return false;
  return rule.endpoints === null || (scheme !== null && fitsEndpoint(rule, scheme, port));
}

/** True for a block that leaves no port and no protocol of the host: the name then need not be resolved either. */
function blocksEverything(rule: HttpRule | NetworkRule): boolean {
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

/** Rules by range that let a connection without a name through, unread. */
function findDirect(layers: EffectivePolicy['union'], address: string | null, port: number): Candidate[] {
  const bytes = address === null ? null : parseAddress(address);
  if (bytes === null) return [];
  return findByRange(layers, bytes).filter(
    ({ rule }) =>
      !rule.isBlock &&
      (rule.direct || !rule.inspect) &&
      rule.protocols.includes('tcp') &&
      coversPort(rule.ports, port),
  );
}

function findByRange(layers: EffectivePolicy['union'], address: Uint8Array): Candidate<NetworkRule>[] {
  return layers.flatMap(({ scope, indexes }) =>
    indexes.flatMap(({ byRange }) =>
      byRange
        .filter(({ to }) => to.some((cidr) => cidrContains(cidr, address)))
        .map((rule) => ({ rule, scope })),
    ),
  );
}

function mayUpgrade({ rule }: Candidate): boolean {
  return rule.kind === 'opaque' || (rule.kind === 'http' && rule.websocket);
}

/** Why no rule fitted: nearest first. */
function explainMiss(
  reachable: readonly (readonly Candidate[])[],
  grants: readonly (readonly Candidate[])[],
  use: RequestUse,
): Reason {
  if (grants.every((group) => group.length > 0)) return 'websocket';
  const missing = reachable[grants.findIndex((group) => group.length === 0)] ?? [];
  if (missing.length === 0) return 'no-rule';
  return missing.some(({ rule }) => grantsRequest(rule, use) === 'method') ? 'method' : 'path';
}

/** A rule that names the address itself opens it. */
function ownAddress(host: string | null, address: string | null, decision: Decision): readonly Cidr[] {
  const bytes =
    host !== null || address === null || decision.verdict !== 'allow' ? null : parseAddress(address);
  return bytes === null ? [] : [{ bytes, prefix: bytes.length * 8 }];
}

function listBindings(effective: EffectivePolicy, view: HostView): NameDecision['bind'] {
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
  return [...seen.values()].filter(isCovered).filter(() => !effective.blocksUnattributed);
}

function expandPorts(rule: NetworkRule): { protocol: 'tcp' | 'udp'; port: number }[] {
  const ports = (rule.ports ?? []).flatMap(([from, to]) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
  return rule.protocols.flatMap((protocol) =>
    protocol === 'icmp' ? [] : ports.map((port) => ({ protocol, port })),
  );
}
