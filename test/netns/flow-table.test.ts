// The table of flows, the policy and the flags of `run`, and the parser of captured packets.

import { assert, constantFrom, property, uint8Array } from 'fast-check';
import t from 'tap';
import { parsePacket } from '../../netns/capture.ts';
import { escapeText, FlowTable, formatTable } from '../../netns/flow-table.ts';
import { DeclaredJobs } from '../../jobs/declared.ts';
import { declareJob } from '../../netns/job-flags.ts';
import { parseResolvConf } from '../../netns/resolv-conf.ts';
import { needsForwarding, replaceMode } from '../../netns/run-policy.ts';
import type { FlowRecord } from '../../flow/flow.ts';

const record = (change: Partial<FlowRecord>): FlowRecord => ({
  v: 1,
  id: 'a',
  phase: 'closed',
  kind: 'request',
  time: '2026-11-24T09:00:00.000Z',
  parent: null,
  gateway: 'g',
  fleet: 'f',
  runner: '10.0.0.2',
  job: null,
  attribution: { source: 'none', certainty: 'unknown' },
  process: null,
  destination: { host: 'api.example', address: '93.184.216.34', port: 443, protocol: 'https' },
  operation: null,
  http: { method: 'GET', path: '/x', version: '1.1', status: 200 },
  dns: null,
  tls: null,
  packet: null,
  evidence: [],
  decision: { verdict: 'allow', enforced: true, mode: 'block', rule: 'api', scope: null, reason: 'rule' },
  policyRevision: null,
  bytes: { sent: 10, received: 90 },
  timings: null,
  ended: null,
  ...change,
});
const blocked = { verdict: 'block', mode: 'block', rule: null, scope: null, reason: 'no-rule' } as const;

t.test('equal flows become one row, and a connection is told by its requests', (t) => {
  const table = new FlowTable();
  table.add(record({ id: 'c', kind: 'connection', http: null }));
  for (const id of ['1', '2']) {
    table.add(record({ id, phase: 'opened', parent: 'c', bytes: null }));
    table.add(record({ id, parent: 'c' }));
  }
  table.add(
    record({
      id: '3',
      kind: 'packet',
      http: null,
      bytes: null,
      decision: { ...blocked, enforced: true },
      packet: { attempts: 450, protocolNumber: 17 },
      destination: { host: null, address: '9.9.9.9', port: 853, protocol: 'udp' },
    }),
  );
  table.add(record({ id: '4', decision: { ...blocked, mode: 'audit', enforced: false } }));
  const { flows, allowed, blocked: count } = table.summary();
  t.equal(allowed, 3);
  t.equal(count, 450, 'a would-be block went through');
  t.match(flows, [
    { host: 'api.example', method: 'GET', path: '/x', verdict: 'allow', rule: 'api', count: 2, bytes: 200 },
    { host: '9.9.9.9', method: 'UDP', path: null, port: 853, verdict: 'block', count: 450 },
    { verdict: 'would-block', count: 1 },
  ]);
  t.end();
});

t.test('a hostile text cannot write to the terminal', (t) => {
  t.equal(escapeText('a\u001b[31mb\r\n\u202ec\u0007'), 'a\\u001b[31mb\\u000d\\u000a\\u202ec\\u0007');
  const table = new FlowTable();
  table.add(
    record({
      http: { method: 'GET', path: `/\u001b]0;x\u0007${'y'.repeat(5000)}`, version: '1.1', status: null },
    }),
  );
  const text = formatTable(table.summary(), 80);
  t.notMatch(text, /[^\n\u0020-\uffff]/);
  t.ok(text.split('\n').every((line) => line.length <= 110));
  t.end();
});

t.test('--mode changes the top level mode alone and moves no line', (t) => {
  t.equal(
    replaceMode('version: 1\nmode: audit # x\nscopes:\n  - mode: audit\n', 'block'),
    'version: 1\nmode: block\nscopes:\n  - mode: audit\n',
  );
  t.equal(replaceMode('version: 1\n', 'block'), 'version: 1\nmode: block\n');
  t.equal(needsForwarding('version: 1\nmode: block\nhttp: []\n'), false);
  t.equal(needsForwarding('version: 1\nmode: block\nnetwork: []\n'), true);
  t.equal(needsForwarding('version: 1\nmode: audit\n'), true);
  t.equal(needsForwarding('version: 1\nmode: block\nscopes: [{id: a, mode: audit}]\n'), true);
  t.end();
});

t.test('the flags of a job become its declaration', (t) => {
  t.equal(declareJob({}, ['10.0.0.2']), null);
  t.strictSame(
    declareJob({ repo: 'acme/app', ref: 'refs/heads/main', job: 'build', fork: true }, ['10.0.0.2']),
    {
      addresses: ['10.0.0.2'],
      platform: 'github',
      server: 'github.com',
      repository: 'acme/app',
      ref: 'refs/heads/main',
      name: 'build',
      fork: true,
    },
  );
  t.throws(() => declareJob({ ref: 'main' }, []), { code: 'usage' });
  t.throws(() => declareJob({ 'token-env': 'SALLYPORT_NO_SUCH_VARIABLE' }, []), { code: 'usage' });
  t.throws(() => declareJob({ 'runtime-token-env': 'SALLYPORT_NO_SUCH_VARIABLE' }, []), { code: 'usage' });
  process.env['SALLYPORT_TEST_RUNTIME'] = 'the-runtime-token';
  const declared = declareJob({ 'runtime-token-env': 'SALLYPORT_TEST_RUNTIME' }, ['10.0.0.2']);
  delete process.env['SALLYPORT_TEST_RUNTIME'];
  t.match(declared?.runtimeTokenDigest, /^hmac-sha256:/);
  t.notMatch(JSON.stringify(declared), 'the-runtime-token');
  const jobs = new DeclaredJobs([{ ...declared!, addresses: ['10.0.0.2'] }]);
  const isRuntime = jobs.runtimeToken(jobs.attribute('10.0.0.2'));
  t.strictSame(
    [isRuntime?.('the-runtime-token'), isRuntime?.('another'), isRuntime?.('')],
    [true, false, false],
  );
  t.equal(jobs.runtimeToken(jobs.attribute('10.0.0.3')), null);
  t.end();
});

t.test('resolv.conf is read as resolv.conf(5) says', (t) => {
  const text =
    '# x\nnameserver 192.0.2.1\nsearch a\n nameserver\tfe80::1%eth0\nnameserver x\n;nameserver 1.1.1.1\n';
  t.strictSame(parseResolvConf(text), ['192.0.2.1', 'fe80::1']);
  t.end();
});

t.test('a captured packet is told by its headers, and no bytes make the parser throw', (t) => {
  const syn = Buffer.from(
    '4500002800010000400600000a4d000a5db8d82204d201bb00000001000000005002faf000000000',
    'hex',
  );
  t.match(parsePacket(syn), {
    source: '10.77.0.10',
    destination: '93.184.216.34',
    protocol: 6,
    sourcePort: 1234,
    destinationPort: 443,
    flags: 2,
    isFragment: false,
  });
  const fragment6 = Buffer.from(
    `6000000000102c40${'fd'.padEnd(32, '0')}${'2606'.padEnd(32, '0')}11000001000000010401003500080000`,
    'hex',
  );
  t.match(parsePacket(fragment6), { family: 6, protocol: 17, isFragment: true, destinationPort: 53 });
  const runs = Number(process.env['FUZZ_CASES'] ?? 2000);
  assert(
    property(uint8Array({ maxLength: 120 }), constantFrom(0x45, 0x4f, 0x60), (bytes, first) => {
      const packet = Buffer.from([first, ...bytes]);
      parsePacket(packet);
    }),
    { numRuns: runs },
  );
  t.end();
});
