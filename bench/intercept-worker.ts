// The proxy as a process of its own, for measurements: real policy, leaves, records and metrics over a
// resolver that knows one address. Arguments: directory, port, address of every name, rules, workers.

import { spawn } from 'node:child_process';
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createMeter } from '../api/metrics.ts';
import { loadOrCreateAuthority } from '../certs/authority.ts';
import { LeafIssuer } from '../certs/leaf.ts';
import { unattributed } from '../flow/job.ts';
import { originalDestination } from '../kernel/original-destination.ts';
import { loadPolicy } from '../policy/load.ts';
import { startProxy } from '../proxy/start.ts';
import { SegmentWriter } from '../store/segment.ts';

const [directory = '', port = '', address = '', rules = '1000', workers = '1', own = ''] =
  process.argv.slice(2);
const others = Array.from({ length: Number(rules) }, (_, i) => `  - {id: r${i}, host: other${i}.example}`);
const text = [
  'version: 1',
  'mode: block',
  'http:',
  '  - {id: bench, host: "**.ours.test", methods: any, addresses: 10.99.0.0/24}',
  '  - {id: bench-own, host: ours.test, methods: any, addresses: 10.99.0.0/24}',
  ...others,
  '',
].join('\n');
const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text } });
const meter = createMeter();
const authority = loadOrCreateAuthority(join(directory, 'authority'));
const key = createPrivateKey(authority.keyPem);
const proxy = startProxy({
  currentPolicy: () => policy,
  attribution: { attribute: () => unattributed },
  resolver: { resolve: async () => [address] },
  leafIssuer: new LeafIssuer({
    authority,
    sign: async (tbs) => sign('sha256', tbs, { key, dsaEncoding: 'der' }),
    meter,
    mintsPerRunnerPerMinute: 1e9,
  }),
  recorder: new SegmentWriter({
    directory: join(directory, 'segments'),
    process: `bench${own}`,
    maxSegmentBytes: 64 << 20,
    maxTotalBytes: 256 << 20,
    meter,
  }),
  meter,
  originalDestination,
  dns: { accept: (socket) => void socket.destroy() },
  identity: { gateway: 'bench', fleet: 'bench' },
  isOwnAddress: () => false,
  ownPorts: new Set([Number(port)]),
  extraAuthorities: [readFileSync(join(directory, 'origin-ca.pem'), 'utf8')],
  limits: { halfOpenPerRunner: 1e6, connectionsPerRunner: 1e6, connections: 1e6, halfOpen: 1e6 },
  onInternalError: (error) => process.stderr.write(`${String(error)}\n`),
});
const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => proxy.accept(socket));
// Several share the port as pinned workers share the runners: by the client's connection.
server.listen({ port: Number(port), host: '::', reusePort: Number(workers) > 1 });
if (own === '') {
  for (let at = 1; at < Number(workers); at++) {
    const args = [import.meta.filename, directory, port, address, rules, workers, `${at}`];
    spawn(process.execPath, [...process.execArgv, ...args], { stdio: 'inherit' });
  }
}
process.on('SIGTERM', () => process.exit(0));
