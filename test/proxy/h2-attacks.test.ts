import { connect as connectHttp2, createSecureServer } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import {
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
  startRawServer,
  type,
  u32,
} from './h2-peer.ts';
import type { Peer } from './h2-peer.ts';
import { encodeInteger, encodeString } from './naive-hpack.ts';
import { asRequest, enterNamespace, makeAuthority, makeRig, open, serverAddress, shut } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const raw = await startRawServer(authority);
const limits = { lingerMs: 500, headMs: 600, bodyIdleMs: 800, firstByteMs: 800, idleMs: 20_000 };
const rig = await makeRig(authority, 443, { http2: { start: startHttp2, answer: () => {} }, limits });
rig.request = ({ path }) => asRequest(path.startsWith('/blocked') ? shut : open);

/** A server of Node's, for streams whose windows are kept by others. */
const honest = createSecureServer(authority.filesFor('h2.test'), (request, response) => {
  request.resume();
  response.end(request.url === '/large' ? Buffer.alloc(1_048_576) : 'ok');
});
honest.on('sessionError', () => {});
await new Promise<void>((resolve) => honest.listen(0, serverAddress, resolve));
const toHonest = () => {
  rig.original = { address: '203.0.113.9', port: (honest.address() as AddressInfo).port };
};
const toRaw = () => {
  rig.original = { address: '203.0.113.9', port: 443 };
};

const honestPort = (honest.address() as AddressInfo).port;
/** A client that does nothing wrong, on one connection for the whole of this file. */
toHonest();
const bystander: ClientHttp2Session = connectHttp2(`https://h2.test:${honestPort}`, {
  ca: authority.ca,
  servername: 'h2.test',
  host: '127.0.0.1',
  port: rig.port,
} as object);
bystander.on('error', () => {});

function honestGet(): Promise<string> {
  return new Promise((resolve) => {
    const stream = bystander.request({ ':path': '/honest' });
    let text = '';
    stream.setEncoding('utf8');
    stream.on('response', (fields) => (text += `${fields[':status']} `));
    stream.on('data', (part: string) => (text += part));
    stream.on('error', (error) => resolve(error.message));
    stream.on('end', () => resolve(text));
    stream.end();
  });
}

/** What the server got of a kind of frame, of the connection that was opened last. */
const arrived = (kind: number) => raw.peers.at(-1)?.counts.get(kind) ?? 0;
const sum = (make: (at: number) => Buffer, count: number) =>
  Buffer.concat(Array.from({ length: count }, (_, at) => make(at)));
const odd = (at: number) => 2 * at + 1;

const flood = (peer: Peer, bytes: Buffer) => peer.drip(bytes, 8_192);

interface Attack {
  readonly title: string;
  readonly run: (peer: Peer) => void | Promise<void>;
  /** GOAWAY that ends it, by RFC 9113 section 7. */
  readonly code: number;
  /** Reason in the connection's record. */
  readonly reason: string;
  /** Frames of this type that may reach the server at most: with a burst of 1,000 and what a slow machine refills. */
  readonly most?: readonly [kind: number, count: number];
}
const calm = { code: 11, reason: 'h2-flood' };
const rude = { code: 1, reason: 'h2-protocol' };

/** HEADERS without their end, and what follows. */
const opened = (...rest: readonly Buffer[]) =>
  Buffer.concat([frame(type.headers, flag.end, 1, block(requestOf('/'))), ...rest]);
/** A header of 4,000 bytes that becomes an entry, then fields that are its index. */
const bomb = (id: number, times: number, isFirst: boolean) =>
  frame(
    type.headers,
    flag.end | flag.endHeaders,
    id,
    Buffer.concat([
      block(requestOf('/')),
      isFirst
        ? Buffer.of(0x40, ...encodeString('x', false), ...encodeString('a'.repeat(4000), false))
        : Buffer.alloc(0),
      Buffer.alloc(times, 0xbe),
    ]),
  );

const attacks: readonly Attack[] = [
  {
    title: 'rapid reset (CVE-2023-44487)',
    run: (peer) =>
      flood(
        peer,
        sum((at) => Buffer.concat([get(odd(at)), reset(odd(at))]), 10_000),
      ),
    ...calm,
    most: [type.headers, 2_500],
  },
  {
    title: 'rapid reset of what policy blocks',
    run: (peer) =>
      flood(
        peer,
        sum((at) => Buffer.concat([get(odd(at), '/blocked'), reset(odd(at))]), 10_000),
      ),
    ...calm,
    most: [type.headers, 0],
  },
  {
    title: 'requests that are malformed',
    run: (peer) =>
      flood(
        peer,
        sum((at) => get(odd(at), '/', ['Upper', 'x']), 10_000),
      ),
    ...calm,
    most: [type.headers, 0],
  },
  {
    title: 'CONTINUATION without end (CVE-2024-27316)',
    run: (peer) =>
      flood(peer, opened(sum(() => frame(type.continuation, 0, 1, block([['x', 'y']])), 10_000))),
    ...calm,
    most: [type.headers, 0],
  },
  {
    title: 'empty CONTINUATION',
    run: (peer) => flood(peer, opened(sum(() => frame(type.continuation, 0, 1), 10_000))),
    ...calm,
    most: [type.headers, 0],
  },
  {
    title: 'CONTINUATION of 16 KB each',
    run: (peer) => flood(peer, opened(sum(() => frame(type.continuation, 0, 1, Buffer.alloc(16_384)), 100))),
    ...calm,
    most: [type.headers, 0],
  },
  {
    title: 'PING',
    run: (peer) =>
      flood(
        peer,
        sum(() => ping, 10_000),
      ),
    ...calm,
    most: [type.ping, 2_500],
  },
  {
    title: 'SETTINGS',
    run: (peer) =>
      flood(
        peer,
        sum(() => settings([4, 65_535]), 10_000),
      ),
    ...calm,
    most: [type.settings, 2_500],
  },
  {
    title: 'SETTINGS that are empty',
    run: (peer) =>
      flood(
        peer,
        sum(() => settings(), 10_000),
      ),
    ...calm,
    most: [type.settings, 2_500],
  },
  {
    title: 'PRIORITY',
    run: (peer) =>
      flood(
        peer,
        sum((at) => frame(type.priority, 0, odd(at), Buffer.alloc(5)), 10_000),
      ),
    ...calm,
    most: [type.priority, 0],
  },
  {
    title: 'empty DATA',
    run: (peer) =>
      peer.send(
        post(1),
        sum(() => frame(type.data, 0, 1), 10_000),
      ),
    ...calm,
    most: [type.data, 2_500],
  },
  {
    title: 'DATA of padding alone',
    run: (peer) =>
      peer.send(
        post(1),
        sum(() => frame(type.data, flag.padded, 1, Buffer.of(1, 0)), 10_000),
      ),
    ...calm,
    most: [type.data, 2_500],
  },
  {
    title: 'empty DATA on a stream that policy blocks',
    run: (peer) =>
      peer.send(
        post(1, '/blocked'),
        sum(() => frame(type.data, 0, 1), 10_000),
      ),
    ...calm,
    most: [type.data, 0],
  },
  {
    title: 'frames of unknown types',
    run: (peer) =>
      flood(
        peer,
        sum((at) => frame(0x20 + (at % 200), 0, 0, Buffer.of(1)), 10_000),
      ),
    ...calm,
    most: [0x20, 0],
  },
  {
    title: 'a header of 4 KB, 20 times by its index',
    run: (peer) => peer.send(bomb(1, 20, true)),
    code: 9,
    reason: 'h2-protocol',
    most: [type.headers, 0],
  },
  {
    title: 'a header list of 70,000 bytes',
    run: (peer) =>
      peer.send(
        opened(
          ...[0, 1, 2, 3].map(() => frame(type.continuation, 0, 1, block([['x', 'y'.repeat(16_000)]]))),
          frame(type.continuation, flag.endHeaders, 1, block([['x', 'y'.repeat(6_000)]])),
        ),
      ),
    code: 9,
    reason: 'h2-protocol',
    most: [type.headers, 0],
  },
  {
    title: 'a header table larger than was agreed on',
    run: (peer) => peer.send(frame(type.headers, 5, 1, Buffer.of(...encodeInteger(0x20, 5, 65_536), 0x82))),
    code: 9,
    reason: 'h2-protocol',
    most: [type.headers, 0],
  },
  {
    title: 'HEADERS on a lower stream that was never opened',
    run: (peer) => peer.send(get(5), post(3, '/smuggled')),
    code: 5,
    reason: 'h2-protocol',
    most: [type.headers, 1],
  },
  {
    title: 'a stream number that is used again',
    run: (peer) => peer.send(get(1), get(1, '/smuggled')),
    code: 5,
    reason: 'h2-protocol',
    most: [type.headers, 1],
  },
  {
    title: 'two header blocks at a time',
    run: (peer) => peer.send(opened(frame(type.headers, flag.end, 3, block(requestOf('/'))))),
    ...rude,
    most: [type.headers, 0],
  },
  {
    title: 'padding as long as its DATA',
    run: (peer) => peer.send(post(1), frame(type.data, flag.padded, 1, Buffer.of(5, 0, 0, 0, 0))),
    ...rude,
    most: [type.data, 0],
  },
  {
    title: 'PUSH_PROMISE of a client',
    run: (peer) =>
      peer.send(frame(type.push, flag.endHeaders, 1, Buffer.concat([u32(2), block(requestOf('/'))]))),
    ...rude,
    most: [type.push, 0],
  },
];

const closedConnection = (at: number): FlowRecord | undefined => rig.closed('connection')[at];

t.test(
  'every known flood and abuse ends its own connection, is recorded, and touches nobody else',
  async (t) => {
    t.equal(await honestGet(), '200 ok', 'the bystander is there');
    toRaw();
    for (const { title, run, code, reason, most } of attacks) {
      const before = rig.closed('connection').length;
      const peer = await openPeer(rig.port, authority.ca);
      const usedBefore = process.cpuUsage();
      await run(peer);
      t.ok(await peer.until(({ goaway }) => goaway !== null), `${title}: ended in time`);
      t.equal(peer.goaway, code, `${title}: GOAWAY`);
      t.ok(await peer.until(({ isClosed }) => isClosed), `${title}: closed`);
      const used = process.cpuUsage(usedBefore);
      // Client, proxy and server of this process together: a flood that is read to its end costs more.
      t.ok(
        used.user + used.system < 3_000_000,
        `${title}: ${Math.round((used.user + used.system) / 1000)} ms of CPU`,
      );
      if (most !== undefined)
        t.ok(arrived(most[0]) <= most[1], `${title}: ${arrived(most[0])} reached the server`);
      await rig.until(() => rig.closed('connection').length > before);
      t.equal(closedConnection(before)?.ended ?? null, reason, `${title}: recorded`);
      t.equal(await honestGet(), '200 ok', `${title}: the bystander`);
    }
    t.strictSame(rig.errors, []);
  },
);
t.teardown(async () => {
  bystander.destroy();
  honest.close();
  raw.close();
  await rig.close();
});
