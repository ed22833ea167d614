// Time of one policy decision at 10 to 10,000 rules: median nanoseconds of decideHost and decideRequest, for hosts met
// before and for hosts of which each is met for the first time. By itself it prints JSON lines.

import { unattributed } from '../flow/job.ts';
import { decideHost, decideRequest } from '../policy/decide.ts';
import { loadPolicy } from '../policy/load.ts';
import { effectivePolicy, type EffectivePolicy } from '../policy/scope.ts';
import { aimedAt, median, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';

const sizes = [10, 100, 1000, 10_000] as const;
const batch = 1000;
const batches = 60;
const warmUp = 20;

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

/** The same questions at every size: ten rules of each kind that are met, spread over all, and 250 unknown hosts. */
function listKnown(size: number): Sample[] {
  return Array.from({ length: batch }, (_, i) => {
    if (i % 4 === 3) return { host: `unknown${i}.example`, path: '/' };
    const at = (i % 10) + 10 * (((i % 10) * 7919) % (size / 10));
    if (at % 10 === 9) return { host: 'api.example', path: `/v1/p${at}/x` };
    return at % 2 === 0 ? { host: `h${at}.example`, path: '/x' } : { host: `x.w${at}.example`, path: '/a/b' };
  });
}

/** Hosts of which each comes once: half under one of four wildcards, half unknown. */
function listNew(size: number): Sample[] {
  return Array.from({ length: batch }, (_, i) => {
    const kind = 1 + ((i % 8) & 6);
    const at = kind + 10 * ((kind * 7919) % (size / 10));
    return { host: i % 2 === 0 ? `x${i}.w${at}.example` : `unknown${i}.example`, path: '/a/b' };
  });
}

/** Nanoseconds of one decision, over one batch for host and request. */
function timeBatch(effective: EffectivePolicy, samples: readonly Sample[]): number {
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
  return Number(process.hrtime.bigint() - started) / (samples.length * 2);
}

interface Size {
  readonly rules: number;
  readonly known: readonly Sample[];
  readonly fresh: readonly Sample[];
  readonly policy: EffectivePolicy;
  readonly knownHostNs: number[];
  readonly newHostNs: number[];
}

function openSize(rules: number): Size {
  const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': writePolicy(rules) } });
  const effective = effectivePolicy(policy, unattributed);
  const samples = { known: listKnown(rules), fresh: listNew(rules) };
  return { rules, ...samples, policy: effective, knownHostNs: [], newHostNs: [] };
}

/** Rounds alternate between the sizes, so that what disturbs one disturbs all; the first ones only warm up. */
function measureSizes(progress: Progress): Size[] {
  const opened = sizes.map(openSize);
  for (let at = -warmUp; at < batches; at++) {
    if (at === 0) progress(`decisions at ${sizes.join(', ')} rules`);
    for (const { policy, known, fresh, knownHostNs, newHostNs } of opened) {
      const knownNs = timeBatch(policy, known);
      const newNs = timeBatch({ ...policy, views: new Map(), rules: new Map() }, fresh);
      if (at < 0) continue;
      knownHostNs.push(knownNs);
      newHostNs.push(newNs);
    }
  }
  return opened;
}

/** Both goals on decisions, for hosts met before and for new ones alike. */
export function measureDecisions(progress: Progress): Figure[] {
  const measured = measureSizes(progress);
  const of = (rules: number) => measured.find((size) => size.rules === rules)!;
  return (['knownHostNs', 'newHostNs'] as const).flatMap((field) => {
    const which = field === 'knownHostNs' ? 'host met before' : 'first request to a host';
    const rounds = measured.map((size) => ({ rules: size.rules, medianNs: Math.round(median(size[field])) }));
    const timeUs = median(of(1000)[field]) / 1000;
    const times = median(of(10_000)[field].map((value, at) => value / of(10)[field][at]!));
    return [
      aimedAt(single(`decision at 1,000 rules, ${which}`, 'µs', timeUs, rounds), 'under 5 µs', timeUs < 5),
      aimedAt(
        single(`decision at 10,000 rules over 10 rules, ${which}`, 'x', times, rounds),
        'within 2x',
        times <= 2,
      ),
    ];
  });
}

if (import.meta.main) {
  for (const size of measureSizes(() => {})) {
    const [knownHostNs, newHostNs] = [
      Math.round(median(size.knownHostNs)),
      Math.round(median(size.newHostNs)),
    ];
    process.stdout.write(
      `${JSON.stringify({ bench: 'decide', rules: size.rules, knownHostNs, newHostNs })}\n`,
    );
  }
}
