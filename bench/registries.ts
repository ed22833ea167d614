// Registries: the time to say what a request means and to look a package up in a feed of 500,000 advisories, at the 99th
// percentile; what the feed holds; a packument of 50 MB with half of its versions taken out. By itself it prints JSON.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AskedRequest } from '../flow/asked-request.ts';
import { unattributed } from '../flow/job.ts';
import { createRegistryInterpreter } from '../registry/interpreter.ts';
import { FeedBuilder } from '../registry/malware-feed.ts';
import { NpmRewrite } from '../registry/rewrite-npm.ts';
import { PackageTimes } from '../registry/times.ts';
import { aimedAt, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';

const rounds = 100_000;
const { understand } = createRegistryInterpreter({ registries: [], times: new PackageTimes() });

function asked(host: string, path: string, method = 'GET'): AskedRequest {
  const request = {
    scheme: 'https',
    host,
    port: 443,
    method,
    path,
    query: '',
    hasBody: method !== 'GET',
  } as const;
  return { ...request, header: () => null, attribution: unattributed, credential: 'none' };
}

const npmHost = ['registry', 'npmjs', 'org'].join('.');
const requests: readonly AskedRequest[] = [
  asked(npmHost, '/@acme%2Fapp'),
  asked(npmHost, '/@acme/app/-/app-1.2.3.tgz'),
  asked(npmHost, '/@acme%2Fapp', 'PUT'),
  asked('pypi.org', '/simple/typing-extensions/'),
  asked(
    'files.pythonhosted.org',
    `/packages/aa/bb/${'c'.repeat(60)}/foo_bar-2.31.0-cp312-cp312-manylinux_2_17_x86_64.whl`,
  ),
  asked('registry-1.docker.io', '/v2/library/alpine/manifests/3.20'),
  asked('repo1.maven.org', '/maven2/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar'),
  asked('proxy.golang.org', '/github.com/!burnt!sushi/toml/@v/v1.3.2.zip'),
];

/** The 99th percentile in microseconds; one unmeasured round first. */
function percentile(act: (i: number) => void): number {
  for (let i = 0; i < rounds / 4; i++) act(i);
  const times = new Float64Array(rounds);
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    act(i);
    times[i] = (performance.now() - started) * 1000;
  }
  return times.sort()[Math.floor(rounds * 0.99)]!;
}

function measureFeed(): { lookUp: number; megabytes: number } {
  const builder = new FeedBuilder();
  for (let i = 0; i < 500_000; i++) {
    const affected = i % 3 === 0 ? { versions: ['1.0.0', '1.0.1', `1.${i}.0`], ranges: [] } : null;
    builder.add({ id: `MAL-2026-${i}`, key: `pkg:npm/evil-package-${i}`, affected });
  }
  const feed = builder.build();
  const lookUp = percentile((i) => void feed.find(`pkg:npm/evil-package-${(i * 7919) % 1_000_000}`, '1.0.1'));
  return { lookUp, megabytes: feed.byteLength / 1e6 };
}

function* packument(): Generator<Buffer> {
  const dependencies = JSON.stringify(
    Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`dependency-${i}`, '^1.0.0'])),
  );
  const list = (value: (i: number) => string): Buffer[] =>
    Array.from({ length: 14_500 }, (_, i) => Buffer.from(`${i === 0 ? '' : ','}"1.${i}.0":${value(i)}`));
  yield Buffer.from('{"name":"large","dist-tags":{"latest":"1.0.0"},"versions":{');
  yield* list(
    (i) => `{"version":"1.${i}.0","dependencies":${dependencies},"description":"${'x'.repeat(1000)}"}`,
  );
  yield Buffer.from('},"time":{');
  yield* list((i) => `"20${i % 2 === 0 ? '20' : '26'}-01-01T00:00:00.000Z"`);
  yield Buffer.from('}}');
}

function makePackument(): Buffer {
  return Buffer.concat([...packument()]);
}

function measureRewrite(): { ms: number; ratio: number } {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void; // what the flag above puts there
  const body = makePackument();
  const memory = (): number => {
    collect();
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = memory();
  const transform = new NpmRewrite(
    (_, timeMs) => (timeMs ?? 0) < Date.UTC(2025, 0, 1),
    () => null,
  );
  const started = performance.now();
  for (let at = 0; at < body.length; at += 16_384)
    transform.push(Buffer.from(body.subarray(at, at + 16_384)));
  const end = transform.end();
  const ms = performance.now() - started;
  const ratio = (memory() - before) / body.length;
  if (end.kind !== 'whole' || end.removed.length !== 7250) throw new Error('half of the versions were to go');
  return { ms, ratio };
}

function measureAll(): Record<
  'request' | 'other' | 'lookUp' | 'megabytes' | 'rewriteMs' | 'rewriteRatio',
  number
> {
  const other = asked('api.example', '/repos/acme/app/issues/12/comments');
  const request = percentile((i) => void understand(requests[i % requests.length]!));
  const another = percentile(() => void understand(other));
  const { ms, ratio } = measureRewrite();
  return { request, other: another, ...measureFeed(), rewriteMs: ms, rewriteRatio: ratio };
}

/** The goals on registries. */
export function measureRegistries(progress: Progress): Figure[] {
  progress('registries');
  const { request, other, lookUp, megabytes, rewriteMs, rewriteRatio } = measureAll();
  return [
    aimedAt(
      single('meaning of a request to a registry, 99th percentile', 'µs', request, []),
      'under 10 µs',
      request < 10,
    ),
    single('a request to no registry, 99th percentile', 'µs', other, []),
    aimedAt(
      single('look-up among 500,000 advisories, 99th percentile', 'µs', lookUp, []),
      'under 5 µs',
      lookUp < 5,
    ),
    aimedAt(single('memory of 500,000 advisories', 'MB', megabytes, []), 'under 200 MB', megabytes < 200),
    aimedAt(
      single('memory for a packument of 50 MB, by its size', 'times', rewriteRatio, []),
      'under 2',
      rewriteRatio < 2,
    ),
    single('a packument of 50 MB shortened', 'ms', rewriteMs, []),
  ];
}

if (import.meta.main) process.stdout.write(`${JSON.stringify({ bench: 'registries', ...measureAll() })}\n`);
