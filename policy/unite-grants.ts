// What the rules that allow a flow give it together: within a group grants unite, over groups they intersect.

import type { Cidr } from '../flow/address.ts';
import { intersectCidrs } from './cidr-set.ts';
import type { Candidate } from './host-view.ts';

/** Private ranges that the rules open. */
export function uniteAddresses(groups: readonly (readonly Candidate[])[]): readonly Cidr[] {
  const lists = groups.map((group) =>
    group.flatMap(({ rule }) => ('addresses' in rule ? rule.addresses : [])),
  );
  return lists.length === 0 ? [] : lists.reduce((a, b) => intersectCidrs(a, b));
}

export interface RequestGrants {
  readonly websocket: boolean;
  /** Null: no limit. */
  readonly maxUploadBytes: number | null;
  readonly follow: boolean;
}

/** What a request may do besides being sent. */
export function uniteGrants(groups: readonly (readonly Candidate[])[]): RequestGrants {
  const limits = groups.map(uploadLimit);
  const limit = Math.min(...limits);
  return {
    websocket: groups.every((group) =>
      group.some(({ rule }) => rule.kind === 'opaque' || (rule.kind === 'http' && rule.websocket)),
    ),
    maxUploadBytes: Number.isFinite(limit) ? limit : null,
    follow: groups.every((group) => group.some(({ rule }) => rule.kind === 'http' && rule.follow)),
  };
}

function uploadLimit(group: readonly Candidate[]): number {
  const limits = group.map(({ rule }) =>
    rule.kind === 'http' ? (rule.maxUploadBytes ?? Infinity) : Infinity,
  );
  return limits.length === 0 ? Infinity : Math.max(...limits);
}
