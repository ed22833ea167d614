// Ways past the explicit proxy port, which the suite opens in every variant: CONNECT and absolute-form are one more
// way in, and must be no way out.

import { explicitPort } from '../lab/gateway.ts';
import type { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import type { Bypass, Mark } from './bypass.ts';
import { expectStatus } from './name-attempts.ts';
import { isOwn, sawToken } from './seen.ts';
import { get, speak } from './speak.ts';

const { other4, other6, private4, metadata4 } = labAddresses;
const allowed = 'allowed.example.com';
const blockedHost = ({ token }: Mark) => `${token}.example.net`;

function proxyOf(lab: Lab): string {
  return lab.mode === 'sidecar' ? '127.0.0.1' : lab.topology.gateway4;
}

/** A request by curl, which is told of the proxy. */
function byCurl(how: string, argsOf: (mark: Mark) => readonly string[], rest: Partial<Bypass>): Bypass {
  return {
    id: 'http-connect',
    how: `proxy, ${how}`,
    run: (lab, mark) => {
      lab.origins.names.set(blockedHost(mark), { a: [other4], aaaa: [other6] });
      const proxy = ['-x', `http://${proxyOf(lab)}:${explicitPort}`, '--interface', mark.source4];
      return lab.curl(['-skpm4', '-o', '/dev/null', ...proxy, ...argsOf(mark)]);
    },
    arrived: sawToken,
    recorded: isOwn,
    ...rest,
  };
}

/** Bytes to the proxy port. */
function bySocket(
  id: Bypass['id'],
  how: string,
  sendOf: (mark: Mark) => readonly string[],
  rest: Partial<Bypass>,
): Bypass {
  return {
    id,
    how: `proxy, ${how}`,
    run: (lab, mark) => {
      lab.origins.names.set(blockedHost(mark), { a: [other4], aaaa: [other6] });
      return speak(lab, mark, { address: proxyOf(lab), port: explicitPort, send: sendOf(mark) });
    },
    arrived: sawToken,
    recorded: isOwn,
    ...rest,
  };
}

const never = ['never-address', 'direct-address', 'no-rule'] as const;
const connectTo = (target: string) => `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`;

export const explicitAttempts: readonly Bypass[] = [
  byCurl('a blocked host', (mark) => [`https://${blockedHost(mark)}/${mark.token}`], {
    reasons: ['no-rule'],
  }),
  byCurl(
    'a blocked Host within',
    (mark) => ['-H', `Host: ${blockedHost(mark)}`, `https://${allowed}/${mark.token}`],
    {
      reasons: ['misdirected'],
    },
  ),
  byCurl(
    'an allowed SNI within a tunnel to a blocked host',
    (mark) => ['--connect-to', `${allowed}:443:${blockedHost(mark)}:443`, `https://${allowed}/${mark.token}`],
    { reasons: ['misdirected', 'no-rule'] },
  ),
  byCurl('a literal address', ({ token }) => [`https://${other4}/${token}`], {
    reasons: ['no-server-name', 'direct-address', 'no-rule'],
  }),
  byCurl('a private address', ({ token }) => [`http://${private4}/${token}`], {
    reasons: ['private-address', 'direct-address', 'no-rule'],
  }),
  byCurl('cloud metadata', ({ token }) => [`http://${metadata4}/${token}`], { reasons: never }),
  byCurl('the operator’s port', ({ token }) => [`http://127.0.0.1:9440/metrics?${token}`], {
    reasons: never,
    withoutControl: 'loopback never leaves the machine that is asked',
  }),
  bySocket(
    'http-connect',
    'an odd port of an allowed host',
    ({ token }) => [connectTo(`${allowed}:22`), token],
    {
      reasons: ['no-rule', 'unknown-protocol'],
    },
  ),
  bySocket(
    'http-connect',
    'no protocol that is known',
    ({ token }) => [connectTo(`${allowed}:443`), `\0${token}`],
    {
      reasons: ['no-rule', 'unknown-protocol'],
    },
  ),
  bySocket(
    'http-absolute-form',
    'a blocked host',
    (mark) => [get(`http://${blockedHost(mark)}/${mark.token}`, blockedHost(mark))],
    {
      reasons: ['no-rule'],
      check: expectStatus(403),
    },
  ),
  bySocket(
    'http-absolute-form',
    'another Host',
    (mark) => [get(`http://${allowed}/${mark.token}`, blockedHost(mark))],
    {
      reasons: ['misdirected'],
      check: expectStatus(421),
    },
  ),
];
