// Time of one policy decision at 10 to 10,000 rules: median nanoseconds of decideHost and decideRequest over many hosts,
// with every host met before (cached view) and with none (first request to a host). JSON lines.

import { unattributed } from '../flow/job.ts';
import { decideHost, decideRequest } from '../policy/decide.ts';
import { loadPolicy } from '../policy/load.ts';
import { effectivePolicy, type EffectivePolicy } from '../policy/scope.ts';

const sizes = [10, 100, 1000, 10_000];
const batch = 1000;
const batches = 60;

/** Half of the rules are wildcards; a tenth share one host and differ by path. */
function writePolicy(size: number): string {
  const rules = Array.from({ length: size }, (_, i) => {
    if (i % 10 === 9) return `  - {host: api.example, paths: "/v1/p${i}/**", methods: any}`;
    return i % 2 === 0 ? `  - {host: h${i}.example}` : `  - {host: "*.w${i}.example", paths: "/a/**"}`;
  });
  return `version: 1\nmode: block\nhttp:\n${rules.join('\n')}\n`;
}

interface Sample {
  readonly host: string;
  readonly path: string;
}

function listSamples(size: number): Sample[] {
  return Array.from({ length: batch }, (_, i) => {
    const at = (i * 7919) % size;
    if (i % 4 === 3) return { host: `unknown${i}.example`, path: '/' };
    if (at % 10 === 9) return { host: 'api.example', path: `/v1/p${at}/x` };
    return at % 2 === 0 ? { host: `h${at}.example`, path: '/x' } : { host: `x.w${at}.example`, path: '/a/b' };
  });
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

function measure(samples: readonly Sample[], prepare: () => EffectivePolicy): number {
  const perDecision: number[] = [];
  for (let round = 0; round < batches; round++) {
    const effective = prepare();
    const started = process.hrtime.bigint();
    for (const { host, path } of samples) {
      decideHost(effective, { host, address: null, port: 443, protocol: 'tls' });
      decideRequest(effective, {
        scheme: 'https',
        host,
        port: 443,
        method: 'GET',
        path,
        hasBody: false,
        upgrade: null,
        evidence: [],
      });
    }
    perDecision.push(Number(process.hrtime.bigint() - started) / (samples.length * 2));
  }
  return Math.round(median(perDecision));
}

for (const rules of sizes) {
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': writePolicy(rules) } });
  const samples = listSamples(rules);
  const warm = effectivePolicy(policy, unattributed);
  const knownHostNs = measure(samples, () => warm);
  const newHostNs = measure(samples, () => ({ ...warm, views: new Map() }));
  process.stdout.write(`${JSON.stringify({ bench: 'decide', rules, knownHostNs, newHostNs })}\n`);
}
