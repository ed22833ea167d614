// How control reaches a server that the operator named, of a malware feed or an OIDC issuer: the gateway's own DNS servers, the proxy in front where there is one,
// authorities of the operator. Loaded only where one is asked.

import type { Socket } from 'node:net';
import type { Config, Upstream } from './config.ts';
import { Lookup } from './dns/lookup.ts';
import { Resolver } from './dns/resolver.ts';
import { SallyportError } from './flow/errors.ts';
import { noMeter, type NameJudgement } from './flow/ports.ts';
import {
  dnsServers,
  hasIpv6,
  machineAddresses,
  readExtraAuthorities,
  readHostAuthorities,
} from './outgoing.ts';
import { proxyEnds } from './proxy-secrets.ts';
import { Authorities } from './proxy/authorities.ts';
import { dial, type DialFailure } from './proxy/dial.ts';
import { UpstreamTls } from './proxy/upstream-tls.ts';

export interface ConnectionOptions {
  readonly config: Config;
  readonly upstreams: readonly Upstream[];
  /** `user:secret` for the proxy in front, or null. */
  readonly proxySecret: string | null;
  /** Who is reached, for messages. */
  readonly what?: string;
}

const connectMs = 15_000;
// The operator named the host: no rule of a job speaks of it, and it may be in a private network.
const named: NameJudgement = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'rule',
};
const check = { reason: () => null, judge: () => named, opensRanges: false };

/** Opens verified TLS streams that speak HTTP/1.1. @throws SallyportError upstream, of each call */
export function feedConnector({
  config,
  upstreams,
  proxySecret,
  what = 'the server of the malware feed',
}: ConnectionOptions) {
  const extra = readExtraAuthorities(config);
  const ownAddresses = machineAddresses();
  const lookup = new Lookup({ ...dnsServers(config, upstreams, extra), meter: noMeter, ownAddresses });
  const resolver = new Resolver({ lookup, ipv6: hasIpv6() });
  const tls = new UpstreamTls(new Authorities(extra, readHostAuthorities(config)), connectMs);
  const { upstreamProxy: proxy } = proxyEnds(config, { users: null, upstream: proxySecret });
  return async (host: string, port: number, signal: AbortSignal): Promise<Socket> => {
    const target = { host, port, runner: '127.0.0.1', check };
    const dialled = await dial(target, { resolver, connectMs, proxy }, signal);
    if ('failure' in dialled) throw unreached(dialled, what);
    const wanted = { host, port, resumeKey: `${host}:${port}`, offered: ['http/1.1'], signal };
    const secured = await tls.secure(dialled.socket, wanted);
    if ('failure' in secured) throw unreached(secured, what);
    return secured;
  };
}

function unreached({ failure, detail }: DialFailure, what: string): SallyportError {
  return new SallyportError('upstream', `${what} is not reached: ${failure}, ${detail}`);
}
