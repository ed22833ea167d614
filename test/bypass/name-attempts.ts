// Ways past a name: literal addresses in every spelling, hosts that two parsers read differently, names that lead
// to where they may not.

import { domainToASCII } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NameEntry } from '../../netns/name-server.ts';
import { labAddresses } from '../lab/origins.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { isOf, isOwn, sawBytes, sawToken } from './seen.ts';
import { get, placeOf, speak } from './speak.ts';

const { web4, web6, other4, other6, private4, metadata4 } = labAddresses;
const elsewhere: NameEntry = { a: [other4], aaaa: [other6] };

/** A literal address as a client dials it: nobody resolved a name. */
function literal(id: BypassId, how: string | undefined, url: string, address: string): Bypass {
  return {
    id,
    ...(how === undefined ? {} : { how }),
    run: (lab, { token, source4, source6 }) =>
      lab.curl(['-gkm4', '--interface', address.includes(':') ? source6 : source4, `${url}/${token}`]),
    arrived: sawToken,
    recorded: (record, mark) => isOwn(record, mark) && record.destination.address === address,
    reasons: ['no-rule', 'direct-address', 'no-server-name'],
  };
}

/** A Host that is read in one way by some and in another by others, on a connection to an allowed host. */
function oddHost(id: BypassId, how: string, host: string): Bypass {
  return {
    id,
    how,
    run: (lab, mark) => speak(lab, mark, { port: 80, send: [get(`/${mark.token}`, host)] }),
    arrived: sawToken,
    recorded: isOwn,
    reasons: ['ambiguous-host', 'malformed-request', 'misdirected', 'direct-address'],
    check: expectStatus(400, 403, 421),
  };
}

/** A complaint about an answer that begins with none of these statuses. */
export function expectStatus(...statuses: readonly number[]): (answer: unknown) => string | null {
  return (answer) => {
    const line = String(answer).split('\r\n')[0] ?? '';
    return statuses.some((status) => line.startsWith(`HTTP/1.1 ${status} `)) ? null : `answered ${line}`;
  };
}

/** A blocked host of the attempt's own, asked for by curl in another spelling. */
function spelled(id: BypassId, how: string, spell: (host: string) => string): Bypass {
  const hostOf = ({ token }: Mark) => `${token}.example.net`;
  return {
    id,
    how,
    run: (lab, mark) => {
      lab.origins.names.set(hostOf(mark), elsewhere);
      return lab.curl(['-km4', `https://${spell(hostOf(mark))}/${mark.token}`]);
    },
    arrived: sawToken,
    recorded: (record, mark) => isOf(record, hostOf(mark)),
    reasons: ['no-rule'],
  };
}

const nameOf = ({ token }: Mark) => `${token}.name.example.com`;

/** An allowed name with this entry, looked up by curl. */
function resolved(id: BypassId, entry: NameEntry, rest: Partial<Bypass> = {}): Bypass {
  return {
    id,
    how: 'by its answer',
    run: (lab, mark) => {
      lab.origins.names.set(nameOf(mark), entry);
      return lab.curl(['-km4', `http://${nameOf(mark)}/${mark.token}`]);
    },
    arrived: sawToken,
    // In steer mode the gateway's own address is the answer, and the request is refused.
    recorded: (record, mark) => isOf(record, nameOf(mark)),
    reasons: ['rebinding', 'private-address', 'never-address'],
    ...rest,
  };
}

/** An allowed name with this entry, asked for at the gateway without a look at the answer. */
function dialled(id: BypassId, entry: NameEntry, place: string, rest: Partial<Bypass> = {}): Bypass {
  return {
    id,
    how: 'by the gateway’s own dial',
    run: (lab, mark) => {
      lab.origins.names.set(nameOf(mark), entry);
      return speak(lab, mark, {
        address: lab.hasGateway ? placeOf(lab) : place,
        port: 80,
        send: [get(`/${mark.token}`, nameOf(mark))],
      });
    },
    arrived: sawToken,
    recorded: (record, mark) => record.kind === 'request' && isOf(record, nameOf(mark)),
    reasons: ['private-address', 'never-address', 'rebinding'],
    ...rest,
  };
}

/** The same for an address where no server is: the first packet to it counts. */
function towards(id: BypassId, how: string, address: string): Bypass {
  return dialled(id, address.includes(':') ? { aaaa: [address] } : { a: [address] }, address, {
    how,
    arrived: (lab) => sawBytes(lab, ({ destination, protocol }) => destination === address && protocol === 6),
  });
}

const never: Partial<Bypass> = { withoutControl: 'loopback never leaves the machine that asks' };
const lookAlike = domainToASCII('аllowed.example.com');

const literals: readonly Bypass[] = [
  literal('name-literal-v4', undefined, `http://${other4}`, other4),
  literal('name-literal-v4', 'TLS', `https://${other4}`, other4),
  literal('name-literal-decimal', undefined, 'http://2539979014', other4),
  oddHost('name-literal-decimal', 'in Host', '2539979014'),
  literal('name-literal-hex', undefined, 'http://0x97650106', other4),
  oddHost('name-literal-hex', 'in Host', '0x97.0x65.0x01.0x06'),
  literal('name-literal-octal', undefined, 'http://0227.0145.01.06', other4),
  oddHost('name-literal-octal', 'in Host', '0227.0145.01.06'),
  literal('name-literal-v6', undefined, `http://[${other6}]`, other6),
  literal('name-literal-v6', 'TLS', `https://[${other6}]`, other6),
  {
    id: 'name-literal-mapped',
    run: (lab, mark) =>
      speak(lab, mark, { address: `::ffff:${other4}`, port: 80, send: [get(`/${mark.token}`, other4)] }),
    arrived: sawToken,
    recorded: (record, mark) => isOwn(record, mark) && record.destination.address === other4,
    reasons: ['no-rule', 'direct-address'],
  },
  oddHost('name-literal-mapped', 'in Host', `[::ffff:${other4}]`),
];

const odd: readonly Bypass[] = [
  oddHost('name-brackets', 'a name', '[allowed.example.com]'),
  oddHost('name-brackets', 'unclosed', '[allowed.example.com'),
  oddHost('name-nul', 'before a blocked name', 'allowed.example.com\0.blocked.example.net'),
  oddHost('name-nul', 'encoded', 'allowed.example.com%00.blocked.example.net'),
  oddHost('name-backslash', 'before a blocked name', 'allowed.example.com\\.blocked.example.net'),
  oddHost('name-userinfo', 'in Host', 'allowed.example.com@blocked.example.net'),
  oddHost('name-userinfo', 'with a password, in Host', 'allowed.example.com:80@blocked.example.net'),
  spelled('name-userinfo', 'in a URL', (host) => `allowed.example.com@${host}`),
  spelled('name-trailing-dot', 'curl', (host) => `${host}.`),
  spelled('name-mixed-case', 'curl', (host) => host.toUpperCase()),
  {
    id: 'name-punycode',
    run: (lab, mark) => {
      lab.origins.names.set(lookAlike, elsewhere);
      return lab.curl(['-km4', `https://${lookAlike}/${mark.token}`]);
    },
    arrived: sawToken,
    recorded: (record) => isOf(record, lookAlike),
    reasons: ['no-rule'],
  },
];

const rebinding: Bypass = {
  id: 'name-rebinding',
  run: async (lab, mark) => {
    const ask = (target: string, address: string) =>
      speak(lab, mark, { address, port: 80, send: [get(target, nameOf(mark), 'Connection: close')] });
    lab.origins.names.set(nameOf(mark), { a: [web4], ttl: 1 });
    const before = await ask('/close', placeOf(lab));
    lab.origins.names.set(nameOf(mark), { a: [private4], ttl: 1 });
    // Longer than the answer may be kept.
    await sleep(2500);
    await ask(`/${mark.token}`, lab.hasGateway ? placeOf(lab) : private4);
    return before;
  },
  arrived: (lab, mark) => sawToken(lab, mark, private4),
  recorded: (record, mark) => record.http?.path === `/${mark.token}`,
  reasons: ['private-address', 'rebinding'],
  check: expectStatus(200),
};

const led: readonly Bypass[] = [
  resolved('name-to-private', { a: [private4] }),
  dialled('name-to-private', { a: [private4] }, private4),
  towards('name-to-private', 'IPv6', 'fd12:3456::9'),
  towards('name-to-private', 'shared address space', '100.64.7.9'),
  towards('name-to-private', 'private behind NAT64', '64:ff9b::a07:909'),
  resolved('name-to-loopback', { a: ['127.0.0.1'], aaaa: ['::1'] }, never),
  dialled('name-to-loopback', { a: ['127.0.0.1'], aaaa: ['::1'] }, '127.0.0.1', never),
  resolved('name-to-metadata', { a: [metadata4] }),
  dialled('name-to-metadata', { a: [metadata4] }, metadata4),
  towards('name-to-metadata', 'IPv6', labAddresses.metadata6),
  towards('name-to-metadata', 'Azure', labAddresses.azure4),
  towards('name-to-metadata', 'behind NAT64', '64:ff9b::a9fe:a9fe'),
  resolved('name-to-mapped', { aaaa: [`::ffff:${metadata4}`] }),
  dialled('name-to-mapped', { aaaa: [`::ffff:${metadata4}`] }, metadata4),
  rebinding,
  dialled('name-second-a', { a: [web4, private4] }, private4, {
    how: 'dialled by the client',
    arrived: (lab, mark) => sawToken(lab, mark, private4),
    // The gateway dials the address of the name that it may dial, whatever the client chose.
    verdict: 'allow',
    reasons: ['rule'],
    check: expectStatus(200),
  }),
  {
    ...resolved('name-cname-to-blocked', {}),
    how: 'on the blocklist',
    run: (lab, mark) => {
      lab.origins.names.set(nameOf(mark), { ...elsewhere, cname: `${mark.token}.banned.example.org` });
      return lab.curl(['-km4', `http://${nameOf(mark)}/${mark.token}`]);
    },
    reasons: ['blocklist'],
  },
  {
    ...spelled('name-cname-to-allowed', 'curl', (host) => host),
    run: (lab, mark) => {
      const host = `${mark.token}.example.net`;
      lab.origins.names.set(host, { a: [web4], aaaa: [web6], cname: 'allowed.example.com' });
      return lab.curl(['-km4', `https://${host}/${mark.token}`]);
    },
  },
];

export const nameAttempts: readonly Bypass[] = [...literals, ...odd, ...led];
