import t from 'tap';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import {
  answer,
  block,
  flag,
  frame,
  get,
  openPeer,
  ping,
  post,
  requestOf,
  reset,
  settings,
  settingsAck,
  setting,
  startRawServer,
  type,
  u32,
  window,
} from './h2-peer.ts';
import type { Peer } from './h2-peer.ts';
import type { Field } from './naive-hpack.ts';
import { asRequest, enterNamespace, makeAuthority, makeRig, open, shut } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const raw = await startRawServer(authority);
const answerEach = raw.onFrame;
const rig = await makeRig(authority, 443, {
  http2: { start: startHttp2, answer: () => {} },
  limits: { lingerMs: 300 },
});
rig.request = ({ path }) => asRequest(path.startsWith('/blocked') ? shut : open);

/** What ends it: a GOAWAY or RST_STREAM (of stream 1) with this code, or an answer with this status. */
type Outcome = readonly ['goaway' | 'reset', code: number] | readonly ['answer', status: string];
const protocol = ['goaway', 1] as const;
const flow = ['goaway', 3] as const;
const closed = ['goaway', 5] as const;
const size = ['goaway', 6] as const;
const compression = ['goaway', 9] as const;
const malformed = ['reset', 1] as const;
const fine = ['answer', '200'] as const;

const headers = (flags: number, id: number, ...fields: readonly Field[]) =>
  frame(type.headers, flags, id, block(fields));
const whole = flag.end | flag.endHeaders;
const [method, scheme, host, path] = requestOf('/') as [Field, Field, Field, Field];
const data = (id: number, text: string, flags = 0) => frame(type.data, flags, id, Buffer.from(text));
const hpack = (hex: string) => frame(type.headers, whole, 1, Buffer.from(hex, 'hex'));
const zeros = (bytes: number) => Buffer.alloc(bytes);
/** A request after whose answer stream 1 is over on both sides. */
const over = async (peer: Peer) => {
  peer.send(get(1));
  await peer.until(() => peer.status(1) === '200');
};

interface Case {
  /** Section of RFC 9113, or of RFC 7541 where it says so. */
  readonly section: string;
  readonly title: string;
  readonly send: readonly Buffer[];
  readonly outcome: Outcome;
  /** Request heads that the server may see; default: one where the outcome is an answer or another stream's, else 0. */
  readonly heads?: number;
  readonly before?: (peer: Peer) => Promise<void>;
  /** The stream whose answer counts; default: 1. */
  readonly id?: number;
}
const row = (section: string, title: string, outcome: Outcome, ...send: readonly Buffer[]): Case => ({
  section,
  title,
  outcome,
  send,
});
const request = (title: string, ...fields: readonly Field[]) =>
  row('8.3', title, malformed, headers(whole, 1, ...fields));

const ofClient: readonly Case[] = [
  row('3.4', 'a first request', fine, get(1)),
  row('4.1', 'a frame of an unknown type', fine, frame(0x16, 0xff, 0, zeros(8)), get(1)),
  row('4.1', 'the reserved bit of a stream number', fine, get(0x8000_0001 | 0)),
  row('4.1', 'flags that nobody knows', fine, frame(type.headers, whole | 0x82, 1, block(requestOf('/')))),
  row('4.2', 'HEADERS over the frame size', size, frame(type.headers, whole, 1, zeros(16_385))),
  {
    ...row('4.2', 'DATA over the frame size', size, post(1), frame(type.data, 0, 1, zeros(16_385))),
    heads: 1,
  },
  row('4.2', 'SETTINGS over the frame size', size, frame(type.settings, 0, 0, zeros(16_386))),
  row(
    '4.3',
    'another frame inside of a header block',
    protocol,
    frame(type.headers, flag.end, 1, block(requestOf('/'))),
    ping,
  ),
  row(
    '4.3',
    'a header block in two pieces',
    fine,
    frame(type.headers, flag.end, 1, block(requestOf('/')).subarray(0, 20)),
    frame(type.continuation, flag.endHeaders, 1, block(requestOf('/')).subarray(20)),
  ),
  row('5.1', 'DATA on an idle stream', protocol, data(1, 'x')),
  row('5.1', 'RST_STREAM on an idle stream', protocol, reset(1)),
  row('5.1', 'WINDOW_UPDATE on an idle stream', protocol, window(1, 10)),
  row(
    '5.1',
    'CONTINUATION on an idle stream',
    protocol,
    frame(type.continuation, flag.endHeaders, 1, block(requestOf('/'))),
  ),
  { ...row('5.1', 'DATA on a half-closed stream', closed, data(1, 'x')), before: half, heads: 1 },
  { ...row('5.1', 'HEADERS on a half-closed stream', closed, get(1)), before: half, heads: 1 },
  {
    ...row(
      '5.1',
      'CONTINUATION on a half-closed stream',
      protocol,
      frame(type.continuation, flag.endHeaders, 1),
    ),
    before: half,
    heads: 1,
  },
  { ...row('5.1', 'DATA on a closed stream', closed, data(1, 'x')), before: over, heads: 1 },
  { ...row('5.1', 'HEADERS on a closed stream', closed, get(1)), before: over, heads: 1 },
  {
    ...row(
      '5.1',
      'WINDOW_UPDATE and RST_STREAM on a closed stream',
      ['answer', '200'],
      window(1, 5),
      reset(1),
      get(3),
    ),
    before: over,
    heads: 2,
    id: 3,
  },
  { ...row('5.1', 'DATA after its RST_STREAM', closed, post(1), reset(1), data(1, 'x')), heads: 1 },
  { ...row('5.1', 'HEADERS after its RST_STREAM', closed, post(1), reset(1), get(1)), heads: 1 },
  row('5.1.1', 'an even stream number', protocol, get(2)),
  { ...row('5.1.1', 'a stream number below another', closed, get(5), get(3)), heads: 1 },
  row(
    '5.3',
    'a priority upon itself',
    fine,
    frame(type.priority, 0, 1, Buffer.concat([u32(1), Buffer.of(255)])),
    get(1),
  ),
  row(
    '5.3',
    'priority fields in HEADERS',
    fine,
    frame(
      type.headers,
      whole | flag.priority,
      1,
      Buffer.concat([u32(0x8000_0000 | 0), Buffer.of(1), block(requestOf('/'))]),
    ),
  ),
  row('6.1', 'DATA on stream 0', protocol, data(0, 'x')),
  {
    ...row(
      '6.1',
      'DATA with padding',
      fine,
      post(1),
      frame(type.data, flag.padded | flag.end, 1, Buffer.from('\x02ab\0\0')),
    ),
    heads: 1,
  },
  {
    ...row(
      '6.1',
      'DATA with too much padding',
      protocol,
      post(1),
      frame(type.data, flag.padded, 1, Buffer.from('\x05ab\0\0')),
    ),
    heads: 1,
  },
  {
    ...row('6.1', 'padded DATA without a length', protocol, post(1), frame(type.data, flag.padded, 1)),
    heads: 1,
  },
  row('6.2', 'HEADERS on stream 0', protocol, get(0)),
  row(
    '6.2',
    'HEADERS with padding',
    fine,
    frame(
      type.headers,
      whole | flag.padded,
      1,
      Buffer.concat([Buffer.of(3), block(requestOf('/')), zeros(3)]),
    ),
  ),
  row(
    '6.2',
    'HEADERS with too much padding',
    protocol,
    frame(type.headers, whole | flag.padded, 1, Buffer.concat([Buffer.of(255), block(requestOf('/'))])),
  ),
  row(
    '6.2',
    'HEADERS too short for their priority',
    protocol,
    frame(type.headers, whole | flag.priority, 1, zeros(4)),
  ),
  row('6.3', 'PRIORITY on stream 0', protocol, frame(type.priority, 0, 0, zeros(5))),
  row('6.3', 'PRIORITY of 4 bytes', size, frame(type.priority, 0, 1, zeros(4))),
  row('6.4', 'RST_STREAM on stream 0', protocol, reset(0)),
  { ...row('6.4', 'RST_STREAM of 3 bytes', size, post(1), frame(type.reset, 0, 1, zeros(3))), heads: 1 },
  row('6.5', 'SETTINGS on a stream', protocol, frame(type.settings, 0, 1, setting(4, 10))),
  row('6.5', 'SETTINGS of 5 bytes', size, frame(type.settings, 0, 0, zeros(5))),
  row('6.5', 'an acknowledgement with content', size, frame(type.settings, flag.ack, 0, setting(4, 10))),
  row('6.5', 'an acknowledgement of nothing', protocol, settingsAck),
  row('6.5.2', 'ENABLE_PUSH of 2', protocol, settings([2, 2])),
  row('6.5.2', 'INITIAL_WINDOW_SIZE of 2^31', flow, settings([4, 0x8000_0000])),
  row('6.5.2', 'MAX_FRAME_SIZE of 16,383', protocol, settings([5, 16_383])),
  row('6.5.2', 'MAX_FRAME_SIZE of 2^24', protocol, settings([5, 0x100_0000])),
  row('6.5.2', 'a setting that nobody knows', fine, settings([0xfff0, 1]), get(1)),
  row(
    '6.6',
    'PUSH_PROMISE',
    protocol,
    frame(type.push, flag.endHeaders, 1, Buffer.concat([u32(2), block(requestOf('/'))])),
  ),
  row('6.7', 'PING on a stream', protocol, frame(type.ping, 0, 1, zeros(8))),
  row('6.7', 'PING of 6 bytes', size, frame(type.ping, 0, 0, zeros(6))),
  row('6.7', 'an answer to no PING', fine, frame(type.ping, flag.ack, 0, zeros(8)), get(1)),
  row('6.8', 'GOAWAY on a stream', protocol, frame(type.goaway, 0, 1, zeros(8))),
  row('6.8', 'GOAWAY of 7 bytes', size, frame(type.goaway, 0, 0, zeros(7))),
  row('6.9', 'WINDOW_UPDATE by 0 of the connection', protocol, window(0, 0)),
  { ...row('6.9', 'WINDOW_UPDATE by 0 of a stream', protocol, post(1), window(1, 0)), heads: 1 },
  row('6.9', 'WINDOW_UPDATE of 3 bytes', size, frame(type.window, 0, 0, zeros(3))),
  row(
    '6.10',
    'CONTINUATION behind a whole block',
    protocol,
    post(1),
    frame(type.continuation, flag.endHeaders, 1),
  ),
  row(
    '6.10',
    'CONTINUATION of another stream',
    protocol,
    frame(type.headers, flag.end, 1, block(requestOf('/'))),
    frame(type.continuation, flag.endHeaders, 3),
  ),
  row(
    '6.10',
    'DATA inside of a header block',
    protocol,
    frame(type.headers, 0, 1, block(requestOf('/'))),
    data(1, 'x'),
  ),
  {
    ...row(
      '8.1',
      'a second HEADERS that does not end the stream',
      protocol,
      post(1),
      headers(flag.endHeaders, 1, ['x', 'y']),
    ),
    heads: 1,
  },
  { ...row('8.1', 'trailers', fine, post(1), data(1, 'x'), headers(whole, 1, ['x', 'y'])), heads: 2 },
  {
    ...row('8.1', 'trailers with a pseudo-header field', malformed, post(1), headers(whole, 1, path)),
    heads: 1,
  },
  {
    ...row(
      '8.1.1',
      'a body longer than Content-Length',
      malformed,
      post(1, '/', ['content-length', '1']),
      data(1, 'xy', flag.end),
    ),
    heads: 1,
  },
  {
    ...row(
      '8.1.1',
      'a body shorter than Content-Length',
      malformed,
      post(1, '/', ['content-length', '2']),
      data(1, 'x', flag.end),
    ),
    heads: 1,
  },
  row('8.1.1', 'Content-Length without a body', malformed, get(1, '/', ['content-length', '2'])),
  row('8.2.1', 'a name in upper case', malformed, get(1, '/', ['X-A', 'b'])),
  row('8.2.1', 'a name with a space', malformed, get(1, '/', ['x a', 'b'])),
  row('8.2.1', 'an empty name', malformed, get(1, '/', ['', 'b'])),
  row('8.2.1', 'a colon in a name', malformed, get(1, '/', ['x:a', 'b'])),
  row('8.2.1', 'a line end in a value', malformed, get(1, '/', ['x', 'b\r\nhost: evil.test'])),
  row('8.2.1', 'NUL in a value', malformed, get(1, '/', ['x', 'b\0'])),
  row('8.2.1', 'a space before a value', malformed, get(1, '/', ['x', ' b'])),
  row('8.2.2', 'Connection', malformed, get(1, '/', ['connection', 'close'])),
  row('8.2.2', 'Transfer-Encoding', malformed, get(1, '/', ['transfer-encoding', 'chunked'])),
  row('8.2.2', 'Upgrade', malformed, get(1, '/', ['upgrade', 'h2c'])),
  row('8.2.2', 'TE of another value', malformed, get(1, '/', ['te', 'gzip'])),
  row('8.2.2', 'TE: trailers', fine, get(1, '/', ['te', 'trailers'])),
  request('a pseudo-header field that nobody knows', method, scheme, host, path, [':test', 'x']),
  request('a pseudo-header field of answers', method, scheme, host, path, [':status', '200']),
  request('a pseudo-header field behind others', method, scheme, host, ['x', 'y'], path),
  request('two methods', method, method, scheme, host, path),
  request('two schemes', method, scheme, scheme, host, path),
  request('two paths', method, scheme, host, path, [':path', '/other']),
  request('two authorities', method, scheme, host, host, path),
  request('no method', scheme, host, path),
  request('no scheme', method, host, path),
  request('no path', method, scheme, host),
  request('an empty path', method, scheme, host, [':path', '']),
  request('no authority', method, scheme, path),
  request('another scheme', method, [':scheme', 'http'], host, path),
  request('an authority that Host does not repeat', method, scheme, host, path, ['host', 'evil.test']),
  row(
    '8.3.1',
    'Host in place of :authority',
    fine,
    headers(whole, 1, method, scheme, path, ['host', 'h2.test']),
  ),
  row('8.5', 'CONNECT with a path', malformed, headers(whole, 1, [':method', 'CONNECT'], scheme, host, path)),
  {
    ...row('8.5', 'CONNECT', ['answer', '403'], headers(flag.endHeaders, 1, [':method', 'CONNECT'], host)),
    heads: 0,
  },
  {
    ...row(
      'RFC 8441',
      ':protocol that the server does not take',
      ['answer', '403'],
      headers(flag.endHeaders, 1, [':method', 'CONNECT'], scheme, host, path, [':protocol', 'websocket']),
    ),
    heads: 0,
  },
  row('RFC 7541 2.3.3', 'an index of no entry', compression, hpack('be')),
  row('RFC 7541 4.2', 'a table size behind a field', compression, hpack('8220')),
  row('RFC 7541 5.2', 'padding of more than 7 bits', compression, hpack('04821fff')),
  row('RFC 7541 6.3', 'a table size over the limit', compression, hpack('3fe21f')),
  row('RFC 7541 5.1', 'a length behind the end', compression, hpack('047f61')),
];

/** A stream that the client has ended and the server has not. */
async function half(peer: Peer): Promise<void> {
  const stream = get(1, '/held');
  peer.send(stream);
  await peer.until(() => (raw.peers.at(-1)?.counts.get(type.headers) ?? 0) > 0);
}

const outcomeOf = (peer: Peer, id: number): Outcome | null => {
  if (peer.goaway !== null) return ['goaway', peer.goaway];
  const code = peer.resetOf(id);
  if (code !== null) return ['reset', code];
  const status = peer.status(id);
  return status === null ? null : ['answer', status];
};
const isAtEnd = (peer: Peer, wanted: Outcome, id: number) => {
  const outcome = outcomeOf(peer, id);
  return outcome !== null && (outcome[0] !== 'answer' || wanted[0] === 'answer');
};

t.test(
  'a client gets what RFC 9113 says for each of its mistakes, and its server none of them',
  async (t) => {
    raw.onFrame = (one, peer) => {
      if (
        peer.of(type.headers, one.id).some((head) => peer.fields(head).some(([, value]) => value === '/held'))
      )
        return;
      answerEach(one, peer);
      if (one.type === type.data && (one.flags & flag.end) > 0) peer.send(answer(one.id));
    };
    for (const { section, title, send, outcome, before, heads, id = 1 } of ofClient) {
      const peer = await openPeer(rig.port, authority.ca);
      await before?.(peer);
      peer.send(...send);
      await peer.until(() => isAtEnd(peer, outcome, id));
      t.strictSame(outcomeOf(peer, id), outcome, `${section}: ${title}`);
      const most = heads ?? (outcome[0] === 'answer' ? 1 : 0);
      const seen = raw.peers.at(-1)?.counts.get(type.headers) ?? 0;
      t.ok(
        seen <= most && (outcome[0] !== 'answer' || seen === most),
        `${section}: ${title}: ${seen} heads for the server`,
      );
      peer.close();
    }
    t.strictSame(rig.errors, []);
  },
);
interface ServerCase {
  readonly section: string;
  readonly title: string;
  /** What the server says when it has got the request on stream 1. */
  readonly say: (peer: Peer) => void;
  /** What becomes of stream 1 for the client; `null`: the connection ends without a word on it. */
  readonly outcome: Outcome | null;
  /** Reason that ends the request's record; null: nothing. */
  readonly ended: string | null;
  /** The server is told by this GOAWAY. */
  readonly code?: number;
  /** The client's other stream (3, answered at once) goes on: the connection lives. */
  readonly lives?: true;
}
const badGateway = ['answer', '502'] as const;
const internal = ['reset', 2] as const;
const serverRow = (
  section: string,
  title: string,
  outcome: Outcome | null,
  code: number,
  ...send: readonly Buffer[]
): ServerCase => ({
  section,
  title,
  say: (peer) => peer.send(...send),
  outcome,
  ended: 'upstream-protocol',
  code,
});
/** A fault of one stream: the connection goes on. */
const streamRow = (
  section: string,
  title: string,
  outcome: Outcome,
  ...send: readonly Buffer[]
): ServerCase => ({
  section,
  title,
  say: (peer) => peer.send(...send),
  outcome,
  ended: 'upstream-protocol',
  lives: true,
});
const passes = (section: string, title: string, ...send: readonly Buffer[]): ServerCase => ({
  section,
  title,
  say: (peer) => peer.send(...send),
  outcome: fine,
  ended: null,
  lives: true,
});
const status = (code: string, flags: number, ...more: readonly Field[]) =>
  headers(flags, 1, [':status', code], ...more);
const many = (count: number, one: Buffer) => Buffer.concat(Array.from({ length: count }, () => one));

const ofServer: readonly ServerCase[] = [
  passes('8.1', 'an answer', answer(1)),
  passes('8.1', 'interim answers before it', status('103', 4, ['link', '</a>']), status('100', 4), answer(1)),
  passes('8.1', 'body and trailers', status('200', 4), data(1, 'x'), headers(whole, 1, ['grpc-status', '0'])),
  passes(
    '5.5',
    'frames of unknown types',
    frame(0x0a, 0, 0, zeros(4)),
    frame(0x0c, 0, 1, zeros(4)),
    answer(1),
  ),
  passes('6.1', 'DATA with padding', status('200', 4), frame(type.data, 9, 1, Buffer.from('\x02ab\0\0'))),
  passes('6.7', 'PING', ping, answer(1)),
  passes('6.9', 'WINDOW_UPDATE', window(0, 100), window(1, 100), answer(1)),
  passes(
    '6.10',
    'an answer in two pieces',
    frame(type.headers, 1, 1, block([[':status', '200']])),
    frame(type.continuation, 4, 1, block([['x', 'y']])),
  ),
  serverRow('4.2', 'HEADERS over the frame size', badGateway, 6, frame(type.headers, 5, 1, zeros(16_385))),
  serverRow(
    '4.2',
    'DATA over the frame size',
    internal,
    6,
    status('200', 4),
    frame(type.data, 0, 1, zeros(16_385)),
  ),
  serverRow('4.3', 'a block that cannot be read', badGateway, 9, frame(type.headers, 5, 1, Buffer.of(0xbe))),
  serverRow(
    '4.3',
    'another frame inside of a block',
    badGateway,
    1,
    frame(type.headers, 1, 1, block([[':status', '200']])),
    ping,
  ),
  serverRow('5.1', 'an answer on an idle stream', badGateway, 1, answer(9)),
  serverRow('5.1', 'an answer on an even stream', badGateway, 1, answer(2)),
  serverRow('5.1', 'DATA on an idle stream', badGateway, 1, data(9, 'x')),
  serverRow('5.1', 'RST_STREAM on an idle stream', badGateway, 1, reset(9)),
  serverRow('5.1', 'WINDOW_UPDATE on an idle stream', badGateway, 1, window(9, 5)),
  serverRow('6.1', 'DATA on stream 0', badGateway, 1, data(0, 'x')),
  serverRow(
    '6.1',
    'too much padding',
    internal,
    1,
    status('200', 4),
    frame(type.data, flag.padded, 1, Buffer.of(9, 0)),
  ),
  serverRow('6.2', 'HEADERS on stream 0', badGateway, 1, headers(whole, 0, [':status', '200'])),
  serverRow('6.4', 'RST_STREAM of 5 bytes', badGateway, 6, frame(type.reset, 0, 1, zeros(5))),
  serverRow('6.5', 'SETTINGS of 7 bytes', badGateway, 6, frame(type.settings, 0, 0, zeros(7))),
  serverRow('6.5', 'SETTINGS on a stream', badGateway, 1, frame(type.settings, 0, 1)),
  serverRow('6.5', 'an acknowledgement of nothing', badGateway, 1, settingsAck, settingsAck),
  serverRow('6.5.2', 'ENABLE_PUSH', badGateway, 1, settings([2, 1])),
  serverRow('6.5.2', 'INITIAL_WINDOW_SIZE of 2^31', badGateway, 3, settings([4, 0x8000_0000])),
  serverRow('6.5.2', 'MAX_FRAME_SIZE of 0', badGateway, 1, settings([5, 0])),
  serverRow(
    '6.6',
    'PUSH_PROMISE',
    badGateway,
    1,
    frame(type.push, 4, 1, Buffer.concat([u32(2), block(requestOf('/pushed'))])),
  ),
  serverRow('6.7', 'PING of 7 bytes', badGateway, 6, frame(type.ping, 0, 0, zeros(7))),
  serverRow('6.8', 'GOAWAY of 4 bytes', badGateway, 6, frame(type.goaway, 0, 0, zeros(4))),
  serverRow('6.9', 'WINDOW_UPDATE by 0', badGateway, 1, window(0, 0)),
  serverRow('6.10', 'CONTINUATION without a beginning', badGateway, 1, frame(type.continuation, 4, 1)),
  serverRow(
    'RFC 7541 4.2',
    'a table size over the limit',
    badGateway,
    9,
    frame(type.headers, 5, 1, Buffer.from('3fe21f88', 'hex')),
  ),
  streamRow('8.1', 'DATA before its answer', badGateway, data(1, 'x')),
  streamRow('8.1', 'an interim answer that ends the stream', badGateway, status('100', whole)),
  streamRow('8.1', 'a second answer', internal, status('200', 4), status('200', 4)),
  streamRow('8.1', 'trailers with a pseudo-header field', internal, status('200', 4), status('200', whole)),
  streamRow('8.3.2', 'no status', badGateway, headers(whole, 1, ['x', 'y'])),
  streamRow('8.3.2', 'a status of two digits', badGateway, status('20', whole)),
  streamRow(
    '8.3.2',
    'a status behind a field',
    badGateway,
    headers(whole, 1, ['x', 'y'], [':status', '200']),
  ),
  streamRow('8.3.2', 'two of it', badGateway, status('200', whole, [':status', '200'])),
  streamRow('8.6', 'status 101', badGateway, status('101', 4)),
  streamRow('8.2.1', 'a name in upper case', badGateway, status('200', whole, ['X-A', 'b'])),
  streamRow('8.2.1', 'a line end in a value', badGateway, status('200', whole, ['x', 'a\r\nset-cookie: b'])),
  streamRow('8.2.2', 'Connection', badGateway, status('200', whole, ['connection', 'close'])),
  passes('5.1', 'DATA after the end', answer(1), data(1, 'x')),
  {
    section: '5.4.2',
    title: 'RST_STREAM',
    say: (peer) => peer.send(reset(1, 7)),
    outcome: ['reset', 7],
    ended: 'upstream-closed',
    lives: true,
  },
  {
    section: '5.4.1',
    title: 'an end without a word',
    say: (peer) => peer.close(),
    outcome: badGateway,
    ended: 'upstream-closed',
  },
  {
    section: '5.4.1',
    title: 'an end within an answer',
    say: (peer) => {
      peer.send(status('200', 4), data(1, 'x'));
      peer.socket.end();
    },
    outcome: internal,
    ended: 'upstream-closed',
  },
  {
    ...serverRow(
      '10.5',
      'CONTINUATION without end',
      badGateway,
      11,
      frame(type.headers, 1, 1, block([[':status', '200']])),
      many(5_000, frame(type.continuation, 0, 1, block([['x', 'y']]))),
    ),
    ended: 'h2-flood',
  },
  { ...serverRow('10.5', 'PING without end', badGateway, 11, many(5_000, ping)), ended: 'h2-flood' },
  {
    ...serverRow('10.5', 'empty SETTINGS without end', badGateway, 11, many(5_000, settings())),
    ended: 'h2-flood',
  },
  {
    ...serverRow('10.5', 'empty DATA without end', internal, 11, status('200', 4), many(5_000, data(1, ''))),
    ended: 'h2-flood',
  },
  {
    ...serverRow('10.5', 'unknown frames without end', badGateway, 11, many(5_000, frame(0x99, 0, 0))),
    ended: 'h2-flood',
  },
];

t.test(
  'a server that breaks RFC 9113 fails its own requests, is told, and no client sees its frames',
  async (t) => {
    for (const { section, title, say, outcome, ended, code, lives } of ofServer) {
      raw.onFrame = (one, peer) => {
        if (one.type !== type.headers) return;
        if (one.id === 1) say(peer);
        else peer.send(answer(one.id));
      };
      const before = rig.closed('request').length;
      const peer = await openPeer(rig.port, authority.ca);
      peer.send(get(1));
      await peer.until(() => outcomeOfStream(peer) !== null && rig.closed('request').length > before);
      await rig.until(() => rig.closed('request').length > before);
      t.strictSame(outcomeOfStream(peer), outcome, `${section}: ${title}`);
      t.equal(rig.closed('request')[before]?.ended ?? null, ended, `${section}: ${title}: recorded`);
      const server = raw.peers.at(-1)!;
      if (code !== undefined) {
        await server.until(({ goaway }) => goaway !== null);
        t.equal(server.goaway, code, `${section}: ${title}: the server is told`);
      }
      if (lives === true) {
        peer.send(get(3));
        await peer.until(() => peer.status(3) !== null);
        t.equal(peer.status(3), '200', `${section}: ${title}: the next stream`);
      } else t.ok(await peer.until(({ isClosed }) => isClosed), `${section}: ${title}: over`);
      if (title === 'DATA after the end')
        t.equal(peer.counts.get(type.data), undefined, 'nothing follows the end');
      for (const unwanted of [type.push, 0x0a, 0x0c, 0x99]) t.equal(peer.counts.get(unwanted), undefined);
      peer.close();
    }
    t.strictSame(rig.errors, []);
  },
);

t.test(
  'RFC 7541 4.2: an answer of the gateway’s own announces a table that was lowered, or goes before it is',
  async (t) => {
    for (const say of ['stream by stream', 'at once'] as const) {
      raw.onFrame = (one, peer) => {
        if (one.type !== type.headers) return;
        // The refusal of this answer is made before the acknowledgement that comes with it is read.
        const parts = [status('200', whole, ['X-A', 'b']), settingsAck];
        if (say === 'at once') peer.send(...parts);
        else for (const part of parts) peer.send(part);
      };
      const peer = await openPeer(rig.port, authority.ca);
      await peer.until(() => peer.frames.some(isSettingsAck));
      raw.peers.at(-1)!.doesAcknowledge = false;
      peer.send(settings([1, 0]), get(1));
      await peer.until(() => peer.status(1) !== null && peer.frames.filter(isSettingsAck).length === 2);
      peer.send(get(3, '/blocked'));
      await peer.until(() => peer.status(3) !== null);
      t.strictSame([peer.status(1), peer.status(3)], ['502', '403'], say);
      const places = peer.frames.map((one) =>
        isSettingsAck(one) ? 'ack' : one.type === type.headers ? `${one.id}` : '',
      );
      const saysSize = (id: number) => peer.of(type.headers, id)[0]!.payload[0] === 0x20;
      const isBefore = places.indexOf('1') < places.lastIndexOf('ack');
      t.equal(saysSize(1), !isBefore, `${say}: the first`);
      t.equal(saysSize(3), isBefore, `${say}: the next`);
      peer.close();
    }
  },
);
const isSettingsAck = (one: { type: number; flags: number }) =>
  one.type === type.settings && one.flags === flag.ack;

/** What became of stream 1, whatever became of the connection. */
function outcomeOfStream(peer: Peer): Outcome | null {
  const code = peer.resetOf(1);
  if (code !== null) return ['reset', code];
  const last = peer
    .of(type.headers, 1)
    .find((one) => !peer.fields(one).some(([, value]) => value.startsWith('1')));
  const isOver = peer.frames.some((one) => one.id === 1 && (one.flags & flag.end) > 0);
  return last === undefined || !isOver
    ? null
    : ['answer', peer.fields(last).find(([name]) => name === ':status')?.[1] ?? ''];
}

t.teardown(async () => {
  raw.close();
  await rig.close();
});
