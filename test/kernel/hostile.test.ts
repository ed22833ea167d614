// What the kernel edge reads of others, mutated; and the rights of hardened processes, read from /proc.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { BlockedFlows } from '../../kernel/blocked-flows.ts';
import { BlockLogReader, readPacketHead, type BlockEvent } from '../../kernel/block-log.ts';
import { readProcessRights } from '../../kernel/harden.ts';
import { seccompProgram } from '../../kernel/seccomp.ts';

const cases = Number(process.env['FUZZ_CASES'] ?? 2000);
// 10.77.0.2:40000 > 203.0.113.10:25, a SYN, as RFC 791 and RFC 9293 lay it out.
const syn = '4500002800000000400600000a4d0002cb00710a9c4000190000000100000000500204000000';
// fd77::2 > 2001:db8::10, hop-by-hop and first fragment in front of UDP 40000 > 853.
const chained =
  '6000000000180040fd77000000000000000000000000000220010db8000000000000000000000010' +
  '2c00010400000000' +
  '1100000100000001' +
  '9c40035500080000';

/** One NFLOG message: prefix, payload, sequence (linux/netfilter/nfnetlink_log.h). */
function message(prefix: string, packet: string, sequence: number): Buffer {
  const attribute = (type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(4 + value.length, 0);
    head.writeUInt16LE(type, 2);
    return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
  };
  const number = Buffer.alloc(4);
  number.writeUInt32BE(sequence);
  const body = Buffer.concat([
    Buffer.from('02000007', 'hex'),
    attribute(10, Buffer.from(`${prefix}\0`)),
    attribute(9, Buffer.from(packet, 'hex')),
    attribute(12, number),
  ]);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(16 + body.length, 0);
  head.writeUInt16LE(0x0400, 4);
  return Buffer.concat([head, body]);
}

function read(...messages: readonly Buffer[]): BlockEvent[] {
  const events: BlockEvent[] = [];
  new BlockLogReader((event) => events.push(event)).read(Buffer.concat(messages));
  return events;
}

t.test('the block log is read into runner, destination, protocol, port and lost events', (t) => {
  t.same(read(message('block no-rule', syn, 7), message('block encrypted-dns', chained, 10)), [
    {
      prefix: 'block no-rule',
      runner: '10.77.0.2',
      destination: '203.0.113.10',
      protocolNumber: 6,
      port: 25,
      interface: null,
      lost: 0,
    },
    {
      prefix: 'block encrypted-dns',
      runner: 'fd77::2',
      destination: '2001:db8::10',
      protocolNumber: 17,
      port: 853,
      interface: null,
      lost: 2,
    },
  ]);
  const laterFragment = `${syn.slice(0, 12)}0010${syn.slice(16)}`;
  t.equal(readPacketHead(Buffer.from(laterFragment, 'hex'))?.port, null, 'a later fragment has no port');
  t.equal(readPacketHead(Buffer.from(syn.slice(0, 38), 'hex')), null, 'a cut header is no packet');
  t.end();
});

t.test('no bytes make the reader of the block log throw or loop', (t) => {
  const seed = Buffer.concat([message('block quic', syn, 1), message('block no-rule', chained, 2)]);
  const mutated = fc
    .array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 12 })
    .map((changes) => {
      const bytes = Buffer.from(seed);
      for (const [at, value] of changes) bytes[at] = value;
      return bytes;
    });
  const bytes = fc.uint8Array({ maxLength: 300 }).map((list) => Buffer.from(list));
  fc.assert(
    fc.property(fc.oneof(mutated, bytes), fc.nat(300), (input, cut) => {
      for (const event of read(input.subarray(0, Math.max(cut, input.length - cut)))) {
        if (event.port !== null && (event.port < 0 || event.port > 65_535)) return false;
        if (!/^[ -~]*$/.test(event.prefix)) return false;
      }
      readPacketHead(input);
      return true;
    }),
    { numRuns: cases },
  );
  t.end();
});

t.test('events and counts meet in one flow, whichever is missing', (t) => {
  const flows = new BlockedFlows();
  const [event] = read(message('audit no-rule', syn, 1));
  const key = { runner: '10.77.0.2', destination: '203.0.113.10', protocolNumber: 6, port: 25 };
  const passed = { ...key, end: 'pass' as const };
  const refused = { ...key, end: 'refuse' as const };
  flows.add(event!, 1000);
  t.same(flows.count([{ ...passed, attempts: 450 }], 2000), [
    { ...passed, attempts: 450, verdict: 'audit', reason: 'no-rule', interface: null, seenMs: 1000 },
  ]);
  t.same(flows.count([], 20_000), [], 'counted once');
  flows.add(event!, 21_000);
  t.same(
    flows.count([], 40_000),
    [{ ...passed, attempts: 1, verdict: 'audit', reason: 'no-rule', interface: null, seenMs: 21_000 }],
    'an event without counts is one attempt',
  );
  const beyond = { runner: '10.77.0.9', destination: null, protocolNumber: 0, port: null, attempts: 9 };
  const over = { ...beyond, end: 'refuse' as const };
  t.same(flows.count([over], 41_000), [
    { ...over, verdict: 'block', reason: null, interface: null, seenMs: null },
  ]);

  const [blocked] = read(message('block no-rule', syn, 2));
  const [allowed] = read(message('allow rule', syn, 3));
  flows.add(allowed!, 50_000);
  flows.add(blocked!, 50_100);
  flows.add(blocked!, 51_000);
  const both = [
    { ...refused, attempts: 2 },
    { ...passed, attempts: 1 },
  ];
  t.match(
    flows.count(both, 52_000),
    [
      { attempts: 2, verdict: 'block' },
      { attempts: 1, verdict: 'allow' },
    ],
    'one key that passed and was blocked in one window',
  );
  const next = flows.count([{ ...refused, attempts: 3 }], 53_000);
  t.match(next, [{ attempts: 3, reason: 'no-rule' }], 'the next window has an event of its own');
  t.end();
});

t.test('the system call filter starts with the machine’s check and ends in allow', (t) => {
  // struct sock_filter: code u16, jt u8, jf u8, k u32; AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64.
  t.equal(seccompProgram('x64', false).toString('hex', 0, 16), '2000000004000000150001003e0000c0');
  t.equal(seccompProgram('arm64', false).toString('hex', 8, 16), '15000100b70000c0');
  t.equal(seccompProgram('x64', false).subarray(-8).toString('hex'), '060000000000ff7f');
  t.equal(seccompProgram('x64', false).length - seccompProgram('x64', true).length, 16, 'one call spared');
  t.end();
});

const none = { effective: 0n, permitted: 0n, inheritable: 0n, bounding: 0n, ambient: 0n };

t.test(
  'a hardened keeper holds four capabilities; what it starts holds none and can start nothing',
  async (t) => {
    const child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, 'hardened.ts'), 'keeper'],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    t.teardown(() => child.kill('SIGKILL'));
    let out = '';
    const report = await new Promise<{ worker: number; attempts: Record<string, string> }>((resolve) => {
      child.stdout.on('data', (data: Buffer) => {
        out += data.toString();
        if (out.includes('\n'))
          resolve(JSON.parse(out) as { worker: number; attempts: Record<string, string> });
      });
    });
    const keeper = readProcessRights(child.pid!);
    // KILL 5, SETGID 6, SETUID 7, NET_ADMIN 12.
    const four = (1n << 5n) | (1n << 6n) | (1n << 7n) | (1n << 12n);
    t.match(
      { ...keeper },
      { uid: 0, effective: four, permitted: four, inheritable: 0n, bounding: 0n, ambient: 0n },
    );
    const worker = readProcessRights(report.worker);
    t.match(
      { ...worker },
      {
        uid: 65_534,
        gid: 65_534,
        ...none,
        anyThread: 0n,
        noNewPrivileges: true,
        seccomp: true,
        dumpable: false,
      },
    );
    t.ok(worker.threads > 1, 'on all threads');
    for (const [attempt, outcome] of Object.entries(report.attempts)) t.equal(outcome, 'EPERM', attempt);
  },
);
