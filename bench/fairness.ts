// What a runner notices of another one on the same worker that does whatever costs most: the slowest hundredth of its
// requests and questions beside each flood, by the slowest hundredth at rest, in rounds that alternate. Ours alone.

import { floods, measureFairness } from '../test/lab/fairness.ts';
import type { MixedTimes } from '../test/lab/mixed-load.ts';
import { aimedAt, median, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import type { ProxyOptions } from './requests.ts';

const kinds = { kept: 'kept connections', fresh: 'new connections', dnsUdp: 'DNS' } as const;
const mostTimes = 3;

/** One figure a flood: the worst of the three ways of asking. */
export async function measureOthers(options: ProxyOptions, progress: Progress): Promise<Figure[]> {
  const { isQuick } = options;
  const { atRest, beside } = await measureFairness({
    rounds: isQuick ? 1 : Math.max(options.rounds, 5),
    windowMs: isQuick ? 500 : 3_000,
    floods: isQuick ? ['large bodies'] : Object.keys(floods),
    onProgress: (text) => progress(`fairness, ${text}`),
  });
  return Object.entries(beside).map(([flood, rounds]) => figureOf(flood, atRest, rounds));
}

function figureOf(flood: string, atRest: readonly MixedTimes[], beside: readonly MixedTimes[]): Figure {
  const all = Object.entries(kinds).map(([kind, name]) => {
    const [rest, slow] = [slowest(atRest, kind), slowest(beside, kind)];
    return { times: slow / rest, text: `${name} ${slow.toFixed(1)} of ${rest.toFixed(1)} ms` };
  });
  const times = Math.max(...all.map((one) => one.times));
  const texts = all.map((one) => one.text).join(', ');
  const what = `99th percentile of one runner beside another's ${flood} (${texts})`;
  return aimedAt(single(what, 'x', times, beside), `at most ${mostTimes}x`, times <= mostTimes);
}

const slowest = (rounds: readonly MixedTimes[], kind: string) =>
  median(rounds.map((times) => times[kind]?.p99Ms ?? Number.POSITIVE_INFINITY));
