// The one place where blocklist, blocks, grants and mode come to a decision.

import { carriedV4, classifyAddress, isNeverClass, parseAddress } from '../flow/address.ts';
import type { Decision } from '../flow/decision.ts';
import type { Reason } from '../flow/reason.ts';
import { isAlwaysEnforced } from './always-enforced.ts';
import { findBlockedAddress, findBlockedHost, type BlocklistSource } from './blocklist.ts';
import type { Candidate } from './host-view.ts';
import type { BlockingRule } from './rule.ts';
import type { EffectivePolicy } from './scope.ts';

/** Port of DNS over TLS and over QUIC (RFC 7858, RFC 9250). */
export const dnsOverTlsPort = 853;

/** What was found for one flow. */
export interface Findings {
  /** What no policy can open, or null. */
  readonly refusal: 'never-address' | 'encrypted-dns' | null;
  readonly listed: BlocklistSource | null;
  readonly blocks: readonly Candidate<BlockingRule>[];
  readonly grants: readonly (readonly Candidate[])[];
  readonly union: readonly Candidate[];
  readonly blockReason: Reason;
}

/** The decision: never-addresses, then the blocklist, blocks, grants, and what only records. */
export function settle(effective: EffectivePolicy, findings: Findings): Decision {
  const { listed, blocks, grants } = findings;
  if (findings.refusal !== null) return blockNow(effective, findings.refusal);
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

/** A block, enforced where the mode or the reason says so. */
export function blockNow(
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

/** What no rule opens on a TCP port: addresses that are never reachable, and DNS over TLS (RFC 7858). */
export function findRefusal(host: string, port: number): Findings['refusal'] {
  if (isNever(host)) return 'never-address';
  return port === dnsOverTlsPort ? 'encrypted-dns' : null;
}

/** The list that blocks the host or the address, an enforced one first. */
export function findListed(
  effective: EffectivePolicy,
  host: string | null,
  address: string | null,
): BlocklistSource | null {
  const { blocklist } = effective.policy;
  const byHost = host === null ? null : findBlockedHost(blocklist, host, Date.now());
  if (byHost !== null && !byHost.audit) return byHost;
  return (address === null ? null : findBlockedAddress(blocklist, address)) ?? byHost;
}

/**
 * True for an address that no runner may aim at, as in the kernel's sets; the text of a host is an address only when
 * it parses as one.
 */
export function isNever(host: string | Uint8Array): boolean {
  const bytes = typeof host === 'string' ? parseAddress(host) : host;
  return bytes !== null && (isNeverClass(classifyAddress(bytes)) || carriedV4(bytes) !== null);
}
