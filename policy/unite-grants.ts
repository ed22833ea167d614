// What the rules that allow a flow give it together: within a group grants unite, over groups they intersect.

import type { Cidr } from '../flow/address.ts';
import { intersectCidrs } from './cidr-set.ts';
import type { Candidate } from './host-view.ts';

const noRanges: readonly Cidr[] = [];

/** Private ranges that the rules open; the list of the only rule that opens some is given as it is. */
export function uniteAddresses(groups: readonly (readonly Candidate[])[]): readonly Cidr[] {
  let united: readonly Cidr[] | null = null;
  for (const group of groups) {
    const ranges = rangesOf(group);
    united = united === null ? ranges : intersectCidrs(united, ranges);
  }
  return united ?? noRanges;
}

function rangesOf(group: readonly Candidate[]): readonly Cidr[] {
  let ranges = noRanges;
  for (const { rule } of group) {
    if (!('addresses' in rule) || rule.addresses.length === 0) continue;
    ranges = ranges.length === 0 ? rule.addresses : [...ranges, ...rule.addresses];
  }
  return ranges;
}

export interface RequestGrants {
  readonly websocket: boolean;
  /** Null: no limit. */
  readonly maxUploadBytes: number | null;
  readonly follow: boolean;
}

/** What a request may do besides being sent. A loop: it runs for every request. */
export function uniteGrants(groups: readonly (readonly Candidate[])[]): RequestGrants {
  let [websocket, follow] = [true, true];
  let limit = Infinity;
  for (const group of groups) {
    limit = Math.min(limit, uploadLimit(group));
    websocket &&= group.some(opensWebSockets);
    follow &&= group.some(isFollowed);
  }
  return { websocket, maxUploadBytes: Number.isFinite(limit) ? limit : null, follow };
}

const opensWebSockets = ({ rule }: Candidate) =>
  rule.kind === 'opaque' || (rule.kind === 'http' && rule.websocket);
const isFollowed = ({ rule }: Candidate) =>
  (rule.kind === 'http' || rule.kind === 'operation') && rule.follow;

function uploadLimit(group: readonly Candidate[]): number {
  let most = group.length === 0 ? Infinity : 0;
  for (const { rule } of group) {
    const limit = rule.kind === 'http' ? (rule.maxUploadBytes ?? Infinity) : Infinity;
    most = Math.max(most, limit);
  }
  return most;
}
