// How control reaches the API server of a cluster: directly, through no proxy, and verified by the cluster's own authorities
// alone. Loaded only where a cluster is watched.

import { readFileSync } from 'node:fs';
import { isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Lookup } from './dns/lookup.ts';
import { Resolver } from './dns/resolver.ts';
import { SallyportError } from './flow/errors.ts';
import { noMeter, type NameJudgement } from './flow/ports.ts';
import { dial } from './proxy/dial.ts';
import { dnsServers, hasIpv6, machineAddresses, readExtraAuthorities } from './outgoing.ts';
import type { Config, Upstream } from './config.ts';

const connectMs = 10_000;
/** A peer that vanished is noticed within half a minute. */
const keepAliveMs = 15_000;
const named: NameJudgement = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'rule',
};
const check = { reason: () => null, judge: () => named, opensRanges: false };

/** Opens verified TLS streams; the file of authorities is read anew for each. @throws SallyportError upstream, of each call */
export function clusterConnector(config: Config, upstreams: readonly Upstream[], caFile: string) {
  const servers = dnsServers(config, upstreams, readExtraAuthorities(config));
  const lookup = new Lookup({ ...servers, meter: noMeter, ownAddresses: machineAddresses() });
  const resolver = new Resolver({ lookup, ipv6: hasIpv6() });
  return async (host: string, port: number, signal: AbortSignal): Promise<Socket> => {
    const ca = readAuthorities(caFile);
    const target = { host, port, runner: '127.0.0.1', check };
    const dialled = await dial(target, { resolver, connectMs }, signal);
    if ('failure' in dialled)
      throw new SallyportError('upstream', `${host} is not reached: ${dialled.failure}, ${dialled.detail}`);
    dialled.socket.setKeepAlive(true, keepAliveMs);
    return secure(dialled.socket, host, ca);
  };
}

function readAuthorities(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new SallyportError('config-invalid', `${path} cannot be read by control’s user`, error);
  }
}

function secure(socket: Socket, host: string, ca: string): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const servername = isIP(host) === 0 ? host : '';
  const secured = connectTls({
    socket,
    host,
    servername,
    ca,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  });
  const limit = setTimeout(() => secured.destroy(new Error('no TLS handshake in time')), connectMs);
  secured.once('secureConnect', () => {
    clearTimeout(limit);
    resolve(secured);
  });
  secured.on('error', (error) => {
    clearTimeout(limit);
    socket.destroy();
    reject(new SallyportError('upstream', `${host} cannot be verified: ${error.message}`, error));
  });
  return promise;
}
