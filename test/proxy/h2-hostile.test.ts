// What an attacker does who controls the job and the server that it reaches, frame by frame.

import t from 'tap';
import type { Test } from 'tap';
import type { Held } from '../../flow/held.ts';
import type { ProxyPorts } from '../../proxy/options.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import type { Upstream } from '../../proxy/upstream.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { Hold } from '../../proxy/hold.ts';
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
  startRawServer,
  type,
  u32,
} from './h2-peer.ts';
import type { Peer } from './h2-peer.ts';
import {
  asHost,
  asRequest,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
  holdsBodies,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const raw = await startRawServer(authority);
const answerEach = raw.onFrame;
t.teardown(() => raw.close());

const limitsOf = (path: string) =>
  path.startsWith('/held') ? { maxBytes: 40_000, maxDecodedBytes: 40_000, maxRatio: 100 } : null;

async function start(t: Test, ports: Partial<ProxyPorts> = {}): Promise<Rig> {
  raw.onFrame = answerEach;
  const http2 = { start: startHttp2, answer: answerHttp2 };
  const usual: Partial<ProxyPorts> = {
    http2,
    interpreter: holdsBodies(limitsOf),
    limits: { lingerMs: 100 },
  };
  const rig = await makeRig(authority, 443, { ...usual, ...ports });
  rig.request = ({ path }) => asRequest(path.startsWith('/blocked') ? shut : open);
  t.teardown(() => rig.close());
  return rig;
}

const data = (id: number, text: string | Buffer, flags = 0) =>
  frame(type.data, flags, id, Buffer.from(text as string));
const goaway = (last: number) => frame(type.goaway, 0, 0, Buffer.concat([u32(last), u32(0)]));
const server = (): Peer => raw.peers.at(-1)!;
const requestRecord = (rig: Rig, path: string) =>
  rig.closed('request').find((record) => record.http?.path === path);

t.test('a server that breaks the protocol gets no request whose record could not be written', async (t) => {
  let isFull = false;
  const fail = () => {
    if (isFull) throw new Error('no space');
  };
  let upstream: Upstream | null = null;
  // The server's frame arrives in the same turn as the request, after it.
  const openedTogether = () => {
    if (!isFull) return;
    const broken = frame(type.push, flag.endHeaders, 1);
    process.nextTick(() => upstream?.owner?.onUpstreamData(broken));
  };
  const startAndKeep = (...[connection, client, server]: Parameters<typeof startHttp2>) => {
    upstream = server;
    startHttp2(connection, client, server);
  };
  const rig = await start(t, {
    recorder: { opened: fail, closed: () => {}, openedTogether, handOver: fail },
    http2: { start: startAndKeep, answer: answerHttp2 },
  });
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(get(1));
  await peer.until(() => peer.status(1) !== null);
  isFull = true;
  peer.send(get(3));
  t.ok(await peer.until(({ isClosed }) => isClosed));
  await server().until(({ isClosed }) => isClosed);
  t.equal(server().counts.get(type.headers), 1);
  t.equal(peer.status(3), '502');
});

t.test('requests whose records cannot be written are told so, and nothing of them has left', async (t) => {
  let isFull = false;
  const fail = () => {
    if (isFull) throw new Error('no space');
  };
  const recorder = { opened: fail, closed: () => {}, openedTogether: () => {}, handOver: fail };
  const rig = await start(t, { recorder });
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(post(1), get(3));
  await peer.until(() => peer.status(3) !== null);
  isFull = true;
  peer.send(get(5), get(7));
  t.ok(await peer.until(({ isClosed }) => isClosed));
  t.strictSame(
    [1, 3, 5, 7].map((id) => peer.status(id)),
    ['503', '200', '503', '503'],
  );
  t.equal(server().counts.get(type.headers), 2);
  t.equal(peer.goaway, 0);
});

t.test('what a server has reset takes no more of its client’s bytes', async (t) => {
  const rig = await start(t);
  raw.onFrame = (one, peer) => {
    if (one.type === type.headers) peer.send(reset(one.id, 0));
  };
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(post(1));
  await peer.until(() => peer.resetOf(1) !== null);
  raw.onFrame = answerEach;
  peer.send(
    data(1, 'x'.repeat(1_000)),
    data(1, 'y'),
    frame(type.headers, 5, 1, block([['x-t', '1']])),
    get(3),
  );
  await peer.until(() => peer.status(3) !== null || peer.goaway !== null);
  t.equal(peer.status(3), '200', 'the connection lives');
  t.equal(server().counts.get(type.data), undefined);
  t.equal(server().counts.get(type.headers), 2, 'nor its trailers');
  t.ok(
    peer.of(type.window, 0).some(({ payload }) => payload.readUInt32BE() >= 1_001),
    'its window is given back',
  );
  peer.close();
});

t.test(
  'a request that waited is refused when its server went away meanwhile, and may be asked again',
  async (t) => {
    const rig = await start(t);
    const peer = await openPeer(rig.port, authority.ca);
    peer.send(post(1, '/held'), get(3));
    await peer.until(() => peer.status(3) !== null);
    server().send(goaway(3));
    await peer.until(({ goaway }) => goaway !== null);
    peer.send(data(1, 'body', flag.end));
    t.ok(await peer.until(() => peer.resetOf(1) !== null));
    t.equal(peer.resetOf(1), 7);
    t.equal(server().counts.get(type.headers), 1);
    await rig.until(() => requestRecord(rig, '/held') !== undefined);
    t.equal(requestRecord(rig, '/held')?.ended, 'upstream-closed');
    peer.close();
  },
);

t.test(
  'a server that goes away in the midst of an upload under another number costs that stream alone',
  async (t) => {
    const rig = await start(t);
    raw.onFrame = () => {};
    const peer = await openPeer(rig.port, authority.ca);
    peer.send(post(1, '/held'), get(3));
    for (let i = 0; i < 3; i++) peer.send(data(1, Buffer.alloc(15_000)));
    await server().until(({ counts }) => counts.get(type.headers) === 2);
    server().send(goaway(3));
    await peer.until(() => peer.resetOf(1) !== null);
    t.equal(peer.resetOf(1), 7);
    // Sent before the client could know.
    peer.send(data(1, 'more'), data(1, 'last', flag.end), ping);
    await peer.until(
      ({ frames }) => frames.some((one) => one.type === type.ping && one.flags === flag.ack),
      500,
    );
    server().send(answer(3));
    await peer.until(() => peer.status(3) !== null);
    t.equal(peer.status(3), '200');
    peer.close();
  },
);

t.test('a request for which no number is left is refused', async (t) => {
  const rig = await start(t);
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(post(1, '/held'), get(0x7fff_ffff));
  await peer.until(() => peer.status(0x7fff_ffff) !== null);
  peer.send(data(1, 'body', flag.end));
  await peer.until(() => peer.resetOf(1) !== null);
  t.equal(peer.resetOf(1), 7);
  t.equal(server().counts.get(type.headers), 1);
  peer.close();
});

t.test(
  'what was held is not counted any more once it has gone, and heads are counted while they wait',
  async (t) => {
    const rig = await start(t, { limits: { keptBytesPerRunner: 50_000, lingerMs: 100 } });
    raw.onFrame = (one, peer) => {
      if (one.type === type.data && (one.flags & flag.end) > 0) peer.send(answer(one.id));
    };
    const peers: Peer[] = [];
    for (let i = 0; i < 9; i++) {
      const peer = await openPeer(rig.port, authority.ca);
      peers.push(peer);
      peer.send(post(1, '/held'), data(1, Buffer.alloc(8_000)));
      // Time for what came first to be counted.
      await new Promise((resolve) => setTimeout(resolve, 20));
      peer.send(data(1, Buffer.alloc(7_000), flag.end));
      await peer.until(() => peer.status(1) !== null);
    }
    t.strictSame(
      peers.map((peer) => peer.status(1)),
      Array.from({ length: 9 }, () => '200'),
    );
    t.notOk(
      peers.some(({ isClosed }) => isClosed),
      'all of them are open',
    );
    for (const peer of peers) peer.close();
    await rig.until(() => rig.closed('connection').length === 9);
    const greedy = await openPeer(rig.port, authority.ca);
    for (let at = 0; at < 20; at++) greedy.send(post(2 * at + 1, '/held', ['x-long', 'y'.repeat(12_000)]));
    t.ok(await greedy.until(({ isClosed }) => isClosed));
    await rig.until(() => rig.closed('connection').length === 10);
    t.equal(rig.closed('connection')[9]?.ended, 'runner-limit');
  },
);

t.test('a body that comes byte by byte is held in a few buffers', async (t) => {
  const hold = new Hold({ maxBytes: 20_000, maxDecodedBytes: 20_000, maxRatio: 10 }, '');
  const bytes = Buffer.from('0123456789');
  for (let at = 0; at < 20_000; at++) hold.push(bytes.subarray(at % 10, (at % 10) + 1));
  const held = await hold.end();
  t.ok(held.raw.length < 20, `${held.raw.length} buffers`);
  t.equal(Buffer.concat(held.raw).toString(), '0123456789'.repeat(2_000));
});

t.test('streams that are over are remembered within what a runner may keep', async (t) => {
  const rig = await start(t, { limits: { keptBytesPerRunner: 2_000_000, lingerMs: 100 } });
  const ask = (from: number) =>
    Buffer.concat(Array.from({ length: 100 }, (_, at) => get(2 * (from + at) + 1, '/blocked')));
  const counts: number[] = [];
  for (const doesAcknowledge of [true, false]) {
    const peer = await openPeer(rig.port, authority.ca);
    peer.doesAcknowledge = doesAcknowledge;
    for (let from = 0; from < 3_000 && !peer.isClosed; from += 100) {
      peer.send(ask(from));
      await peer.until(() => (peer.counts.get(type.headers) ?? 0) >= from + 100);
    }
    counts.push(peer.counts.get(type.headers) ?? 0);
    peer.close();
  }
  t.equal(counts[0], 3_000, 'of one that acknowledges, none');
  t.ok(counts[1]! < 1_500, `${counts[1]} of one that does not`);
});

t.test('frames of no stream do not keep a connection', async (t) => {
  const rig = await start(t, { limits: { idleMs: 400, lingerMs: 100 } });
  const peer = await openPeer(rig.port, authority.ca);
  const drip = setInterval(() => peer.send(ping), 40);
  t.teardown(() => clearInterval(drip));
  t.ok(await peer.until(({ goaway }) => goaway !== null, 5_000));
  t.equal(peer.goaway, 0);
  await rig.until(() => rig.closed('connection').length === 1);
});

t.test('a path is a path: the form of proxies is refused, as is a body of padding alone', async (t) => {
  const rig = await start(t);
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(get(1, 'https://h2.test/a'), get(3));
  await peer.until(() => peer.status(3) !== null);
  t.equal(peer.status(1), '400');
  const head = block(requestOf('/', ['content-length', '0']));
  peer.send(frame(type.headers, flag.endHeaders, 5, head));
  peer.send(frame(type.data, flag.padded, 5, Buffer.from('\x04data', 'latin1')), get(7));
  await peer.until(() => peer.status(7) !== null);
  t.equal(peer.resetOf(5), 1);
  t.equal(server().counts.get(type.data), undefined);
  t.equal(server().counts.get(type.headers), 3);
  peer.close();
});

t.test('a body by which a request comes under another rule is measured by that one', async (t) => {
  const rig = await start(t, {
    interpreter: holdsBodies(limitsOf, () => ({
      operation: null,
      evidence: [{ kind: 'opaque-body', detail: 'so it is' }],
    })),
  });
  // Policy changes while the body is awaited: the record names the one that decided.
  rig.request = ({ evidence }) => asRequest(open, { maxUploadBytes: evidence.length > 0 ? 5 : null });
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(post(1, '/held'), post(3, '/held'), get(5));
  await peer.until(() => peer.status(5) !== null);
  rig.revision = 'r1';
  peer.send(data(1, '123456', flag.end), data(3, '12345', flag.end));
  await peer.until(() => peer.status(1) !== null);
  await server().until(({ counts }) => counts.get(type.headers) === 2);
  t.equal(peer.status(1), '413');
  await rig.until(() => requestRecord(rig, '/held') !== undefined);
  t.equal(requestRecord(rig, '/held')?.policyRevision, 'r1');
  t.equal(server().of(type.data)[0]?.payload.toString(), '12345');
  peer.close();
});

t.test('what a client sends to a host that is blocked is counted', async (t) => {
  const rig = await start(t);
  rig.host = () => asHost(shut);
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(post(1), data(1, Buffer.alloc(10_000)), data(1, Buffer.alloc(10_000), flag.end));
  await peer.until(() => peer.status(1) !== null);
  t.equal(peer.status(1), '403');
  peer.send(get(3));
  await peer.until(() => peer.status(3) !== null);
  peer.send(goaway(0));
  await peer.until(({ isClosed }) => isClosed);
  const { receivedBytes } = peer;
  await rig.until(() => rig.closed('connection').length === 1);
  const { sent, received } = rig.closed('connection')[0]!.bytes!;
  t.ok(sent > 20_000 && sent < 21_000, `${sent} sent`);
  t.equal(received, receivedBytes);
});

t.test('a body with two codings is read by neither', async (t) => {
  const kinds: string[] = [];
  const meaning = ({ kind }: Held) => {
    kinds.push(kind);
    return { operation: null, evidence: [] };
  };
  const rig = await start(t, { interpreter: holdsBodies(limitsOf, meaning) });
  const peer = await openPeer(rig.port, authority.ca);
  const coding = (name: string) => ['content-encoding', name] as const;
  peer.send(post(1, '/held', coding('identity'), coding('gzip')), data(1, 'text', flag.end));
  await server().until(({ counts }) => counts.get(type.headers) === 1);
  peer.send(post(3, '/held', coding('identity')), data(3, 'text', flag.end));
  await server().until(({ counts }) => counts.get(type.headers) === 2);
  t.strictSame(kinds, ['opaque', 'whole']);
  peer.close();
});

t.test('answers of streams that are over are no way around the records', async (t) => {
  const rig = await start(t);
  const late = Buffer.concat(Array.from({ length: 6_000 }, () => answer(1, ['x-data', 'y'.repeat(20)])));
  raw.onFrame = (one, peer) => {
    if (one.type === type.reset) peer.send(late);
  };
  const peer = await openPeer(rig.port, authority.ca);
  peer.send(get(1), reset(1));
  t.ok(await peer.until(({ isClosed }) => isClosed));
  await server().until(({ goaway }) => goaway !== null);
  t.equal(server().goaway, 11, 'the server is told');
  t.ok((peer.counts.get(type.headers) ?? 0) < 4_500, `${peer.counts.get(type.headers)} came`);
});

t.test('a server speaks of its own settings before it acknowledges others', async (t) => {
  const rig = await start(t);
  const silent = await startRawServer(authority, frame(type.settings, flag.ack, 0), 8_443);
  t.teardown(() => silent.close());
  rig.original = { address: '203.0.113.9', port: 8_443 };
  const peer = await openPeer(rig.port, authority.ca).catch(() => null);
  await rig.until(() => silent.peers.length > 0);
  await silent.peers[0]!.until(({ goaway }) => goaway !== null);
  t.equal(silent.peers[0]!.goaway, 1);
  t.equal(peer?.frames[0]?.flags, 0, 'what the client hears first are settings');
  peer?.close();
});

t.test('a host that policy closed during the dial leaves no connection to its server', async (t) => {
  const rig: Rig = await start(t, {
    resolver: {
      resolve: async () => {
        rig.host = () => asHost(shut);
        return [serverAddress];
      },
    },
  });
  const before = raw.peers.length;
  await t.rejects(openPeer(rig.port, authority.ca));
  await rig.until(() => rig.closed('connection').length === 1);
  t.equal(rig.closed('connection')[0]?.ended, 'no-rule');
  await rig.until(() => raw.peers.length === before || server().isClosed);
  t.pass('its server was left');
});
