// The DNS server of a worker: UDP sockets that it inherits (or binds, in tests), TCP connections that it is handed,
// one path behind both.

import type { Socket } from 'node:net';
import { formatAddress, parseAddress } from '../flow/address.ts';
import type { AttributionPort } from '../flow/job.ts';
import type { BatchRecorder, KeeperPort, Meter, StepPort, VirtualPort } from '../flow/ports.ts';
import type { Identity } from './flow-record.ts';
import type { Lookup } from './lookup.ts';
import type { NamePolicyPort, PolicyInForce } from './policy-port.ts';
import { QueryPath } from './query-path.ts';
import { defaultRateLimits, Sources } from './rate.ts';
import type { RateLimits } from './rate.ts';
import { defaultStreamLimits, StreamServer } from './stream-server.ts';
import type { StreamLimits } from './stream-server.ts';
import type { TunnelWatch } from './tunnel.ts';
import { openDrain } from './udp-drain.ts';
import { UdpServer } from './udp-server.ts';
import type { UdpPlace } from './udp-server.ts';

export interface DnsOptions {
  readonly identity: Identity;
  /** Cache and upstreams, shared with the Resolver. */
  readonly lookup: Lookup;
  readonly policy: NamePolicyPort;
  /** The policy in force; null: everything is SERVFAIL with `policy-unavailable`. */
  readonly currentPolicy: () => PolicyInForce | null;
  readonly attribution: AttributionPort;
  /** Absent: nobody knows what jobs are at. */
  readonly steps?: StepPort;
  readonly recorder: BatchRecorder;
  readonly keeper: KeeperPort;
  readonly meter: Meter;
  readonly udp: readonly UdpPlace[];
  readonly blockedAnswer: 'explain' | 'nxdomain';
  readonly searchDomains: readonly string[];
  /** Where runners reach this gateway: what `explain`, own names and steer mode answer. */
  readonly gatewayAddresses: { readonly v4: string | null; readonly v6: string | null };
  /** All addresses of the gateway as canonical text, read anew each time: no name may lead there. Default: those above. */
  readonly ownAddresses?: ReadonlySet<string>;
  readonly ownNames: readonly string[];
  /** Steer mode: allowed names are answered with the gateway's own address. */
  readonly steer: boolean;
  /** Steer mode: which address stands for which name, and the families that the pool has. */
  readonly virtual?: VirtualPort;
  readonly pool?: { readonly v4: boolean; readonly v6: boolean };
  /** False where runners have no IPv6: AAAA is answered empty without asking. */
  readonly ipv6: boolean;
  /** Runners have IPv6 alone, and the gateway's own address stands for names that have none. Default: false. */
  readonly isV6Only?: boolean;
  readonly rate?: RateLimits;
  /** Shared with the Resolver. */
  readonly tunnels?: TunnelWatch;
  readonly stream?: StreamLimits;
  /** False serves UDP one datagram at a time, as without koffi. */
  readonly drain?: boolean;
}

export interface DnsServer {
  /** Bound UDP ports, in the order of `udp`. */
  readonly ports: readonly number[];
  /** Takes a TCP connection whose original port was 53; `runner` speaks where another address than the socket's does. */
  accept(socket: Socket, runner?: string): void;
  /** Forgets which bindings the kernel holds: after a cut, or a repair of the rule set. */
  forgetBindings(): void;
  /** Takes no more datagrams: another process reads the same sockets. Connections go on. */
  retire(): void;
  /** True when no question waits for its answer and no connection is open. */
  isIdle(): boolean;
  close(): Promise<void>;
}

/** Starts to serve. @throws Error of the socket when an address cannot be bound */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const { v4, v6 } = options.gatewayAddresses;
  const own = [v4, v6].filter((address) => address !== null).map(canonicalText);
  const answers = {
    blockedAnswer: options.blockedAnswer,
    searchDomains: options.searchDomains,
    v4: v4 === null ? null : parseAddress(v4),
    v6: v6 === null ? null : parseAddress(v6),
    ownNames: new Set(options.ownNames),
    steer: options.steer,
    ipv6: options.ipv6,
    isV6Only: options.isV6Only ?? false,
    pool: options.pool ?? { v4: false, v6: false },
  };
  const path = new QueryPath({ ...options, answers, ownAddresses: options.ownAddresses ?? new Set(own) });
  const sources = new Sources(options.rate ?? defaultRateLimits);
  const drain = options.drain === false ? null : openDrain();
  const servers = options.udp.map((place) => new UdpServer(familyOf(place), path, sources, drain));
  const streams = new StreamServer(path, sources, options.stream ?? defaultStreamLimits);
  const ports = await Promise.all(servers.map((server, index) => server.open(options.udp[index]!)));
  return {
    ports,
    accept: (socket, runner) => streams.accept(socket, runner),
    forgetBindings: () => path.forgetBindings(),
    retire: () => {
      for (const server of servers) server.retire();
    },
    isIdle: () => path.heldCount === 0 && streams.connectionCount === 0,
    close: async () => {
      streams.close();
      await Promise.all(servers.map((server) => server.close()));
      path.stop();
    },
  };
}

function familyOf(place: UdpPlace): 4 | 6 {
  return 'fd' in place ? place.family : place.address.includes(':') ? 6 : 4;
}

function canonicalText(address: string): string {
  const bytes = parseAddress(address);
  return bytes === null ? address : formatAddress(bytes);
}
