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
  window,
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
const large = Buffer.alloc(1_048_576);
const honest = createSecureServer(
  { ...authority.filesFor('h2.test'), maxSessionMemory: 1_000 },
  (request, response) => {
    request.resume();
    response.end(request.url === '/large' ? large : 'ok');
  },
);
honest.on('sessionError', () => {});
await new Promise<void>((resolve) => honest.listen(0, serverAddress, resolve));
const toHonest = () => {
  rig.original = { address: '203.0.113.9', port: (honest.address() as AddressInfo).port };
};
const toRaw = () => {
  rig.original = { address: '203.0.113.9', port: 443 };
};

const honestPort = (honest.address() as AddressInfo).port;
/** A request for 1 MB of that server. */
const largeOf = (id: number) =>
  frame(
    type.headers,
    flag.end | flag.endHeaders,
    id,
    block(
      requestOf('/large').map(
        ([name, value]) => [name, name === ':authority' ? `h2.test:${honestPort}` : value] as const,
      ),
    ),
  );
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

const floodsSince = (before: number): number =>
  rig
    .closed('connection')
    .slice(before)
    .filter(({ ended }) => ended === 'h2-flood').length;
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
/** Less of each than a flood: what honest clients do. */
const honestAmounts: readonly (readonly [title: string, bytes: (id: number) => Buffer])[] = [
  ['100 resets', () => sum((at) => Buffer.concat([get(odd(at)), reset(odd(at))]), 100)],
  ['100 PING', () => sum(() => ping, 100)],
  ['20 SETTINGS', () => sum(() => settings([4, 65_535]), 20)],
  ['200 priorities', () => sum((at) => frame(type.priority, 0, odd(at), Buffer.alloc(5)), 200)],
  ['100 empty DATA', () => Buffer.concat([post(1), sum(() => frame(type.data, 0, 1), 100)])],
  [
    'a request in HEADERS and 7 CONTINUATION',
    () =>
      Buffer.concat([
        frame(type.headers, flag.end, 1, block(requestOf('/'))),
        ...Array.from({ length: 7 }, (_, at) =>
          frame(
            type.continuation,
            at === 6 ? flag.endHeaders : 0,
            1,
            block([[`x-${at}`, 'y'.repeat(3_000)]]),
          ),
        ),
      ]),
  ],
  ['a header of 4 KB, 10 times by its index', () => bomb(1, 10, true)],
];
t.test('what is a flood by its number is fine in the amounts of honest clients', async (t) => {
  for (const [title, bytes] of honestAmounts) {
    const peer = await openPeer(rig.port, authority.ca);
    peer.send(bytes(1), get(999));
    await peer.until(() => peer.status(999) !== null);
    t.equal(peer.status(999), '200', title);
    t.equal(peer.goaway, null, title);
    peer.close();
  }
});

t.test(
  'a client that makes its server reset streams is cut like one that resets (CVE-2025-8671)',
  async (t) => {
    const usual = raw.onFrame;
    raw.onFrame = (one, peer) => {
      if (one.type === type.headers) peer.send(reset(one.id, 1));
    };
    const before = rig.closed('connection').length;
    const peer = await openPeer(rig.port, authority.ca);
    await flood(
      peer,
      sum((at) => get(odd(at)), 10_000),
    );
    await peer.until(({ isClosed }) => isClosed);
    t.equal(peer.goaway, 11);
    t.ok(arrived(type.headers) < 3_000, `${arrived(type.headers)} streams reached the server`);
    await rig.until(() => floodsSince(before) > 0);
    raw.onFrame = usual;
    t.equal(await honestGet(), '200 ok');
  },
);

t.test(
  '10,000 streams at a time are refused beyond a bound, 10,000 one after the other are served',
  async (t) => {
    const usual = raw.onFrame;
    raw.onFrame = () => {};
    const greedy = await openPeer(rig.port, authority.ca);
    await flood(
      greedy,
      sum((at) => post(odd(at)), 10_000),
    );
    t.ok(await greedy.until(({ goaway }) => goaway === 11), 'ended');
    t.ok(arrived(type.headers) <= 1_024, `${arrived(type.headers)} reached the server`);
    t.ok((greedy.counts.get(type.reset) ?? 0) > 0, 'those beyond are refused before it ends');
    raw.onFrame = usual;
    const patient = await openPeer(rig.port, authority.ca);
    for (let at = 0; at < 10_000; at += 200) {
      patient.send(sum((more) => get(odd(at + more)), 200));
      await patient.until(() => (patient.counts.get(type.headers) ?? 0) >= at + 200);
    }
    t.equal(patient.counts.get(type.headers), 10_000);
    t.equal(patient.goaway, null);
    patient.close();
    t.equal(await honestGet(), '200 ok');
  },
);

const rssGrowth = async (run: () => Promise<void>): Promise<number> => {
  const before = process.memoryUsage.rss();
  await run();
  return (process.memoryUsage.rss() - before) / 1_048_576;
};

t.test('windows that stay shut hold no bodies here, and end by their time', async (t) => {
  toHonest();
  await rig.until(
    () => rig.closed('request').length * 2 === rig.records.filter(({ kind }) => kind === 'request').length,
  );
  const before = rig.closed('request').length;
  const peer = await openPeer(rig.port, authority.ca, settings([4, 0]), 'h2.test');
  const grown = await rssGrowth(async () => {
    peer.send(sum((at) => largeOf(odd(at)), 100));
    await rig.until(() => rig.closed('request').length >= before + 100, 8_000);
  });
  t.strictSame(
    new Set(
      rig
        .closed('request')
        .slice(before)
        .map(({ ended }) => ended),
    ),
    new Set(['timeout']),
  );
  t.equal(peer.counts.get(type.headers), 100, 'each had its head');
  t.equal(peer.counts.get(type.data) ?? 0, 0);
  t.ok(grown < 64, `${grown.toFixed(1)} MB`);
  peer.close();
  t.equal(await honestGet(), '200 ok');
});

t.test('a client that stops reading is not read for: what it asked for stays where it is', async (t) => {
  toRaw();
  const usual = raw.onFrame;
  let sent = 0;
  raw.onFrame = (one, peer) => {
    if (one.type !== type.headers) return;
    peer.send(frame(type.headers, flag.endHeaders, one.id, block([[':status', '200']])));
    const pump = () => {
      while (sent < 100 * 1_048_576 && !peer.isClosed) {
        sent += 16_384;
        if (!peer.socket.write(frame(type.data, 0, one.id, large.subarray(0, 16_384)))) break;
      }
    };
    peer.socket.on('drain', pump);
    pump();
  };
  const most = 0x7fff_0000;
  const peer = await openPeer(rig.port, authority.ca, settings([4, most]));
  const grown = await rssGrowth(async () => {
    peer.socket.pause();
    peer.send(window(0, most - 65_535), get(1));
    const sizes = [-1, 0];
    while (sizes.at(-1) === 0 || sizes.at(-1) !== sizes.at(-2)) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      sizes.push(sent);
    }
  });
  // What the kernel's four buffers of two connections take is no memory of ours.
  t.ok(sent < 32 * 1_048_576, `${sent >> 20} MB of 100 left the server`);
  t.ok(grown < 64, `${grown.toFixed(1)} MB`);
  peer.close();
  raw.onFrame = usual;
  t.equal(await honestGet(), '200 ok');
});

t.test('a window that is opened too far is an error of flow control', async (t) => {
  toHonest();
  const peer = await openPeer(rig.port, authority.ca, settings([4, 0]), 'h2.test');
  peer.send(largeOf(1), window(1, 0x7fff_ffff), window(1, 0x7fff_ffff));
  await peer.until(() => peer.resetOf(1) !== null || peer.goaway !== null);
  t.equal(peer.resetOf(1) ?? peer.goaway, 3, 'of a stream');
  peer.close();
  const other = await openPeer(rig.port, authority.ca, settings(), 'h2.test');
  other.send(window(0, 0x7fff_ffff), window(0, 0x7fff_ffff));
  await other.until(() => other.goaway !== null);
  t.equal(other.goaway, 3, 'of the connection');
  other.close();
  t.equal(await honestGet(), '200 ok');
});

/** What never becomes whole, byte by byte. */
const drips: readonly (readonly [title: string, bytes: Buffer])[] = [
  ['HEADERS', get(1, `/${'a'.repeat(4_000)}`)],
  ['SETTINGS', frame(type.settings, 0, 0, Buffer.alloc(6_000))],
  ['a frame header', get(1).subarray(0, 8)],
  ['a header block', opened()],
];
t.test('frames that never become whole end by their time', async (t) => {
  toRaw();
  const before = rig.closed('connection').length;
  const peers = await Promise.all(drips.map(() => openPeer(rig.port, authority.ca)));
  const feeding = drips.map(async ([, bytes], at) => {
    const peer = peers[at]!;
    peer.send(bytes.subarray(0, Math.max(1, bytes.length - 3_000)));
    for (
      let next = bytes.length - 3_000;
      next < bytes.length - 1 && !peer.isClosed && peer.goaway === null;
      next++
    ) {
      if (next > 0) peer.send(bytes.subarray(next, next + 1));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await peer.until(({ isClosed }) => isClosed);
  });
  await Promise.all(feeding);
  for (const [at, [title]] of drips.entries()) t.ok(peers[at]!.isClosed, title);
  await rig.until(() => rig.closed('connection').length >= before + drips.length);
  t.strictSame(
    rig
      .closed('connection')
      .slice(before)
      .map(({ ended }) => ended),
    drips.map(() => 'timeout'),
  );
  t.equal(await honestGet(), '200 ok');
});

t.test('header bombs that stay below the limit cost no memory that lasts', async (t) => {
  const grown = await rssGrowth(async () => {
    const peer = await openPeer(rig.port, authority.ca);
    for (let at = 0; at < 400; at += 20) {
      peer.send(sum((more) => bomb(odd(at + more), 14, at + more === 0), 20));
      await peer.until(() => (peer.counts.get(type.headers) ?? 0) >= at + 20);
    }
    t.equal(peer.counts.get(type.headers), 400, 'each was answered');
    peer.close();
  });
  // 400 lists of 60 KB are 24 MB, were they kept.
  t.ok(grown < 64, `${grown.toFixed(1)} MB`);
  t.equal(await honestGet(), '200 ok');
  t.strictSame(rig.errors, []);
});

t.test('every flow of this file that was opened is closed, once', async (t) => {
  bystander.destroy();
  await rig.until(
    () => rig.records.filter(({ phase }) => phase === 'opened').length * 2 === rig.records.length,
  );
  const closed = rig.records.filter(({ phase }) => phase === 'closed').map(({ id }) => id);
  t.equal(new Set(closed).size, closed.length);
});

t.teardown(async () => {
  bystander.destroy();
  honest.close();
  raw.close();
  await rig.close();
});
