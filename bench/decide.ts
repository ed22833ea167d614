// Time of one policy decision at 10 to 10,000 rules: median nanoseconds of decideHost and decideRequest over many hosts,
// with every host met before (cached view) and with none (first request to a host). By itself it prints JSON lines.

import { unattributed } from '../flow/job.ts';
import { decideHost, decideRequest } from '../policy/decide.ts';
import { loadPolicy } from '../policy/load.ts';
import { effectivePolicy, type EffectivePolicy } from '../policy/scope.ts';
import { median } from './measure.ts';
import type { Figure, Progress } from './measure.ts';

const sizes = [10, 100, 1000, 10_000] as const;
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

function timeDecisions(samples: readonly Sample[], prepare: () => EffectivePolicy): number {
  const perDecision: number[] = [];
  for (let at = 0; at < batches; at++) {
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

interface Row {
  readonly rules: number;
  readonly knownHostNs: number;
  readonly newHostNs: number;
}

function measureSize(rules: number): Row {
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': writePolicy(rules) } });
  const samples = listSamples(rules);
  const warm = effectivePolicy(policy, unattributed);
  const knownHostNs = timeDecisions(samples, () => warm);
  const newHostNs = timeDecisions(samples, () => ({ ...warm, views: new Map() }));
  return { rules, knownHostNs, newHostNs };
}

/** Both goals on decisions, for hosts met before and for new ones alike. */
export function measureDecisions(progress: Progress): Figure[] {
  const rows = sizes.map((size) => {
    progress(`decisions at ${size} rules`);
    return measureSize(size);
  });
  return (['knownHostNs', 'newHostNs'] as const).flatMap((field) => {
    const of = (size: number) => rows.find(({ rules }) => rules === size)![field];
    const which = field === 'knownHostNs' ? 'host met before' : 'first request to a host';
    const none = { peer: null, peerName: null, ratio: null, rounds: rows };
    const times = of(10_000) / of(10);
    return [
      {
        ...none,
        what: `decision at 1,000 rules, ${which}`,
        unit: 'µs',
        ours: of(1000) / 1000,
        goal: 'under 5 µs',
        isReached: of(1000) < 5000,
      },
      {
        ...none,
        what: `decision at 10,000 rules over 10 rules, ${which}`,
        unit: 'x',
        ours: Number(times.toFixed(2)),
        goal: 'within 2x',
        isReached: times <= 2,
      },
    ];
  });
}

if (import.meta.main) {
  for (const size of sizes)
    process.stdout.write(`${JSON.stringify({ bench: 'decide', ...measureSize(size) })}\n`);
}
