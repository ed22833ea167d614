// What connections that the gateway opens are made with, wherever they are opened: DNS servers, authorities, the proxy in
// front.

import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { rootCertificates } from 'node:tls';
import type { Config, Upstream } from './config.ts';
import type { UpstreamConfig } from './dns/upstream.ts';
import { readHostPattern } from './policy/match-host.ts';
import type { HostAuthorities } from './proxy/authorities.ts';

/** Authorities of the operator's own that count for every host, PEM. */
export function readExtraAuthorities({ tls }: Config): string[] {
  return tls.extraAuthorities.map((path) => readFileSync(path, 'utf8'));
}

/** Those that count for some hosts. A host that is none was refused when the file was checked. */
export function readHostAuthorities({ tls }: Config): HostAuthorities[] {
  return tls.upstreams.flatMap(({ host, authorities }) => {
    const read = readHostPattern(host);
    if ('problem' in read) return [];
    return [{ pattern: read.pattern, authorities: authorities.map((path) => readFileSync(path, 'utf8')) }];
  });
}

/** The servers for names, and those for some zones. */
export function dnsServers(
  { dns }: Config,
  upstreams: readonly Upstream[],
  extraAuthorities: readonly string[],
) {
  const all = (list: readonly Upstream[]) => list.map((upstream) => toUpstream(upstream, extraAuthorities));
  return {
    upstreams: all(upstreams),
    forwardZones: dns.forward.map(({ zone, upstreams: own }) => ({ zone, upstreams: all(own) })),
  };
}

function toUpstream(upstream: Upstream, extraAuthorities: readonly string[]): UpstreamConfig {
  const { address, port, tls, https } = upstream;
  const serverName = https?.name ?? tls;
  if (serverName === null) return { address, port, transport: 'udp' };
  const ca = extraAuthorities.length > 0 ? { ca: [...rootCertificates, ...extraAuthorities].join('\n') } : {};
  if (https === null) return { address, port, transport: 'tls', serverName, ...ca };
  return { address, port, transport: 'https', serverName, path: https.path, ...ca };
}

export function machineAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  return new Set(all.map(({ address }) => address));
}

/** True when some address of the machine is a global IPv6 one: AAAA records are of no use otherwise. */
export function hasIpv6(): boolean {
  return [...machineAddresses()].some((address) => /^[23fF]/.test(address) && !/^fe80/i.test(address));
}
