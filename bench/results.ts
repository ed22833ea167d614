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

const say = (value: number, unit: string) =>
  Number.isNaN(value) ? 'failed' : `${value.toLocaleString('en-US')} ${unit}`;
const verdictOf = ({ goal, isReached }: Figure) =>
  goal === null ? '' : isReached === null ? 'not measured' : isReached ? '**reached**' : '**missed**';

/** One row of the table: measure, goal, ours, peers with ours by theirs, verdict. */
export function rowOf(figure: Figure): string {
  const { what, unit, ours, peers, goal } = figure;
  const beside = peers.map(({ name, value, ratio }) =>
    Number.isNaN(ratio) ? `${name}: ${say(value, unit)}` : `${name}: ${say(value, unit)} (${ratio}x)`,
  );
  return `| ${[what, goal ?? '', say(ours, unit), beside.join('<br>'), verdictOf(figure)].join(' | ')} |`;
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
    'Each figure is the median over rounds that alternate between ours and the programs beside it, in one run, with the programs on one core and the load and its server on the other; in brackets the median of ours by theirs in each round. CPU is user and system time of the process and its children.',
    '',
    '![CPU per request](results.svg)',
    '',
    '| measure | goal | ours | peers | reached or missed |',
    '|---|---|---|---|---|',
    ...figures.map(rowOf),
    '',
    '## How to read it',
    '- Ours decides each request by a policy of 1,000 rules and writes two records of it to a file, and each DNS answer likewise; the others decide and record nothing. haproxy with TLS on both sides is what the work costs in a program made for nothing else.',
    '- An unseen host costs a leaf of its own, a new TLS context and a verified handshake with the server; a seen one has the leaf, and a pooled connection to its server. squid makes a new connection to the server in both cases. Ours is measured without its look-up of the name and signs in its own process; squid reads its names from a file.',
    '- A peer that failed did not answer everything under that load; http-mitm-proxy gets its connections from a relay that speaks CONNECT and is not counted.',
    '- A whole build has one core to itself, as a runner has a machine; its servers and what stands between share the other. Clients read the same count of trusted roots in every case, and files go to memory. The first build of each case is thrown away.',
    '- New connections exchange keys by X25519, which all programs know; ours takes the hybrid with ML-KEM where the client offers it, for about a tenth more.',
    "- Records come into the store as workers write them, both of each flow, in a process on one core (PostgreSQL and its disk cache on any). The questions are asked one after the other of the store's thread, over SQLite.",
    '- Memory is the resident memory of the process and its children; idle connections have had one request each.',
    '- Scaling over cores cannot be shown on two cores that carry the load as well: two workers share them with it. On a larger machine `npm run bench -- growth` shows the same row with cores to spare.',
    '',
    '## Measured on',
    `${processor}, ${cores} cores, ${memoryGb} GB, Linux ${kernel}; ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
    '',
  ].join('\n');
}
