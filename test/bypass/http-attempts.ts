// Ways past the reading of TLS and HTTP/1: names that differ between layers, protocols on each other's ports,
// messages that two parsers read differently, and connections that turn into something else.

import { labAddresses } from '../lab/origins.ts';
import { echHello } from './client-hello-bytes.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { headersFrame, preface } from './h2-bytes.ts';
import { expectStatus } from './name-attempts.ts';
import { isOf, isOwn, sawBytes, sawToken } from './seen.ts';
import { get, placeOf, speak, type Speech } from './speak.ts';

const { web4, web6, other4, other6 } = labAddresses;
const allowed = 'allowed.example.com';
const tlsOn443 = { port: 443, tls: { serverName: allowed } };
const plainOn80 = { port: 80 };
const blockedHost = ({ token }: Mark) => `${token}.example.net`;

/** Bytes on a connection to an allowed host, over both families; what of them holds the token must not go on. */
function spoken(
  id: BypassId,
  how: string | undefined,
  speech: (mark: Mark) => Speech,
  rest: Partial<Bypass> = {},
): Bypass[] {
  return ([4, 6] as const).map((family) => {
    const hows = [how, family === 6 ? 'IPv6' : undefined].filter((text) => text !== undefined);
    return {
      id,
      ...(hows.length === 0 ? {} : { how: hows.join(', ') }),
      run: (lab, mark) => {
        const { address, ...said } = speech(mark);
        const place = { address: inFamily(family, address ?? placeOf(lab, family === 4 ? web4 : web6)) };
        return speak(lab, mark, { ...said, ...place });
      },
      arrived: sawToken,
      recorded: isOwn,
      ...rest,
    };
  });
}

/** An address of the lab's internet, or its IPv6 twin. */
function inFamily(family: 4 | 6, address: string): string {
  if (family === 4) return address;
  return { [web4]: web6, [other4]: other6 }[address] ?? address;
}

const isRequest: Bypass['recorded'] = (record, mark) => record.kind === 'request' && isOwn(record, mark);

const names: readonly Bypass[] = [
  ...spoken(
    'http-sni-elsewhere',
    undefined,
    ({ token }) => ({ ...tlsOn443, address: other4, send: [get(`/${token}`, allowed)] }),
    {
      arrived: (lab, mark) => sawToken(lab, mark, other4) || sawToken(lab, mark, other6),
      // The gateway dials its own answer for the name: the client's choice of address means nothing. In steer mode
      // the address leads past the proxy and into the kernel's rules.
      verdict: { 'gateway-nft': 'allow', 'gateway-iptables': 'allow', 'sidecar-nft': 'allow' },
      check: (answer, variant) => (variant === 'steer-nft' ? null : expectStatus(200)(answer)),
    },
  ),
  ...spoken(
    'http-sni-elsewhere',
    'by Host in the clear',
    ({ token }) => ({ ...plainOn80, address: other4, send: [get(`/${token}`, allowed)] }),
    {
      arrived: (lab, mark) => sawToken(lab, mark, other4) || sawToken(lab, mark, other6),
      verdict: { 'gateway-nft': 'allow', 'gateway-iptables': 'allow', 'sidecar-nft': 'allow' },
      check: (answer, variant) => (variant === 'steer-nft' ? null : expectStatus(200)(answer)),
    },
  ),
  ...(['blocked', 'another allowed'] as const).flatMap((which) =>
    spoken(
      'http-fronting',
      `${which} host`,
      (mark) => ({
        ...tlsOn443,
        send: [get(`/open/${mark.token}`, which === 'blocked' ? blockedHost(mark) : 'api.example.com')],
      }),
      { recorded: isRequest, reasons: ['misdirected'], check: expectStatus(421) },
    ),
  ),
  ...spoken(
    'http-fronting',
    'another port',
    ({ token }) => ({ ...tlsOn443, send: [get(`/${token}`, `${allowed}:22`)] }),
    { recorded: isRequest, reasons: ['misdirected'], check: expectStatus(421) },
  ),
  ...spoken(
    'http-fronting-second-request',
    'TLS',
    (mark) => ({ ...tlsOn443, send: [get('/first', allowed), get(`/${mark.token}`, blockedHost(mark))] }),
    { recorded: isRequest, reasons: ['misdirected'], check: expectSecond(421) },
  ),
  ...spoken(
    'http-fronting-second-request',
    'in the clear',
    (mark) => ({ ...plainOn80, send: [get('/first', allowed), get(`/${mark.token}`, blockedHost(mark))] }),
    { recorded: (record, mark) => isOf(record, blockedHost(mark)), check: expectSecond(403) },
  ),
  ...spoken(
    'http-fronting-second-request',
    'pipelined',
    (mark) => ({ ...tlsOn443, send: [get('/first', allowed) + get(`/${mark.token}`, blockedHost(mark))] }),
    { recorded: isRequest, reasons: ['misdirected'], check: expectSecond(421) },
  ),
  ...spoken(
    'http-no-sni',
    'Host of an allowed host',
    ({ token }) => ({
      address: web4,
      port: 443,
      tls: { serverName: null },
      send: [get(`/${token}`, allowed)],
    }),
    { reasons: ['no-server-name', 'direct-address', 'misdirected', 'no-rule'] },
  ),
  ...spoken(
    'http-ech',
    'an allowed public name',
    ({ token }) => ({ port: 443, send: [echHello(allowed, token)] }),
    {
      // Its outer name decides; the gateway ends the TLS itself, without the key that could open the inner name.
      verdict: {
        'gateway-nft': 'allow',
        'gateway-iptables': 'allow',
        'steer-nft': 'allow',
        'sidecar-nft': 'allow',
      },
      recorded: (record, mark) =>
        isOwn(record, mark) && record.evidence.some(({ kind }) => kind === 'encrypted-client-hello'),
    },
  ),
  ...spoken(
    'http-ech',
    'a blocked public name in pieces',
    (mark) => {
      const hello = echHello(blockedHost(mark), mark.token);
      return { port: 443, send: [hello.subarray(0, 3), hello.subarray(3, 90), hello.subarray(90)] };
    },
    { recorded: (record, mark) => isOf(record, blockedHost(mark)), reasons: ['no-rule'] },
  ),
  ...spoken(
    'http-ech',
    'a blocked public name',
    (mark) => ({ port: 443, send: [echHello(blockedHost(mark), mark.token)] }),
    { recorded: (record, mark) => isOf(record, blockedHost(mark)), reasons: ['no-rule'] },
  ),
];

/** What follows the answer to a first request. */
function expectSecond(status: number): (answer: unknown) => string | null {
  return (answer) => {
    const text = String(answer);
    const isRight = text.startsWith('HTTP/1.1 200 ') && text.includes(`HTTP/1.1 ${status} `);
    return isRight ? null : `answered ${text.slice(0, 400)}`;
  };
}

const ports: readonly Bypass[] = [
  ...spoken(
    'http-tls-on-80',
    undefined,
    ({ token }) => ({ port: 80, tls: { serverName: allowed }, send: [get(`/${token}`, allowed)] }),
    {
      // The lab's server there speaks no TLS: the first bytes tell.
      arrived: (lab) =>
        sawBytes(lab, ({ destinationPort, payload }) => destinationPort === 80 && payload[0] === 22),
      reasons: ['no-rule'],
    },
  ),
  ...spoken(
    'http-plain-on-443',
    undefined,
    ({ token }) => ({ port: 443, send: [get(`/${token}`, allowed)] }),
    {
      reasons: ['no-rule'],
    },
  ),
  ...spoken(
    'http-tls-odd-port',
    undefined,
    ({ token }) => ({
      address: web4,
      port: 8443,
      tls: { serverName: allowed },
      send: [get(`/${token}`, allowed)],
    }),
    { reasons: ['no-rule'] },
  ),
  ...spoken(
    'http-plain-odd-port',
    undefined,
    ({ token }) => ({ address: web4, port: 8080, send: [get(`/${token}`, allowed)] }),
    { reasons: ['no-rule'] },
  ),
];

/** A message that no reader may take: refused, recorded, nothing of it sent on. */
function malformed(
  id: BypassId,
  how: string | undefined,
  bytes: (mark: Mark) => string,
  status = 400,
): Bypass[] {
  return spoken(id, how, (mark) => ({ ...plainOn80, send: [bytes(mark)] }), {
    reasons: ['malformed-request', 'request-smuggling', 'too-large', 'misdirected'],
    check: expectStatus(status),
  });
}

const head = (mark: Mark, ...fields: readonly string[]) => get(`/${mark.token}`, allowed, ...fields);

const messages: readonly Bypass[] = [
  ...malformed(
    'http-connect',
    'on port 80',
    (mark) => `CONNECT ${mark.token}.example.net:443 HTTP/1.1\r\nHost: x\r\n\r\n`,
  ),
  ...malformed(
    'http-absolute-form',
    'another host',
    (mark) => get(`http://${blockedHost(mark)}/`, allowed),
    421,
  ),
  ...spoken(
    'http-absolute-form',
    'userinfo',
    (mark) => ({ ...plainOn80, send: [get(`http://${allowed}@${blockedHost(mark)}/`, allowed)] }),
    { reasons: ['ambiguous-host'], check: expectStatus(400) },
  ),
  ...malformed('http-absolute-form', 'another scheme', (mark) =>
    get(`https://${allowed}/${mark.token}`, allowed),
  ),
  ...malformed('http-two-hosts', 'blocked second', (mark) => head(mark, `Host: ${blockedHost(mark)}`)),
  ...malformed('http-two-hosts', 'equal', (mark) => head(mark, `Host: ${allowed}`)),
  ...malformed('http-length-and-chunked', undefined, (mark) => {
    const rest = get('/smuggled', 'api.example.com');
    return `${head(mark, 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${rest}`;
  }),
  ...malformed('http-length-and-chunked', 'two lengths', (mark) =>
    head(mark, 'Content-Length: 0', 'Content-Length: 5'),
  ),
  ...malformed('http-length-and-chunked', 'a coding in disguise', (mark) =>
    head(mark, 'Transfer-Encoding: xchunked'),
  ),
  ...malformed('http-two-hosts', 'a space before the colon', (mark) =>
    head(mark, `Host : ${blockedHost(mark)}`),
  ),
  ...malformed('http-length-and-chunked', 'a sign', (mark) => head(mark, 'Content-Length: +5')),
  ...malformed('http-length-and-chunked', 'a list', (mark) => head(mark, 'Content-Length: 5, 5')),
  ...malformed('http-length-and-chunked', 'a control character', (mark) =>
    head(mark, 'Transfer-Encoding: \x0bchunked'),
  ),
  ...malformed('http-obs-fold', 'at the start', (mark) =>
    head(mark).replace('Host', ` Host: ${blockedHost(mark)}\r\nHost`),
  ),
  ...malformed('http-bare-lf', 'a bare CR', (mark) => head(mark, `X-A: b\rHost: ${blockedHost(mark)}`)),
  ...malformed('http-obs-fold', undefined, (mark) => head(mark, 'X-A: b', ' folded: c')),
  ...malformed('http-bare-lf', undefined, (mark) => head(mark, 'X-A: b').replaceAll('\r\n', '\n')),
  ...malformed('http-bare-lf', 'one', (mark) => head(mark, 'X-A: b\nHost: other.example.net')),
  ...malformed('http-oversized-head', undefined, (mark) => head(mark, `X-A: ${'b'.repeat(70_000)}`), 431),
  ...spoken(
    'http-slow-head',
    undefined,
    ({ token }) => ({
      ...plainOn80,
      send: [`GET /${token} HTTP/1.1\r\n`, ...Array.from({ length: 24 }, () => 'X-A: b\r\n')],
      limitMs: 12_500,
    }),
    { isSlow: true, reasons: ['timeout'] },
  ),
];

const turns: readonly Bypass[] = [
  ...spoken(
    'http-h2c-upgrade',
    undefined,
    (mark) => ({
      ...plainOn80,
      send: [
        head(
          mark,
          'Connection: Upgrade, HTTP2-Settings',
          'Upgrade: h2c',
          'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
        ),
      ],
    }),
    {
      // The request itself is allowed; the upgrade does not go on with it.
      arrived: (lab, { token }) =>
        lab.origins.web.arrived.some(
          ({ target, headers }) => target.includes(token) && headers['upgrade'] !== undefined,
        ),
      verdict: {
        'gateway-nft': 'allow',
        'gateway-iptables': 'allow',
        'steer-nft': 'allow',
        'sidecar-nft': 'allow',
      },
      check: expectStatus(200),
    },
  ),
  ...spoken(
    'http-h2-prior-knowledge',
    undefined,
    ({ token }) => ({
      ...plainOn80,
      send: [Buffer.concat([preface, headersFrame(`/${token}`, allowed)])],
    }),
    { reasons: ['unknown-protocol'] },
  ),
  ...spoken('http-websocket', 'TLS', (mark) => ({ ...tlsOn443, send: [webSocket(mark), 'anything'] }), {
    recorded: isRequest,
    reasons: ['websocket'],
    check: expectStatus(403),
  }),
  ...spoken(
    'http-websocket',
    'in the clear',
    (mark) => ({ ...plainOn80, send: [webSocket(mark), 'anything'] }),
    {
      recorded: isRequest,
      reasons: ['websocket'],
      check: expectStatus(403),
    },
  ),
  ...spoken(
    'http-raw-tunnel',
    undefined,
    (mark) => ({
      ...plainOn80,
      send: [head(mark, 'Connection: Upgrade', 'Upgrade: tunnel'), 'SSH-2.0-x\r\n'],
    }),
    { recorded: isRequest, reasons: ['websocket'], check: expectStatus(403) },
  ),
  ...spoken(
    'http-expect-continue',
    undefined,
    ({ token }) => ({
      port: 443,
      tls: { serverName: 'api.example.com' },
      send: [
        `POST /closed/${token} HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n`,
        'secret',
      ],
    }),
    { recorded: isRequest, reasons: ['path', 'method', 'no-rule'], check: expectStatus(403) },
  ),
  {
    id: 'http-redirect',
    run: (lab, mark) => {
      lab.origins.names.set(blockedHost(mark), { a: [other4], aaaa: [other6] });
      const to = `https://${blockedHost(mark)}/there`;
      return lab.curl(['-kLm4', `https://${allowed}/redirect?to=${encodeURIComponent(to)}`]);
    },
    arrived: (lab, mark) => lab.origins.requestsTo(blockedHost(mark)).length > 0,
    recorded: (record, mark) => isOf(record, blockedHost(mark)),
    reasons: ['no-rule'],
  },
];

function webSocket(mark: Mark): string {
  return head(
    mark,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  );
}

export const httpAttempts: readonly Bypass[] = [...names, ...ports, ...messages, ...turns];
