// What the rules of a host say about one scheme and port, found once and kept with the host.

import { parseAddress } from '../flow/address.ts';
import { findHostView, type Candidate, type ConnectionView, type HostView } from './host-view.ts';
import { matchesHost } from './match-host.ts';
import { findInRangeIndex } from './range-index.ts';
import { coversTcp, type BlockingRule, type NetworkRule } from './rule.ts';
import { blocksWholeHost, fitsEndpoint, needsInspection } from './rule-fit.ts';
import type { EffectivePolicy } from './scope.ts';
import { uniteAddresses } from './unite-grants.ts';

/** What decideHost is asked. */
export interface HostQuestion {
  /** Canonical; null when the flow names none. */
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number;
  readonly protocol: 'tls' | 'http' | 'unknown';
}

const maxConnectionViews = 64;

/** The rules that a connection is decided by. */
export function findConnection(effective: EffectivePolicy, question: HostQuestion): ConnectionView {
  const { host, address, port, protocol } = question;
  const view = findHostView(effective, host ?? address ?? '');
  const isUnopened = protocol === 'tls' && !isIntercepted(effective, host ?? address ?? '');
  const key = `${protocol} ${port}${isUnopened ? ' unopened' : ''}`;
  // Rules by range join in where no name is known: those hold for one address only.
  const known = host === null ? view.direct : view.connections;
  const hit = known.get(key);
  if (hit !== undefined) return hit;
  const found = readConnection(effective, view, question, isUnopened);
  if (known.size < maxConnectionViews) known.set(key, found);
  return found;
}

function readConnection(
  effective: EffectivePolicy,
  view: HostView,
  question: HostQuestion,
  isUnopened: boolean,
): ConnectionView {
  const { host, address, port, protocol } = question;
  const scheme = protocol === 'tls' ? 'https' : protocol === 'http' ? 'http' : null;
  const grants = view.groups.map((group, index) => [
    ...group.filter(({ rule }) => fitsEndpoint(rule, scheme, port) && !(isUnopened && needsInspection(rule))),
    ...(host === null ? findDirect(effective, effective.groups[index]!, address, port) : []),
  ]);
  const isUnread = grants.every((group) =>
    group.some(({ rule }) => rule.kind === 'opaque' || rule.kind === 'network'),
  );
  const mustRead = view.blocks.some(
    ({ rule }) => rule.kind === 'operation' || (rule.kind === 'http' && !blocksWholeHost(rule)),
  );
  return {
    blocks: [
      ...view.blocks.filter(({ rule }) => blocksConnection(rule, scheme, port)),
      ...(host === null ? findRangeBlocks(effective, address ?? '', port) : []),
    ],
    grants,
    union: view.union.filter(({ rule }) => fitsEndpoint(rule, scheme, port)),
    addresses: uniteAddresses(grants),
    isWhole: grants.every((group) => group.some(({ rule }) => !needsInspection(rule))),
    isPassed: scheme === 'https' ? isUnopened || (isUnread && !mustRead) : scheme === null || isUnread,
  };
}

/** True when TLS to the host is opened. */
function isIntercepted({ policy }: EffectivePolicy, host: string): boolean {
  return policy.intercept === null || policy.intercept.some((pattern) => matchesHost(pattern, host));
}

function blocksConnection(rule: BlockingRule, scheme: 'http' | 'https' | null, port: number): boolean {
  if (rule.kind === 'operation') return false;
  if (rule.kind === 'network') return coversTcp(rule, port);
  if (!blocksWholeHost(rule)) return false;
  return fitsEndpoint(rule, scheme, port);
}

/** Rules by range that let a connection without a name through, unread. */
function findDirect(
  { policy }: EffectivePolicy,
  layers: EffectivePolicy['union'],
  address: string | null,
  port: number,
): Candidate[] {
  const bytes = address === null ? null : parseAddress(address);
  if (bytes === null) return [];
  const isUnread = policy.unreadPorts.has(port);
  return findByRange(layers, bytes).filter(
    ({ rule }) => !rule.isBlock && (isUnread || rule.direct || !rule.inspect) && coversTcp(rule, port),
  );
}

/** Block rules by range that hold for TCP to this address; none for a name. */
export function findRangeBlocks(
  { blocking }: EffectivePolicy,
  address: string,
  port: number,
): Candidate<NetworkRule>[] {
  const bytes = parseAddress(address);
  if (bytes === null) return [];
  return findByRange(blocking, bytes).filter(({ rule }) => rule.isBlock && coversTcp(rule, port));
}

/** Network rules whose ranges hold the address, in the order of the policy within each layer. */
export function findByRange(layers: EffectivePolicy['union'], address: Uint8Array): Candidate<NetworkRule>[] {
  return layers.flatMap(({ scope, indexes }) =>
    indexes
      .flatMap(({ ranges }) => [...findInRangeIndex(ranges, address)])
      .sort((a, b) => a.order - b.order)
      .map((rule) => ({ rule, scope })),
  );
}
