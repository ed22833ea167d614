// The server over loopback: dns2 as the independent client, a scripted upstream behind it.

import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { TCPClient, UDPClient } from 'dns2';
import t from 'tap';
import { Lookup } from '../../dns/lookup.ts';
import { Resolver } from '../../dns/resolver.ts';
import { SallyportError } from '../../flow/errors.ts';
import type { Decision } from '../../flow/decision.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { unattributed } from '../../flow/job.ts';
import { noMeter } from '../../flow/ports.ts';
import type { KeeperPort } from '../../flow/ports.ts';
import { readSegments } from '../../store/read-segments.ts';
import { SegmentWriter } from '../../store/segment.ts';
import {
  a,
  aaaa,
  cname,
  exchange,
  exchangeTcp,
  FakeRecorder,
  FakeUpstream,
  rawQuery,
  rcodeOf,
  soa,
  startBench,
} from './fixture.ts';
import type { Asked, Bench, FakeRule, Script } from './fixture.ts';

type Answer = {
  answers: { name: string; address?: string; ttl: number; type: number }[];
  header: { rcode: number };
};

const ask = async (port: number, name: string, type = 'A'): Promise<Answer> =>
  (await UDPClient({ dns: '127.0.0.1', port })(name, type as 'A')) as unknown as Answer;
const askTcp = async (port: number, name: string, type = 'A'): Promise<Answer> =>
  (await TCPClient({ dns: '127.0.0.1', port })(name, type as 'A')) as unknown as Answer;
const addresses = (answer: Answer) => answer.answers.map(({ address }) => address).filter(Boolean);
const closedOf = (bench: Bench) => bench.records.filter(({ phase }) => phase === 'closed');

const hosts: Record<string, (asked: Asked) => Script> = {
  'ok.example': ({ name, type }) => ({
    answers: type === 28 ? [aaaa(name, '2606:2800:220:1::1')] : [a(name, '93.184.216.34')],
  }),
  'cdn.example': ({ name }) => ({
    answers: [cname(name, 'edge.cdn.test', 60), a('edge.cdn.test', '93.184.216.35', 20)],
  }),
  'half.example': ({ name }) => ({ answers: [cname(name, 'ok.example')] }),
  'loop.example': ({ name }) => ({
    answers: [cname(name, 'loop2.example'), cname('loop2.example', 'loop.example')],
  }),
  'evil.example': ({ name }) => ({ answers: [cname(name, 'bad.test'), a('bad.test', '93.184.216.36')] }),
  'listed.example': ({ name }) => ({
    answers: [cname(name, 'malware.test'), a('malware.test', '93.184.216.36')],
  }),
  'rebind.example': ({ name }) => ({ answers: [a(name, '169.254.169.254')] }),
  'mixed.example': ({ name }) => ({ answers: [a(name, '10.0.0.1'), a(name, '93.184.216.37')] }),
  'inside.example': ({ name }) => ({ answers: [a(name, '10.2.0.7')] }),
  'gone.example': () => ({ rcode: 3, authorities: [soa('example', 3600, 60)] }),
  'empty.example': () => ({ authorities: [soa('example', 3600, 60)] }),
  'slow.example': ({ name }) => ({ answers: [a(name, '93.184.216.38')], delayMs: 100 }),
  'big.example': ({ name, transport }) =>
    transport === 'udp'
      ? { truncated: true }
      : { answers: Array.from({ length: 100 }, (_, i) => a(name, `93.184.217.${i}`)) },
  'wrongid.example': ({ name }) => ({
    answers: [a(name, '93.184.216.39')],
    raw: (_, good) => {
      const wrong = Buffer.from(good);
      wrong[0]! ^= 1;
      const other = Buffer.from(good);
      other[13]! ^= 1;
      return [wrong, other, good];
    },
  }),
  'cut.example': ({ name }) => ({
    answers: [a(name, '93.184.216.39')],
    raw: (_, good) => [good.subarray(0, good.length - 2)],
  }),
  'short.example': ({ name }) => ({ answers: [a(name, '93.184.216.40', 1)] }),
};
const script = (asked: Asked): Script => hosts[asked.name.toLowerCase()]?.(asked) ?? { rcode: 3 };
const rules: Record<string, FakeRule> = {
  ...Object.fromEntries(Object.keys(hosts).map((name) => [name, {}])),
  'inside.example': { addresses: '10.2.0.0/16' },
  'pastes.example': { reason: 'block-rule', rule: 'pastes' },
  'bad.test': { reason: 'block-rule', rule: 'bad' },
  'malware.test': { reason: 'blocklist' },
};

t.test('a name that an answer handed out is resolved while it is open, and no other', async (t) => {
  let open = '';
  const bench = await startBench({
    script,
    rules: { 'half.example': { reason: 'block-rule' }, 'loop.example': { reason: 'blocklist' } },
    grantedName: (_who, runner, name) =>
      runner === '127.0.0.1' && name === open ? { rule: 'own', scope: 'main' } : null,
  });
  t.teardown(() => bench.close());
  const { port } = bench;
  t.strictSame(addresses(await ask(port, 'ok.example')), ['10.80.0.1'], 'before');
  open = 'ok.example';
  t.strictSame(addresses(await ask(port, 'OK.example')), ['93.184.216.34']);
  t.match(closedOf(bench).at(-1)?.decision, { verdict: 'allow', rule: 'own', scope: 'main', reason: 'rule' });
  t.strictSame(addresses(await ask(port, 'cdn.example')), ['10.80.0.1'], 'another name');
  for (const [name, reason] of [
    ['half.example', 'block-rule'],
    ['loop.example', 'blocklist'],
  ] as const) {
    open = name;
    await ask(port, name);
    t.match(closedOf(bench).at(-1)?.decision, { verdict: 'block', reason }, name);
  }
  t.strictSame([...new Set(bench.upstream.asked.map(({ name }) => name.toLowerCase()))], ['ok.example']);
  t.strictSame(addresses(await ask(port, 'ok.example')), ['10.80.0.1'], 'closed again');
});

t.test('answers, blocks and local names', async (t) => {
  const bench = await startBench({
    script,
    rules,
    dns: {
      searchDomains: ['corp.internal'],
      ownNames: ['sallyport.internal'],
      rate: { perSecond: 1e6, burst: 1e6, held: 256 },
    },
  });
  t.teardown(() => bench.close());
  const { port, tcpPort } = bench;

  await t.test(
    'an allowed name is forwarded once and then answered from the cache, over UDP and TCP',
    async (t) => {
      t.strictSame(addresses(await ask(port, 'ok.example')), ['93.184.216.34']);
      t.strictSame(addresses(await ask(port, 'ok.example')), ['93.184.216.34']);
      t.strictSame(addresses(await askTcp(tcpPort, 'ok.example')), ['93.184.216.34']);
      t.strictSame(addresses(await ask(port, 'ok.example', 'AAAA')), ['2606:2800:220:1::1']);
      t.equal(bench.upstream.asked.filter(({ name }) => name === 'ok.example').length, 2);
      t.strictSame(
        bench.records.map(({ phase, dns }) => `${phase} ${dns?.type} ${dns?.rcode} ${dns?.transport}`),
        [
          'opened A null udp',
          'closed A NOERROR udp',
          'closed A NOERROR udp',
          'closed A NOERROR tcp',
          'opened AAAA null udp',
          'closed AAAA NOERROR udp',
        ],
      );
      t.match(bench.records[1], {
        kind: 'dns',
        runner: '127.0.0.1',
        destination: { host: 'ok.example' },
        dns: { answers: ['93.184.216.34'] },
      });
      t.equal(bench.records[0]?.id, bench.records[1]?.id);
    },
  );

  await t.test('the question comes back in the case it was asked, with the id', async (t) => {
    const query = rawQuery('oK.ExAmPlE', 1);
    const answer = await exchange(port, query);
    t.strictSame(answer?.subarray(12, query.length), query.subarray(12));
    t.equal(answer?.readUInt16BE(0), 0x1234);
    t.equal(answer?.readUInt16BE(10), 0, 'no OPT for a client without EDNS');
  });

  await t.test('a blocked name leads to the gateway, and the record and EDE name the rule', async (t) => {
    bench.records.length = 0;
    const answer = await ask(port, 'pastes.example');
    t.strictSame(addresses(answer), ['10.80.0.1']);
    t.equal(answer.answers[0]?.ttl, 5);
    t.match(bench.records, [
      { phase: 'closed', decision: { verdict: 'block', rule: 'pastes', reason: 'block-rule' } },
    ]);
    const raw = await exchange(port, rawQuery('pastes.example', 16, {}));
    t.equal(raw?.includes('blocked by rule pastes: block-rule'), true);
    t.equal(raw?.readUInt16BE(6), 0);
    t.notOk(bench.upstream.asked.some(({ name }) => name === 'pastes.example'));
  });

  await t.test('search expansions, single labels and blocklisted names are NXDOMAIN', async (t) => {
    for (const name of ['ok.example.corp.internal', 'intranet', 'malware.test', '7.0.0.10.in-addr.arpa']) {
      t.equal((await ask(port, name)).header.rcode, 3, name);
    }
  });

  await t.test('local names never go upstream', async (t) => {
    const table: [string, string, number, string[]][] = [
      ['use-application-dns.net', 'A', 3, []],
      ['_dns.resolver.arpa', 'A', 0, []],
      ['mask.icloud.com', 'A', 0, []],
      ['printer.local', 'A', 3, []],
      ['x.onion', 'A', 3, []],
      ['localhost', 'A', 0, ['127.0.0.1']],
      ['sallyport.internal', 'A', 0, ['10.80.0.1']],
      ['sallyport.internal', 'TXT', 0, []],
    ];
    for (const [name, type, rcode, expected] of table) {
      const answer = await ask(port, name, type);
      t.equal(answer.header.rcode, rcode, `${name} ${type}`);
      t.strictSame(addresses(answer), expected, `${name} ${type}`);
    }
    t.notOk(bench.upstream.asked.some(({ name }) => table.some(([local]) => local === name)));
  });

  await t.test('types that are never forwarded are answered here', async (t) => {
    const before = bench.upstream.asked.length;
    const table: [number, number][] = [
      [10, 4],
      [255, 4],
      [252, 5],
      [251, 5],
      [65, 0],
      [64, 0],
      [44, 0],
      [65300, 4],
    ];
    for (const [type, expected] of table) {
      t.equal(rcodeOf(await exchange(port, rawQuery('ok.example', type))), expected, `type ${type}`);
    }
    t.equal(bench.upstream.asked.length, before);
  });

  await t.test(
    'CNAME chains are followed, blocked targets fail the answer, loops are SERVFAIL',
    async (t) => {
      t.strictSame(addresses(await ask(port, 'cdn.example')), ['93.184.216.35']);
      t.strictSame(
        addresses(await ask(port, 'half.example')),
        ['93.184.216.34'],
        'a chain that goes on elsewhere',
      );
      t.equal((await ask(port, 'evil.example')).header.rcode, 3);
      t.equal((await ask(port, 'listed.example')).header.rcode, 3);
      t.equal((await ask(port, 'loop.example')).header.rcode, 2);
      t.match(
        closedOf(bench).find(({ destination }) => destination.host === 'evil.example'),
        { decision: { reason: 'block-rule', rule: 'bad' } },
      );
    },
  );

  await t.test('rebinding: bad addresses are removed, and nothing left is NXDOMAIN', async (t) => {
    t.equal((await ask(port, 'rebind.example')).header.rcode, 3);
    t.strictSame(addresses(await ask(port, 'mixed.example')), ['93.184.216.37']);
    t.strictSame(addresses(await ask(port, 'mixed.example')), ['93.184.216.37'], 'from the cache too');
    t.strictSame(addresses(await ask(port, 'inside.example')), ['10.2.0.7'], 'a range that the rule opens');
    const record = closedOf(bench).find(({ destination }) => destination.host === 'rebind.example');
    t.match(record, {
      decision: { verdict: 'block', reason: 'rebinding' },
      evidence: [{ kind: 'rebinding' }],
    });
  });

  await t.test('negative answers are kept: NXDOMAIN for every type, NODATA for one', async (t) => {
    const count = (name: string) => bench.upstream.asked.filter((asked) => asked.name === name).length;
    for (const type of ['A', 'AAAA', 'TXT']) t.equal((await ask(port, 'gone.example', type)).header.rcode, 3);
    t.equal(count('gone.example'), 1);
    for (const type of ['A', 'A', 'AAAA']) t.equal((await ask(port, 'empty.example', type)).header.rcode, 0);
    t.equal(count('empty.example'), 2);
  });

  await t.test('equal questions at once make one upstream question', async (t) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => exchange(port, rawQuery('slow.example', 1))),
    );
    t.equal(
      answers.every((answer) => answer?.readUInt16BE(6) === 1),
      true,
    );
    t.equal(bench.upstream.asked.filter(({ name }) => name === 'slow.example').length, 1);
  });

  await t.test(
    'a truncated upstream answer is fetched by TCP and truncated to the client’s size',
    async (t) => {
      const small = await exchange(port, rawQuery('big.example', 1, { size: 4096 }));
      t.equal(small![2]! & 2, 2, 'TC');
      t.equal(small?.readUInt16BE(6), 0);
      t.ok(small!.length <= 1232);
      t.equal((await askTcp(tcpPort, 'big.example')).answers.length, 100);
      t.ok(bench.upstream.asked.some(({ name, transport }) => name === 'big.example' && transport === 'tcp'));
    },
  );

  await t.test('answers with a wrong id or question are passed over, broken ones are SERVFAIL', async (t) => {
    t.strictSame(addresses(await ask(port, 'wrongid.example')), ['93.184.216.39']);
    const answer = await exchange(port, rawQuery('cut.example', 1), 5000);
    t.equal(rcodeOf(answer), 2);
  });

  await t.test('TTLs count down in the cache', async (t) => {
    await ask(port, 'ok.example');
    await wait(2100);
    const ttl = (await ask(port, 'ok.example')).answers[0]?.ttl ?? 0;
    t.ok(ttl < 300 && ttl >= 290, String(ttl));
  });

  await t.test('broken queries get a header at most, and ten records a second', async (t) => {
    bench.records.length = 0;
    const twoQuestions = rawQuery('ok.example', 1);
    twoQuestions[5] = 2;
    const answer = await exchange(port, twoQuestions);
    t.equal(answer?.toString('hex'), '123481010000000000000000');
    const response = rawQuery('ok.example', 1);
    response[2] = 0x81;
    t.equal(await exchange(port, response, 200), null, 'QR=1');
    const badVersion = rawQuery('ok.example', 1, {});
    badVersion[badVersion.length - 5] = 1;
    const refused = await exchange(port, badVersion);
    t.equal(rcodeOf(refused), 0);
    t.equal(refused![refused!.length - 6], 1, 'the upper bits of BADVERS');
    const socket = createSocket('udp4');
    for (let i = 0; i < 200; i++) socket.send(Buffer.of(1, 2, 3), port, '127.0.0.1');
    await wait(200);
    socket.close();
    const malformed = closedOf(bench).filter(({ decision }) => decision.reason === 'malformed-dns');
    t.ok(malformed.length >= 10 && malformed.length <= 23, String(malformed.length));
    t.equal(malformed[0]?.destination.host, null);
  });

  await t.test(
    'TCP takes a message byte by byte, several in one segment, and answers before a half-close ends',
    async (t) => {
      const framed = (message: Buffer) =>
        Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message]);
      const socket = connect(tcpPort, '127.0.0.1');
      socket.setNoDelay(true);
      const received: Buffer[] = [];
      socket.on('data', (chunk) => received.push(chunk));
      for (const byte of framed(rawQuery('ok.example', 1))) {
        socket.write(Buffer.of(byte));
        await wait(1);
      }
      const second = rawQuery('slow.example', 28);
      socket.end(
        Buffer.concat([
          framed(rawQuery('pastes.example', 1)),
          framed(second),
          framed(rawQuery('ok.example', 1)),
        ]),
      );
      await new Promise((resolve) => socket.on('close', resolve));
      let all = Buffer.concat(received);
      let count = 0;
      while (all.length > 0) {
        all = all.subarray(2 + all.readUInt16BE(0));
        count++;
      }
      t.equal(count, 4);
    },
  );
  t.end();
});

t.test('a name with bound ports is answered only after the keeper has acknowledged', async (t) => {
  const events: string[] = [];
  let isBroken = false;
  const keeper = {
    bind: async (list: readonly { address: string; port: number; ttlMs: number }[]) => {
      if (isBroken) throw new SallyportError('keeper-unavailable', 'gone');
      await wait(150);
      events.push(`bound ${list.map(({ address, port, ttlMs }) => `${address}:${port} ${ttlMs}`).join()}`);
    },
  } as unknown as KeeperPort;
  const bound = { bind: [{ protocol: 'tcp', port: 22 }] } as const;
  const bench = await startBench({
    script,
    rules: { 'ok.example': { bind: [...bound.bind] }, 'short.example': { bind: [...bound.bind] } },
    dns: { keeper },
  });
  t.teardown(() => bench.close());
  await ask(bench.port, 'ok.example');
  events.push('answered');
  await ask(bench.port, 'ok.example');
  t.strictSame(events, ['bound 93.184.216.34:22 600000', 'answered'], 'the second answer needed no message');
  bench.server.forgetBindings();
  await ask(bench.port, 'ok.example');
  t.equal(events.length, 3, 'after a cut it is bound again');
  const during = ask(bench.port, 'short.example');
  await wait(25);
  bench.server.forgetBindings();
  await during;
  const before = events.length;
  await ask(bench.port, 'short.example');
  t.equal(events.length, before + 1, 'so is what was on its way to the keeper');
  isBroken = true;
  bench.server.forgetBindings();
  t.equal((await ask(bench.port, 'short.example')).header.rcode, 2);
  t.match(closedOf(bench).at(-1), { decision: { reason: 'keeper-unavailable' } });
});

t.test('no policy, lost records and lost attribution close the door', async (t) => {
  let policy: { revision: string; mode: 'block' } | null = null;
  const recorder = new FakeRecorder([]);
  const bench = await startBench({
    script,
    rules,
    dns: { currentPolicy: () => policy, attribution: { attribute: async () => unattributed }, recorder },
  });
  t.teardown(() => bench.close());
  t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))), 2);
  const explained = await exchange(bench.port, rawQuery('ok.example', 1, {}));
  t.equal(explained?.includes('policy-unavailable'), true);
  policy = { revision: 'r', mode: 'block' };
  recorder.isFull = true;
  t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))), 2);
  t.equal(bench.upstream.asked.length, 0, 'nothing left before its record');
  recorder.isFull = false;
  t.equal(rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))), 0);
});

for (const mode of ['block', 'audit'] as const) {
  t.test(`an answer from memory without a record never leaves in block mode: ${mode}`, async (t) => {
    for (const drain of [true, false]) {
      const records: FlowRecord[] = [];
      const recorder = new FakeRecorder(records);
      const bench = await startBench({ script, rules, mode, dns: { recorder, drain } });
      t.teardown(() => bench.close());
      const tries = async () => {
        const answers = [await exchange(bench.port, rawQuery('ok.example', 1, {}))];
        answers.push(await exchange(bench.port, rawQuery('ok.example', 28)));
        answers.push(await exchange(bench.port, rawQuery('other.example', 1)));
        const overTcp = await exchangeTcp(bench.tcpPort, rawQuery('ok.example', 1));
        return { codes: [...answers, overTcp].map(rcodeOf), text: answers[0]?.toString('latin1') ?? '' };
      };
      await tries();
      const fine = await tries();
      t.equal(recorder.handedOver, records.length, 'every record was handed over before its answer left');
      recorder.isFull = true;
      const [first, second] = [await tries(), await tries()];
      if (mode === 'block') {
        t.strictSame(
          [first.codes, second.codes],
          [
            [2, 2, 2, 2],
            [2, 2, 2, 2],
          ],
          'all are SERVFAIL',
        );
        t.match(first.text, /blocked: record-unavailable/);
        t.match(records.at(-1), { dns: { rcode: 'SERVFAIL' }, decision: { reason: 'record-unavailable' } });
      } else t.strictSame([first.codes, second.codes], [fine.codes, fine.codes], 'counted as lost only');
      recorder.isFull = false;
      t.strictSame((await tries()).codes, fine.codes, 'back as soon as there is room');
    }
  });
}

t.test('a recorder that breaks makes every answer SERVFAIL, and the server goes on', async (t) => {
  const recorder = new FakeRecorder([]);
  const bench = await startBench({ script, rules, dns: { recorder } });
  t.teardown(() => bench.close());
  const tries = async () => [
    rcodeOf(await exchange(bench.port, rawQuery('ok.example', 1))),
    rcodeOf(await exchange(bench.port, rawQuery('blocked.example', 1))),
    rcodeOf(await exchangeTcp(bench.tcpPort, rawQuery('cdn.example', 1))),
    rcodeOf(await exchange(bench.port, Buffer.from('1234010000020000', 'hex').subarray(0, 12), 100)),
    rcodeOf(await exchange(bench.port, Buffer.from('123401000002000000000000', 'hex'))),
  ];
  await tries();
  t.strictSame(await tries(), [0, 0, 0, null, 1]);
  const broken = () => {
    throw new TypeError('bug');
  };
  Object.assign(recorder, { closed: broken, closedAgain: broken });
  t.strictSame(await tries(), [2, 2, 2, null, 1]);
  Object.assign(recorder, { opened: broken, handOver: broken, prepareOutcome: broken });
  t.strictSame(await tries(), [2, 2, 2, null, 1]);
});

t.test('records that recur say the same as the first one, each with its own id and runner', async (t) => {
  const directory = t.testdir({});
  const recorder = new SegmentWriter({
    directory,
    process: 'worker-0',
    maxSegmentBytes: 1e6,
    maxTotalBytes: 1e7,
    meter: noMeter,
  });
  const bench = await startBench({ script, rules, dns: { recorder } });
  t.teardown(() => bench.close());
  const from = Date.now();
  for (const name of ['ok.example', 'other.example', 'ok.example', 'other.example', 'ok.example'])
    for (const type of [1, 16]) {
      await exchange(bench.port, rawQuery(name, type));
      await exchangeTcp(bench.tcpPort, rawQuery(name, type));
    }
  recorder.close();
  const records: FlowRecord[] = [];
  for await (const record of readSegments(directory)) if (record.phase === 'closed') records.push(record);
  t.equal(records.length, 20);
  t.equal(new Set(records.map(({ id }) => id)).size, 20);
  const plain = (record: FlowRecord) => ({ ...record, id: '', time: '', timings: null });
  for (const record of records) {
    const like = records.find(
      ({ destination, dns }) =>
        destination.host === record.destination.host &&
        dns?.type === record.dns?.type &&
        dns?.transport === record.dns?.transport,
    );
    t.strictSame(plain(record), plain(like!));
    t.match(record.id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    t.ok(Date.parse(record.time) >= from && Date.parse(record.time) <= Date.now());
  }
  t.match(records.at(-4), {
    runner: '127.0.0.1',
    destination: { host: 'ok.example', port: 53, protocol: 'dns' },
    dns: { type: 'A', rcode: 'NOERROR', answers: ['93.184.216.34'], transport: 'udp' },
    decision: { verdict: 'allow', rule: 'r1', reason: 'rule' },
    timings: { totalMs: 0 },
  });
});

t.test(
  'steer mode answers allowed names with the gateway and nxdomain mode hides blocked ones',
  async (t) => {
    const bench = await startBench({ script, rules, dns: { steer: true, blockedAnswer: 'nxdomain' } });
    t.teardown(() => bench.close());
    t.strictSame(addresses(await ask(bench.port, 'ok.example')), ['10.80.0.1']);
    t.strictSame(addresses(await ask(bench.port, 'ok.example', 'AAAA')), ['fd00::1']);
    t.equal((await ask(bench.port, 'pastes.example')).header.rcode, 3);
    t.equal(bench.upstream.asked.length, 0);
  },
);

t.test('audit mode lets a would-be block through and the blocklist blocks all the same', async (t) => {
  const bench = await startBench({
    script,
    rules: { 'malware.test': { reason: 'blocklist' } },
    mode: 'audit',
  });
  t.teardown(() => bench.close());
  t.strictSame(addresses(await ask(bench.port, 'ok.example')), ['93.184.216.34']);
  t.match(closedOf(bench).at(-1), { decision: { verdict: 'block', enforced: false, reason: 'no-rule' } });
  t.equal((await ask(bench.port, 'malware.test')).header.rcode, 3);
});

t.test('an expired answer is served stale when the upstream is silent', async (t) => {
  let isSilent = false;
  const bench = await startBench({ script: (asked) => (isSilent ? { silent: true } : script(asked)), rules });
  t.teardown(() => bench.close());
  await ask(bench.port, 'short.example');
  isSilent = true;
  await wait(1100);
  const answer = await exchange(bench.port, rawQuery('short.example', 1, {}), 4000);
  t.equal(answer?.readUInt16BE(6), 1);
  t.strictSame(answer?.subarray(-6), Buffer.of(0, 15, 0, 2, 0, 3), 'EDE 3');
  const startedAt = Date.now();
  t.equal((await ask(bench.port, 'short.example')).answers[0]?.ttl, 30);
  t.ok(Date.now() - startedAt < 500, 'at once while the upstream is known to be silent');
});

t.test('a source over its rate is told to use TCP or gets nothing, others are untouched', async (t) => {
  const bench = await startBench({ script, rules, dns: { rate: { perSecond: 1, burst: 5, held: 10 } } });
  t.teardown(() => bench.close());
  const answers = await Promise.all(
    Array.from({ length: 15 }, () => exchange(bench.port, rawQuery('pastes.example', 1), 400)),
  );
  t.equal(answers.filter((answer) => answer !== null && answer.readUInt16BE(6) === 1).length, 5);
  t.equal(answers.filter((answer) => answer !== null && (answer[2]! & 2) !== 0).length, 5);
  t.equal(answers.filter((answer) => answer === null).length, 5);
  t.match(closedOf(bench).at(-1), { decision: { reason: 'runner-limit' } });
});

t.test(
  'a burst is drained in batches, without koffi too, and every client gets its own answer',
  async (t) => {
    for (const drain of [true, false]) {
      const bench = await startBench({
        script,
        rules,
        dns: { drain, rate: { perSecond: 1e6, burst: 1e6, held: 256 } },
      });
      await ask(bench.port, 'ok.example');
      const socket = createSocket('udp4');
      const ids = new Set<number>();
      socket.on('message', (message) => message.readUInt16BE(6) === 1 && ids.add(message.readUInt16BE(0)));
      for (let i = 0; i < 200; i++) {
        const query = rawQuery(i % 2 ? 'ok.example' : 'pastes.example', 1);
        query.writeUInt16BE(i, 0);
        socket.send(query, bench.port, '127.0.0.1');
      }
      await wait(300);
      socket.close();
      t.equal(ids.size, 200, `drain: ${drain}`);
      await bench.close();
    }
  },
);

const allowed: Decision = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: 'r1',
  scope: null,
  reason: 'rule',
};

t.test('DNS over TLS verifies the name, and never falls back', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-dot-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const key = join(directory, 'key.pem');
  const certificate = join(directory, 'certificate.pem');
  const subject = ['-subj', '/CN=dot', '-addext', 'subjectAltName=DNS:dot.example'];
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...ec, '-nodes', '-days', '2', '-keyout', key, '-out', certificate, ...subject],
    { stdio: 'ignore' },
  );
  const ca = readFileSync(certificate, 'utf8');
  const upstream = new FakeUpstream(script);
  await upstream.open({ key: readFileSync(key, 'utf8'), cert: ca });
  t.teardown(() => upstream.close());
  const lookupTo = (serverName: string, port = upstream.port) => {
    const lookup = new Lookup({
      upstreams: [{ address: '127.0.0.1', port, transport: 'tls', serverName, ca }],
      meter: noMeter,
    });
    t.teardown(() => lookup.close());
    return lookup;
  };
  const asker = { runner: '10.0.0.1', judge: () => allowed };
  const good = new Resolver({ lookup: lookupTo('dot.example'), ipv6: true });
  t.strictSame(await good.resolve('ok.example', asker), ['2606:2800:220:1::1', '93.184.216.34']);
  t.strictSame(await good.resolve('cdn.example', asker), ['93.184.216.35']);
  t.strictSame(await good.resolve('192.0.2.1', asker), ['192.0.2.1']);
  await t.rejects(good.resolve('gone.example', asker), { code: 'upstream' });
  const asked = upstream.asked.length;
  const bad = new Resolver({ lookup: lookupTo('other.example'), ipv6: false });
  await t.rejects(bad.resolve('ok.example', asker), { code: 'upstream' });
  t.equal(upstream.asked.length, asked);
  // TLS 1.2 hands out its ticket before the client has looked at the name; a resumed session is not looked at again.
  const older = new FakeUpstream(script);
  await older.open({ key: readFileSync(key, 'utf8'), cert: ca, maxVersion: 'TLSv1.2' });
  t.teardown(() => older.close());
  const toOlder = (serverName: string) => lookupTo(serverName, older.port);
  const resuming = new Resolver({ lookup: toOlder('other.example'), ipv6: false });
  for (const name of ['a.example', 'b.example', 'ok.example'])
    await t.rejects(resuming.resolve(name, asker), { code: 'upstream' });
  t.equal(older.asked.length, 0, 'never over a session of a server that was refused');
  const right = new Resolver({ lookup: toOlder('dot.example'), ipv6: false });
  t.strictSame(await right.resolve('ok.example', asker), ['93.184.216.34']);
  t.equal(
    upstream.asked.every(({ transport }) => transport === 'tls'),
    true,
  );
});
