// Ways past the reading of HTTP/2 within TLS: each stream is a request of its own, and so is each trick. The first
// stream of every attempt is allowed and must be served, so that the connection is known to work.

import { labAddresses } from '../lab/origins.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { frame, headerBlock, preface } from './h2-bytes.ts';
import { isOwn } from './seen.ts';
import { placeOf, speak } from './speak.ts';

const host = 'h2.example.com';
const data = 0;
const headers = 1;
const continuation = 9;
const last = 5;
const blockedHost = ({ token }: Mark) => `${token}.example.net`;
type Fields = readonly (readonly [name: string, value: string])[];

/** The fields of a request, in the order of RFC 9113 section 8.3.1. */
const ask = (path: string, more: Fields = [], authority = host, method = 'GET'): Fields => [
  [':method', method],
  [':scheme', 'https'],
  [':authority', authority],
  [':path', path],
  ...more,
];
const request = (stream: number, fields: Fields): Buffer => frame(headers, last, stream, headerBlock(fields));
const opening = (stream: number, fields: Fields): Buffer => frame(headers, 4, stream, headerBlock(fields));
const first = request(1, ask('/open/first'));

/** What came back, frame by frame: `1 200`, `3 reset 1`, `goaway 11`. */
function heard(answer: unknown): string[] {
  const bytes = Buffer.from(String(answer), 'latin1');
  const all: string[] = [];
  for (let at = 0; at + 9 <= bytes.length;) {
    const end = at + 9 + bytes.readUIntBE(at, 3);
    const stream = bytes.readUInt32BE(at + 5);
    const payload = bytes.subarray(at + 9, end);
    if (bytes[at + 3] === headers) all.push(`${stream} ${statusOf(payload)}`);
    if (bytes[at + 3] === 3 && payload.length === 4) all.push(`${stream} reset ${payload.readUInt32BE(0)}`);
    if (bytes[at + 3] === 7 && payload.length >= 8) all.push(`goaway ${payload.readUInt32BE(4)}`);
    at = end;
  }
  return all;
}

/** 200 by its index, or the literal by which the gateway answers. */
function statusOf(block: Buffer): string {
  return block[0] === 0x88 ? '200' : block.subarray(2, 5).toString('latin1');
}

interface Trick {
  readonly bytes: (mark: Mark) => Buffer;
  /** What must come back besides the answer to the first stream. */
  readonly answer: string;
  readonly reasons?: Bypass['reasons'];
  readonly rest?: Partial<Bypass>;
}

const isRequest: Bypass['recorded'] = (record, mark) => record.kind === 'request' && isOwn(record, mark);
/** The connection was allowed; what its client did then ended it. */
const endedBy = (...ended: readonly string[]): Partial<Bypass> => ({
  verdict: 'allow',
  recorded: (record, mark) =>
    record.kind === 'connection' && isOwn(record, mark) && ended.includes(record.ended ?? ''),
});

function trick(id: BypassId, how: string | undefined, { bytes, answer, reasons, rest }: Trick): Bypass {
  return {
    id,
    ...(how === undefined ? {} : { how }),
    run: (lab, mark) =>
      speak(lab, mark, {
        address: placeOf(lab, labAddresses.h24),
        port: 443,
        tls: { serverName: host, alpn: ['h2', 'http/1.1'] },
        send: [Buffer.concat([preface, first]), bytes(mark)],
      }),
    arrived: (lab, { token }) => lab.origins.h2.count(token) > 0,
    recorded: isRequest,
    ...(reasons === undefined ? {} : { reasons }),
    check: (text) => {
      const all = heard(text);
      return all.includes('1 200') && all.includes(answer)
        ? null
        : `answered ${all.join(', ').slice(0, 300)}`;
    },
    ...rest,
  };
}

const malformed = (id: BypassId, how: string | undefined, fields: (mark: Mark) => Fields): Bypass =>
  trick(id, how, {
    bytes: (mark) => request(3, fields(mark)),
    answer: '3 reset 1',
    reasons: ['malformed-request', 'request-smuggling'],
  });
const refused = (
  id: BypassId,
  how: string | undefined,
  status: number,
  reasons: Bypass['reasons'],
  bytes: (mark: Mark) => Buffer,
): Bypass => trick(id, how, { bytes, answer: `3 ${status}`, ...(reasons === undefined ? {} : { reasons }) });

const names: readonly Bypass[] = [
  refused('http-h2-fronting', undefined, 421, ['misdirected'], (mark) =>
    request(3, ask(`/open/${mark.token}`, [], blockedHost(mark))),
  ),
  refused('http-h2-fronting', 'another port', 421, ['misdirected'], ({ token }) =>
    request(3, ask(`/open/${token}`, [], `${host}:8443`)),
  ),
  trick('http-h2-fronting', 'userinfo', {
    bytes: (mark) => request(3, ask(`/open/${mark.token}`, [], `${host}@${blockedHost(mark)}`)),
    answer: '3 400',
    reasons: ['ambiguous-host'],
  }),
  refused('http-h2-coalescing', undefined, 421, ['misdirected'], ({ token }) =>
    request(3, ask(`/${token}`, [], 'other-h2.example.com')),
  ),
  malformed('http-h2-no-authority', undefined, ({ token }) =>
    ask(`/open/${token}`).filter(([name]) => name !== ':authority'),
  ),
  malformed('http-h2-two-hosts', undefined, (mark) =>
    ask(`/open/${mark.token}`, [['host', blockedHost(mark)]]),
  ),
  malformed('http-h2-two-hosts', 'Host twice', (mark) =>
    ask(`/open/${mark.token}`, [
      ['host', host],
      ['host', blockedHost(mark)],
    ]),
  ),
  malformed('http-h2-duplicate-pseudo', ':authority', (mark) => [
    [':authority', blockedHost(mark)],
    ...ask(`/open/${mark.token}`),
  ]),
  malformed('http-h2-duplicate-pseudo', ':path', ({ token }) => [
    ...ask('/open/x'),
    [':path', `/closed/${token}`],
  ]),
  malformed('http-h2-duplicate-pseudo', ':method', ({ token }) => [
    [':method', 'DELETE'],
    ...ask(`/open/${token}`),
  ]),
  malformed('http-h2-duplicate-pseudo', 'behind a field', ({ token }) => [
    ...ask(`/open/${token}`).slice(0, 3),
    ['x', 'y'],
    [':path', `/open/${token}`],
  ]),
  malformed('http-h2-duplicate-pseudo', 'unknown', ({ token }) => ask(`/open/${token}`, [[':host', host]])),
  malformed('http-h2-duplicate-pseudo', 'upper case', ({ token }) => ask(`/open/${token}`, [['Host', host]])),
];

const frames: readonly Bypass[] = [
  trick('http-h2-continuation', undefined, {
    bytes: ({ token }) =>
      Buffer.concat([
        frame(headers, 1, 3, headerBlock(ask(`/open/${token}`))),
        ...Array.from({ length: 5_000 }, () => frame(continuation, 0, 3, headerBlock([['x', 'y']]))),
      ]),
    answer: 'goaway 11',
    rest: endedBy('h2-flood'),
  }),
  trick('http-h2-rapid-reset', undefined, {
    bytes: ({ token }) =>
      Buffer.concat(
        Array.from({ length: 4_000 }, (_, at) =>
          Buffer.concat([
            request(2 * at + 3, ask(`/open/${token}`)),
            frame(3, 0, 2 * at + 3, Buffer.of(0, 0, 0, 8)),
          ]),
        ),
      ),
    answer: 'goaway 11',
    rest: {
      ...endedBy('h2-flood'),
      // What the burst of an honest client may hold goes on: it is the number that must not arrive.
      arrived: (lab, { token }) => lab.origins.h2.count(token) > 3_500,
    },
  }),
  trick('http-h2-lower-stream', undefined, {
    bytes: ({ token }) => Buffer.concat([request(7, ask('/open/x')), request(5, ask(`/closed/${token}`))]),
    answer: 'goaway 5',
    rest: endedBy('h2-protocol'),
  }),
  trick('http-h2-lower-stream', 'as trailers', {
    bytes: ({ token }) =>
      Buffer.concat([
        opening(3, ask('/upload/x', [], host, 'POST')),
        request(3, [
          ['x', 'y'],
          [':path', `/closed/${token}`],
        ]),
      ]),
    answer: '3 reset 1',
    rest: { reasons: ['malformed-request'] },
  }),
  trick('http-h2-framing', 'bytes in an unknown frame', {
    bytes: ({ token }) =>
      Buffer.concat([frame(0x42, 0, 0, Buffer.from(token)), request(3, ask('/closed/x'))]),
    answer: '3 403',
    reasons: ['path'],
  }),
  trick('http-h2-framing', 'a push', {
    bytes: ({ token }) =>
      frame(5, 4, 1, Buffer.concat([Buffer.of(0, 0, 0, 2), headerBlock(ask(`/closed/${token}`))])),
    answer: 'goaway 1',
    rest: endedBy('h2-protocol'),
  }),
  trick('http-h2-framing', 'padding that is longer than its frame', {
    bytes: ({ token }) =>
      frame(headers, last | 8, 3, Buffer.concat([Buffer.of(255), headerBlock(ask(`/closed/${token}`))])),
    answer: 'goaway 1',
    rest: endedBy('h2-protocol'),
  }),
  trick('http-h2-framing', 'DATA of a stream that never was', {
    bytes: ({ token }) => frame(data, 0, 9, Buffer.from(token)),
    answer: 'goaway 1',
    rest: endedBy('h2-protocol'),
  }),
  trick('http-h2-framing', 'the body of a blocked request', {
    bytes: ({ token }) =>
      Buffer.concat([opening(3, ask('/closed', [], host, 'POST')), frame(data, 1, 3, Buffer.from(token))]),
    answer: '3 403',
    reasons: ['path', 'method'],
  }),
];

const turns: readonly Bypass[] = [
  refused('http-h2-connect', undefined, 403, ['unknown-protocol'], (mark) =>
    Buffer.concat([
      opening(3, [
        [':method', 'CONNECT'],
        [':authority', `${mark.token}.example.net:443`],
      ]),
      frame(data, 0, 3, Buffer.from(mark.token)),
    ]),
  ),
  refused('http-h2-websocket', undefined, 403, ['websocket'], ({ token }) =>
    Buffer.concat([
      opening(3, ask(`/open/${token}`, [[':protocol', 'websocket']], host, 'CONNECT')),
      frame(data, 0, 3, Buffer.from('anything')),
    ]),
  ),
  refused('http-h2-websocket', 'another protocol', 403, ['websocket'], ({ token }) =>
    opening(3, ask(`/open/${token}`, [[':protocol', 'connect-udp']], host, 'CONNECT')),
  ),
  malformed('http-h2c-upgrade', 'within HTTP/2', ({ token }) => ask(`/open/${token}`, [['upgrade', 'h2c']])),
  refused('http-h2-upload', 'by its length', 413, ['max-upload'], ({ token }) =>
    opening(3, ask(`/upload/${token}`, [['content-length', '5000']], host, 'POST')),
  ),
  trick('http-h2-upload', 'without a length', {
    bytes: ({ token }) =>
      Buffer.concat([
        opening(3, ask('/upload/x', [], host, 'POST')),
        frame(data, 0, 3, Buffer.alloc(1_024)),
        frame(data, 1, 3, Buffer.from(token)),
      ]),
    answer: '3 413',
    reasons: ['max-upload'],
  }),
  trick('http-h2-upload', 'in padding', {
    bytes: ({ token }) =>
      Buffer.concat([
        opening(3, ask('/upload/x', [], host, 'POST')),
        ...Array.from({ length: 8 }, () =>
          frame(data, 8, 3, Buffer.concat([Buffer.of(200), Buffer.alloc(200)])),
        ),
        frame(data, 9, 3, Buffer.concat([Buffer.of(200), Buffer.from(token), Buffer.alloc(200)])),
      ]),
    answer: '3 413',
    reasons: ['max-upload'],
  }),
  trick('http-h2-upload', 'a body beyond its length', {
    bytes: ({ token }) =>
      Buffer.concat([
        opening(3, ask('/upload/x', [['content-length', '1']], host, 'POST')),
        frame(data, 1, 3, Buffer.from(token)),
      ]),
    answer: '3 reset 1',
    reasons: ['request-smuggling'],
  }),
  refused('path-encoded-body', 'HTTP/2, on a read', 403, ['method'], ({ token }) =>
    Buffer.concat([opening(3, ask(`/open/${token}`)), frame(data, 1, 3, Buffer.from(token))]),
  ),
];

const ambiguous = (id: BypassId, path: (token: string) => string): Bypass =>
  refused(id, 'HTTP/2', 400, ['ambiguous-path'], ({ token }) => request(3, ask(path(token))));
const outside = (id: BypassId, path: (token: string) => string): Bypass =>
  refused(id, 'HTTP/2', 403, ['path', 'block-rule'], ({ token }) => request(3, ask(path(token))));
const overridden = (field: string, method: string, reason: 'method'): Bypass =>
  refused('path-method-override', `HTTP/2, ${field}`, 403, [reason], ({ token }) =>
    request(3, ask(`/open/${token}`, [[field, method]])),
  );
const doh = (id: BypassId, how: string, ask: (token: string) => Fields): Bypass =>
  refused(id, `HTTP/2${how}`, 403, ['encrypted-dns'], ({ token }) => request(3, ask(token)));

const paths: readonly Bypass[] = [
  ambiguous('path-dot-dot', (token) => `/open/../${token}`),
  ambiguous('path-encoded-dots', (token) => `/open/%2e%2e/${token}`),
  ambiguous('path-encoded-slash', (token) => `/open/..%2f${token}`),
  ambiguous('path-double-encoded', (token) => `/open/%252e%252e/${token}`),
  ambiguous('path-dots-parameter', (token) => `/open/..;/${token}`),
  ambiguous('path-double-slash', (token) => `//${token}/open/x`),
  ambiguous('path-nul', (token) => `/open/secret%00?${token}`),
  ambiguous('path-backslash', (token) => `/open/..\\${token}`),
  outside('path-trailing-slash', (token) => `/exact/?${token}`),
  outside('path-mixed-percent', (token) => `/%6Fp%65n/s%65cret?${token}`),
  outside('path-slash-as-data', (token) => `/open%2f${token}`),
  overridden('x-http-method-override', 'DELETE', 'method'),
  overridden('x-method-override', 'PUT', 'method'),
  malformed('path-method-override', 'HTTP/2, another spelling', ({ token }) =>
    ask(`/open/${token}`, [['x_http_method_override', 'DELETE']]),
  ),
  malformed('path-method-override', 'HTTP/2, another URL', ({ token }) =>
    ask(`/open/${token}`, [['x-original-url', '/closed']]),
  ),
  doh('advisory-doh-path', '', (token) => ask(`/open/${token}/dns-query?dns=AAAA`)),
  doh('advisory-doh-json', '', (token) => ask(`/open/resolve?name=${token}.example.net&type=TXT`)),
  doh('advisory-doh-media-type', '', (token) =>
    ask(`/open/${token}`, [['accept', 'application/dns-message']]),
  ),
];

export const h2Attempts: readonly Bypass[] = [...names, ...frames, ...turns, ...paths];
