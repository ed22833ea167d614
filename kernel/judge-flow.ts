// Judges tracked connections by a plan, as the printed rules would: after a new plan the keeper forgets those that it
// no longer allows, and only those. Built once for a plan; each judgement costs the same whatever its size.

import { parseAddress } from '../flow/address.ts';
import type { NetworkEntry, NetworkPlan, NetworkSide } from '../flow/network-plan.ts';
import { PrefixMap } from './prefix-map.ts';

export interface JudgedFlow {
  readonly source: string;
  readonly destination: string;
  readonly protocolNumber: number;
  readonly port: number | null;
}

const numbers: Readonly<Record<number, NetworkEntry['protocol']>> = {
  1: 'icmp',
  6: 'tcp',
  17: 'udp',
  58: 'icmp',
};

interface JudgedSide {
  readonly mode: NetworkSide['mode'];
  readonly allow: PrefixMap<NetworkEntry>;
  readonly block: PrefixMap<NetworkEntry>;
}

export class PlanJudge {
  readonly #blocklist = new PrefixMap<true>();
  readonly #sides = new PrefixMap<JudgedSide>();
  readonly #fleet: JudgedSide;
  readonly #intercepted: ReadonlySet<number>;

  /** `redirects` is false where only the gateway's own addresses are (steer). */
  constructor(plan: NetworkPlan, redirects: boolean) {
    // DNS over TLS is blocked whatever a rule names.
    this.#intercepted = new Set(redirects ? plan.interceptedPorts.filter((port) => port !== 853) : []);
    for (const range of plan.blocklist) this.#blocklist.add(range, true);
    this.#fleet = judgedSide(plan.fleet);
    for (const [range, side] of Object.entries(plan.runners)) this.#sides.add(range, judgedSide(side));
  }

  /** True when the plan lets the flow be forwarded (audit lets all but the blocklist). */
  mayForward(flow: JudgedFlow, isBound: boolean): boolean {
    const [source, destination] = [parseAddress(flow.source), parseAddress(flow.destination)];
    if (source === null || destination === null) return false;
    if (this.#blocklist.first(destination) === true) return false;
    const side = this.#sides.first(source) ?? this.#fleet;
    // One that began before the gateway goes past the proxy: its next packet is redirected, and starts anew there.
    const isIntercepted = flow.protocolNumber === 6 && flow.port !== null && this.#intercepted.has(flow.port);
    if (isIntercepted && !isBound && !isDirect(side, destination, flow)) return false;
    if (side.mode === 'audit') return true;
    if (matches(side.block, destination, flow)) return false;
    return isBound || matches(side.allow, destination, flow);
  }
}

function judgedSide({ mode, allow, block }: NetworkSide): JudgedSide {
  return { mode, allow: mapOf(allow), block: mapOf(block) };
}

function mapOf(entries: readonly NetworkEntry[]): PrefixMap<NetworkEntry> {
  const map = new PrefixMap<NetworkEntry>();
  for (const entry of entries) map.add(entry.to, entry);
  return map;
}

function isDirect(side: JudgedSide, destination: Uint8Array, flow: JudgedFlow): boolean {
  const isPlain = ({ inspect }: NetworkEntry): boolean => !inspect;
  return [side.allow, side.block].some((entries) => matches(entries, destination, flow, isPlain));
}

function matches(
  entries: PrefixMap<NetworkEntry>,
  destination: Uint8Array,
  { protocolNumber, port }: JudgedFlow,
  isWanted: (entry: NetworkEntry) => boolean = () => true,
): boolean {
  for (const entry of entries.find(destination)) {
    if (!isWanted(entry)) continue;
    if (entry.protocol !== numbers[protocolNumber]) continue;
    if (entry.ports === null || entry.protocol === 'icmp') return true;
    if (port !== null && port >= entry.ports[0] && port <= entry.ports[1]) return true;
  }
  return false;
}
