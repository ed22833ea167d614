// Writes results.md: every figure beside its peer, each goal with reached or missed, and on what it was measured.

import type { MachineProfile } from './machine.ts';
import type { Figure } from './measure.ts';

/** One run of the whole benchmark. `otherWorkPercent` is how busy the machine was before it started. */
export interface BenchRun {
  /** The day, as YYYY-MM-DD. */
  readonly date: string;
  readonly machine: MachineProfile;
  readonly otherWorkPercent: number;
  readonly figures: readonly Figure[];
}

const say = (value: number | null, unit: string) =>
  value === null ? '' : `${value.toLocaleString('en-US')} ${unit}`;
const verdictOf = (figure: Figure) =>
  figure.isReached === null ? '' : figure.isReached ? '**reached**' : '**missed**';

function rowOf(figure: Figure): string {
  const { what, unit, ours, peer, peerName, ratio, goal } = figure;
  const beside = peer === null ? '' : `${say(peer, unit)} (${peerName})`;
  const cells = [
    what,
    say(ours, unit),
    beside,
    ratio === null ? '' : `${ratio}x`,
    goal ?? '',
    verdictOf(figure),
  ];
  return `| ${cells.join(' | ')} |`;
}

/** The page as Markdown. */
export function writeResults({ date, machine, otherWorkPercent, figures }: BenchRun): string {
  const { processor, cores, memoryGb, kernel, versions } = machine;
  const goals = figures.filter(({ goal }) => goal !== null);
  const reached = goals.filter(({ isReached }) => isReached === true).length;
  const busy =
    otherWorkPercent < 5
      ? 'Nothing else of note ran on the machine when it began.'
      : `Other work used ${otherWorkPercent} % of the machine when it began, and may have gone on: read ratios, not absolute figures.`;
  return [
    '# Results',
    '',
    `Written by \`npm run bench\` on ${date}: ${reached} of ${goals.length} goals reached. ${busy}`,
    '',
    'Each figure is the median over rounds that alternate between ours and the program beside it, in one run, with the servers on one core and the load on the other; the ratio is the median of the ratios of the rounds. CPU is user and system time of the process and its children.',
    '',
    '| figure | ours | beside it | ratio | goal | |',
    '|---|---|---|---|---|---|',
    ...figures.map(rowOf),
    '',
    '## How to read it',
    '- Ours decides each request by a policy of 1,000 rules and writes two records of it to a file; squid and unbound decide and record nothing.',
    '- An unseen host costs a leaf of its own, a new TLS context and a verified handshake with the server; a seen one has the leaf, and a pooled connection to its server. squid makes a new connection to the server in both cases. Ours is measured without its look-up of the name and signs in its own process; squid reads its names from a file.',
    '- Memory is the resident memory of the process and its children; idle connections have had one request each.',
    '',
    '## Measured on',
    `${processor}, ${cores} cores, ${memoryGb} GB, Linux ${kernel}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
  ].join('\n');
}
