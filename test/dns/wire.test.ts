// The scanners of queries and responses against typed tables, properties and mutations; names and the cache.

import t from 'tap';
import fc from 'fast-check';
import { CacheEntry, DnsCache } from '../../dns/cache.ts';
import { followChain } from '../../dns/cname-chain.ts';
import {
  displayName,
  foldName,
  isWithin,
  nameFromText,
  nameText,
  readName,
  skipName,
} from '../../dns/name.ts';
import { judgeAddress } from '../../dns/rebinding.ts';
import { hashName, QueryScan, scanQuery } from '../../dns/scan-query.ts';
import { isAnswerTo, scanResponse } from '../../dns/scan-response.ts';
import { rebuildNegative, rebuildPositive, withoutAddresses } from '../../dns/rebuild.ts';
import { zoneOf } from '../../dns/name-budgets.ts';
import { parseAddress, parseCidr } from '../../flow/address.ts';
import { rawQuery } from './fixture.ts';

const runs = Number(process.env['FUZZ_CASES'] ?? 2000);
const bytes = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const question = '07 6578616d706c65 03 636f6d 00 0001 0001';
const query = (head: string, rest = question) => bytes(head + rest);
const plain = '1234 0100 0001 0000 0000 0000';
const opt = (version = '00', length = '0000', data = '') => `00 0029 1000 00${version}8000 ${length}${data}`;
const withOpt = '1234 0100 0001 0000 0000 0001';
const label63 = `3f${'61'.repeat(63)}`;

t.test('scanQuery judges each malformation in the order of the table', (t) => {
  const table: [string, Buffer, ReturnType<typeof scanQuery>][] = [
    ['a plain query', query(plain), null],
    ['eleven bytes', query(plain).subarray(0, 11), 'silent'],
    ['QR set, even with a broken rest', query('1234 8100 ffff ffff ffff ffff', 'ff'), 'silent'],
    ['opcode 4 (NOTIFY)', query('1234 2100 0001 0000 0000 0000'), 'not-implemented'],
    ['no question', query('1234 0100 0000 0000 0000 0000', ''), 'malformed'],
    ['two questions', query('1234 0100 0002 0000 0000 0000', question + question), 'malformed'],
    ['four counts of 65535', query('1234 0100 ffff ffff ffff ffff', ''), 'malformed'],
    ['an answer record', query('1234 0100 0001 0001 0000 0000'), 'malformed'],
    ['an authority record (IXFR)', query('1234 0100 0001 0000 0001 0000'), 'malformed'],
    ['a pointer in the question', query(plain, 'c00c 0001 0001'), 'malformed'],
    ['a label of type 01', query(plain, '41 61 00 0001 0001'), 'malformed'],
    ['a label of type 10', query(plain, '81 61 00 0001 0001'), 'malformed'],
    ['a name past the end', query(plain, '3f 61'), 'malformed'],
    ['a name without its root', query(plain, '01 61'), 'malformed'],
    ['no type and class', query(plain, '01 61 00 00'), 'malformed'],
    ['a name of 255 octets', query(plain, `${label63.repeat(3)}3d${'61'.repeat(61)} 00 0001 0001`), null],
    [
      'a name of 256 octets',
      query(plain, `${label63.repeat(3)}3e${'61'.repeat(62)} 00 0001 0001`),
      'malformed',
    ],
    ['class CHAOS', query(plain, '07 76657273696f6e 04 62696e64 00 0010 0003'), 'refused'],
    ['a trailing byte', query(plain, `${question}00`), 'malformed'],
    ['an OPT record', query(withOpt, question + opt()), null],
    ['an OPT record that is not there', query(withOpt), 'malformed'],
    ['two OPT records', query('1234 0100 0001 0000 0000 0002', question + opt() + opt()), 'malformed'],
    ['an OPT with an owner', query(withOpt, `${question}01 61${opt()}`), 'malformed'],
    ['a TSIG record', query(withOpt, `${question}00 00fa 00ff 00000000 0000`), 'malformed'],
    ['OPT data past the end', query(withOpt, question + opt('00', '0004')), 'malformed'],
    ['an option past its OPT', query(withOpt, question + opt('00', '0005', '000a 0008 00')), 'malformed'],
    ['a whole option', query(withOpt, question + opt('00', '0006', '000a 0002 abcd')), null],
    ['EDNS version 1', query(withOpt, question + opt('01')), 'bad-version'],
    ['a byte behind the OPT', query(withOpt, `${question}${opt()}00`), 'malformed'],
  ];
  for (const [title, message, expected] of table) {
    t.equal(scanQuery(message, message.length, new QueryScan()), expected, title);
  }
  t.end();
});

t.test('scanQuery folds ASCII only and reads flags, type and sizes', (t) => {
  const scan = new QueryScan();
  const message = bytes('1234 0110 0001 0000 0000 0001 03 c141 5a 00 001c 0001 00 0029 ffff 0000 8000 0000');
  t.equal(scanQuery(message, message.length, scan), null);
  t.strictSame([...scan.name.subarray(0, scan.nameLength)], [3, 0xc1, 0x61, 0x7a, 0]);
  t.match(scan, { type: 28, checkingDisabled: true, dnssecOk: true, udpSize: 1232, questionEnd: 21 });
  t.equal(scan.hash, hashName(scan.name.subarray(0, scan.nameLength)));
  const small = rawQuery('a', 1, { size: 100 });
  scanQuery(small, small.length, scan);
  t.equal(scan.udpSize, 512);
  t.end();
});

t.test('names keep labels apart and never let odd bytes look like text', (t) => {
  t.equal(nameText('\x03www\x07example\0'), 'www.example');
  t.equal(nameText('\0'), '.');
  for (const odd of ['\x03a.b\0', '\x02a\0\0', '\x02a\x80\0', '\x02a\\\0', '\x02a \0'])
    t.equal(nameText(odd), null);
  t.equal(displayName('\x03a.b\x02\0\xff\0'), 'a\\046b.\\000\\255');
  t.equal(foldName('\x03WwZ\xc1\0'), '\x03wwz\xc1\0');
  t.equal(nameFromText('Example.COM.'), '\x07example\x03com\0');
  t.equal(nameFromText('a..b'), null);
  t.equal(isWithin('\x01a\x07example\0', '\x07example\0'), true);
  t.equal(isWithin('\x08aexample\0', '\x07example\0'), false);
  t.equal(zoneOf('\x04data\x03abc\x02io\0'), 'abc.io');
  t.end();
});

t.test('readName follows pointers strictly backwards, at most 127 times', (t) => {
  const head = Buffer.alloc(12);
  t.equal(readName(Buffer.concat([head, bytes('01 61 00 c00c')]), 15), '\x01a\0');
  t.equal(readName(Buffer.concat([head, bytes('c00c')]), 12), null, 'to itself');
  t.equal(readName(Buffer.concat([head, bytes('c00e c00c')]), 12), null, 'forwards');
  t.equal(readName(Buffer.concat([head, bytes('c000')]), 12), null, 'into the header');
  const chain = Buffer.alloc(65_536);
  for (let at = 14; at + 2 <= 16_384; at += 2) chain.writeUInt16BE(0xc000 | (at - 2), at);
  t.equal(readName(chain, 12 + 2 * 127), '\0');
  t.equal(readName(chain, 12 + 2 * 129), null);
  t.equal(skipName(bytes('01 61 c000'), 0), 4);
  t.end();
});

const reply = (answers: string, counts = '0001 0000 0000', flags = '8180') =>
  bytes(`1234 ${flags} 0001 ${counts} ${question}${answers}`);
const end = 29;

t.test('scanResponse refuses what is malformed and reads what is not', (t) => {
  const address = 'c00c 0001 0001 0000012c 0004 5db8d822';
  const response = scanResponse(reply(address), end);
  t.match(response?.answers, [{ owner: '\x07example\x03com\0', type: 1, ttl: 300, dataLength: 4 }]);
  const table: [string, Buffer][] = [
    ['an A record of 5 bytes', reply('c00c 0001 0001 0000012c 0005 5db8d82200')],
    ['an AAAA record of 4 bytes', reply('c00c 001c 0001 0000012c 0004 5db8d822')],
    ['data past the end', reply('c00c 0001 0001 0000012c 0004 5db8')],
    ['an owner that points forwards', reply('c0ff 0001 0001 0000012c 0004 5db8d822')],
    ['more records than there are', reply(address, '0002 0000 0000')],
    ['1025 records announced', reply(address, '0401 0000 0000')],
    ['a record of another class', reply('c00c 0001 0003 0000012c 0004 5db8d822')],
  ];
  for (const [title, message] of table) t.equal(scanResponse(message, end), null, title);
  t.equal(
    scanResponse(reply('c00c 0001 0001 80000001 0004 5db8d822'), end)?.answers[0]?.ttl,
    0,
    'bit 31 of a TTL',
  );
  t.equal(scanResponse(reply('c00c 0001 0001 7fffffff 0004 5db8d822'), end)?.answers[0]?.ttl, 86_400);
  const extended = scanResponse(reply(`00 0029 04d0 01000000 0000`, '0000 0000 0001', '8183'), end);
  t.equal(extended?.rcode, 19, 'upper bits of the code');
  t.end();
});

t.test('isAnswerTo wants id, QR, opcode and the very question', (t) => {
  const asked = query(plain);
  t.equal(isAnswerTo(reply(''), asked, end), true);
  for (const at of [0, 1, 5, 13, 15, 25, 26, 28]) {
    const wrong = reply('');
    wrong[at]! ^= 0x20;
    t.equal(isAnswerTo(wrong, asked, end), false, `byte ${at}`);
  }
  t.equal(isAnswerTo(reply('', '0000 0000 0000', '0180'), asked, end), false, 'a query');
  t.end();
});

t.test('followChain ends at the data, and loops, long chains and false DNAME syntheses are null', (t) => {
  const alias = (from: string, to: string) =>
    `${from} 0005 0001 0000003c ${(to.replaceAll(' ', '').length / 2).toString(16).padStart(4, '0')} ${to}`;
  const name = '\x07example\x03com\0';
  const chain = (answers: string, count: string) =>
    followChain(scanResponse(reply(answers, count), end)!, name, 1);
  const good = chain(
    `${alias('c00c', '01 62 00')}01 42 00 0001 0001 00000005 0004 01020304`,
    '0002 0000 0000',
  );
  t.match(good, { end: '\x01b\0', targets: ['\x01b\0'], found: 1 });
  t.equal(chain(alias('c00c', 'c00c'), '0001 0000 0000'), null, 'to itself');
  t.equal(
    chain(alias('c00c', '01 62 00') + alias('01 62 00', 'c00c'), '0002 0000 0000'),
    null,
    'a loop of two',
  );
  const stray = chain(
    `${alias('c00c', '01 62 00')}01 63 00 0001 0001 00000005 0004 01020304`,
    '0002 0000 0000',
  );
  t.match(stray, { found: 0 }, 'an address of a name beside the chain is not taken');
  const steps = Array.from({ length: 17 }, (_, i) => {
    const from = i === 0 ? 'c00c' : `01 ${(0x60 + i).toString(16)} 00`;
    return alias(from, `01 ${(0x61 + i).toString(16)} 00`);
  });
  t.equal(chain(steps.join(''), '0011 0000 0000'), null, '17 steps');
  const dname = '03 636f6d 00 0027 0001 0000003c 0005 03 6e6574 00';
  t.equal(chain(dname + alias('c00c', '01 62 00'), '0002 0000 0000'), null, 'not what the DNAME makes');
  t.match(chain(dname + alias('c00c', '07 6578616d706c65 03 6e6574 00'), '0002 0000 0000'), { found: 0 });
  t.end();
});

t.test('a rebuilt answer holds what was judged, and records can be left out of it', (t) => {
  const two = 'c00c 0001 0001 0000012c 0004 5db8d822 c00c 0001 0001 0000003c 0004 0a000001';
  const extra = ' 01 7a 00 0001 0001 0000003c 0004 01010101';
  const response = scanResponse(reply(two + extra, '0002 0000 0001'), end)!;
  const chain = followChain(response, '\x07example\x03com\0', 1)!;
  const wire = rebuildPositive(bytes(question), '\x07example\x03com\0', [{ response, chain }], false)!;
  t.equal(
    Buffer.from(wire.bytes).toString('hex'),
    bytes(`0000 8080 0001 0002 0000 0000 ${question}${two}`).toString('hex'),
  );
  t.strictSame([...wire.ttlOffsets], [35, 51]);
  t.equal(wire.ttl, 60);
  const cut = withoutAddresses(wire, new Set([0]));
  t.equal(
    Buffer.from(cut.bytes).toString('hex'),
    bytes(`0000 8080 0001 0001 0000 0000 ${question}${two.slice(38)}`).toString('hex'),
  );
  t.strictSame([...cut.ttlOffsets], [35]);
  t.end();
});

t.test('a negative answer lives min(SOA TTL, MINIMUM), at most 900 s, and 5 s without an SOA', (t) => {
  const soa = (ttl: string, minimum: string) =>
    `03 636f6d 00 0006 0001 ${ttl} 0018 01 61 00 00 00000001 00000002 00000003 00000004 ${minimum}`.replace(
      '0018',
      '0018',
    );
  const rebuild = (authority: string, count: string) => {
    const response = scanResponse(reply(authority, count, '8183'), end)!;
    const chain = followChain(response, '\x07example\x03com\0', 1)!;
    return rebuildNegative(bytes(question), '\x07example\x03com\0', 3, [{ response, chain }], false);
  };
  t.equal(rebuild(soa('00000e10', '0000003c'), '0000 0001 0000')?.ttl, 60);
  t.equal(rebuild(soa('0000001e', '0000003c'), '0000 0001 0000')?.ttl, 30);
  t.equal(rebuild(soa('00015180', '00015180'), '0000 0001 0000')?.ttl, 900);
  t.equal(rebuild('', '0000 0000 0000')?.ttl, 5);
  t.end();
});

t.test('the rebinding guard knows every range, and addresses of a rule open private ones only', (t) => {
  const none = new Set<string>();
  const own = new Set(['198.200.0.9']);
  const table: [string, string | null, ReturnType<typeof judgeAddress>][] = [
    ['93.184.216.34', null, null],
    ['10.2.3.4', null, 'private-address'],
    ['10.2.3.4', '10.2.0.0/16', null],
    ['10.3.3.4', '10.2.0.0/16', 'private-address'],
    ['100.64.0.1', null, 'private-address'],
    ['127.0.0.1', '127.0.0.0/8', 'never-address'],
    ['169.254.169.254', '169.254.0.0/16', 'never-address'],
    ['168.63.129.16', null, 'never-address'],
    ['0.0.0.0', null, 'never-address'],
    ['198.200.0.9', null, 'never-address'],
    ['::1', null, 'never-address'],
    ['fd00::5', null, 'private-address'],
    ['fe80::1', null, 'never-address'],
    ['64:ff9b::7f00:1', null, 'never-address'],
    ['64:ff9b::a02:304', null, 'private-address'],
    ['2002:7f00:1::', null, 'never-address'],
    ['2606:2800:220:1::1', null, null],
  ];
  for (const [address, allowed, expected] of table) {
    const cidrs = allowed === null ? [] : [parseCidr(allowed)!];
    t.equal(
      judgeAddress(parseAddress(address)!, cidrs, own),
      expected,
      `${address} with ${allowed ?? 'nothing'}`,
    );
  }
  t.equal(judgeAddress(parseAddress('198.200.0.9')!, [], none), null);
  t.end();
});

t.test('the cache holds its bounds by entries and bytes, oldest out first', (t) => {
  const cache = new DnsCache({ entries: 100, bytes: 200_000 });
  const entry = (name: Buffer, size: number) =>
    new CacheEntry({
      name,
      type: 1,
      variant: 0,
      rcode: 0,
      wire: { bytes: Buffer.alloc(size), ttlOffsets: [], addresses: [], starts: [], ttl: 60 },
      targets: [],
      isPlain: true,
      storedAt: 1,
      ttl: 60,
      ede: 0,
    });
  const nameOf = (i: number) => Buffer.from(`\x06${String(i).padStart(6, '0')}\0`);
  const find = (i: number) => {
    const scan = new QueryScan();
    scan.name.set(nameOf(i));
    Object.assign(scan, { nameLength: 8, hash: hashName(nameOf(i)), type: 1 });
    return cache.find(scan, 0);
  };
  for (let i = 0; i < 1000; i++) cache.store(hashName(nameOf(i)), entry(nameOf(i), 40));
  t.equal(cache.entries, 100);
  t.ok(find(999));
  t.equal(find(899), null);
  for (let i = 0; i < 20; i++) cache.store(hashName(nameOf(i)), entry(nameOf(i), 50_000));
  t.ok(cache.bytes <= 200_000);
  // One bucket for all: chains stay at most 8 long.
  const crowded = new DnsCache();
  for (let i = 0; i < 500; i++) crowded.store(7, entry(nameOf(i), 40));
  t.ok(crowded.entries <= 9);
  t.end();
});

t.test('no bytes make the scanners throw, and what they accept lies within the message', (t) => {
  const seeds = [
    query(plain),
    query(withOpt, question + opt('00', '0006', '000a 0002 abcd')),
    reply(
      'c00c 0005 0001 0000003c 0003 01 62 00 01 62 00 0001 0001 00000005 0004 01020304',
      '0002 0000 0000',
    ),
    reply('c00c 0001 0001 0000012c 0004 5db8d822 00 0029 04d0 00000000 0000', '0001 0000 0001'),
    reply(
      '03 636f6d 00 0006 0001 0000003c 0018 01 61 00 00 00000001 00000002 00000003 00000004 00000005',
      '0000 0001 0000',
    ),
  ];
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(80), fc.nat(255)), { maxLength: 6 }),
      fc.nat(80),
      fc.uint8Array({ maxLength: 12 }),
    )
    .map(([seed, edits, cutAt, tail]) => {
      const copy = Buffer.concat([
        seed.subarray(0, Math.max(12, seed.length - (cutAt > 60 ? cutAt - 60 : 0))),
        tail,
      ]);
      for (const [at, value] of edits) if (at < copy.length) copy[at] = value;
      return copy;
    });
  const scan = new QueryScan();
  const check = (message: Uint8Array) => {
    if (scanQuery(message, message.length, scan) === null && scan.questionEnd > message.length) return false;
    if (message.length < 12) return true;
    const questionEnd = Math.min(end, message.length);
    const response = scanResponse(message, questionEnd);
    if (response === null) return true;
    const chain = followChain(response, '\x07example\x03com\0', 1);
    if (chain === null) return true;
    const parts = [{ response, chain }];
    const wire =
      chain.found > 0
        ? rebuildPositive(bytes(question), '\x07example\x03com\0', parts, true)
        : rebuildNegative(bytes(question), '\x07example\x03com\0', 0, parts, true);
    // What we make ourselves must be readable by ourselves, whole.
    return wire === null || scanResponse(wire.bytes, end) !== null;
  };
  fc.assert(fc.property(mutated, check), { numRuns: runs });
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), check), { numRuns: Math.ceil(runs / 4) });
  t.end();
});
