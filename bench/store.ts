// The store: how fast records come into it on one core, in SQLite and in PostgreSQL, and how long the questions behind
// the pages take where many flows are kept, with the memory of whoever asks. Ours alone.

import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { segmentName } from '../store/segment-name.ts';
import type { StorePort } from '../store/store-port.ts';
import { ThreadedStore } from '../store/threaded-store.ts';
import { findPostgres, PostgresServer } from '../test/lab/postgres-server.ts';
import { aimedAt, median, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import { flowsOfDay, openedOf } from './store-flows.ts';

export interface StoreBenchOptions {
  readonly rounds: number;
  readonly isQuick: boolean;
  /** Flows that questions are asked over. */
  readonly flows: number;
}

const dayMs = 86_400_000;
const linesOfSegment = 20_000;

/** Everything about the store. */
export async function measureStore(options: StoreBenchOptions, progress: Progress): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-store-'));
  try {
    return [
      ...(await measureIngest(folder, options, progress)),
      ...(await measureQuestions(folder, options, progress)),
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const runTo = (args: readonly string[], progress: Progress | null = null): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(args[0]!, args.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += String(chunk);
      progress?.(String(chunk).trim());
    });
    child.on('close', (code) =>
      code === 0 ? resolve(text) : reject(new Error(`${args.join(' ')} ended with ${code}`)),
    );
  });

const ours = (program: string, ...args: string[]): string[] => [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  join(import.meta.dirname, program),
  ...args,
];

/** Fills the store of a folder with so many flows over 30 days, by a process of its own. */
export async function fillStore(folder: string, flows: number, progress: Progress): Promise<void> {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  await runTo(ours('fill-store.ts', folder, String(flows)), (line) => progress(`filling, ${line}`));
}

/** Segments with both records of each flow, as workers write them: the first ones of yesterday. */
export function writeSegments(folder: string, flows: number, process = 'worker-0'): void {
  mkdirSync(folder, { recursive: true });
  const startMs = Math.floor(Date.now() / dayMs) * dayMs - dayMs;
  for (let number = 0; number * linesOfSegment < 2 * flows; number++) {
    const closed = flowsOfDay(startMs, flows, (number * linesOfSegment) / 2, linesOfSegment / 2);
    const lines = closed.flatMap((record) => [JSON.stringify(openedOf(record)), JSON.stringify(record)]);
    writeFileSync(join(folder, segmentName(process, startMs, number + 1)), `${lines.join('\n')}\n`);
  }
}

async function measureIngest(
  folder: string,
  options: StoreBenchOptions,
  progress: Progress,
): Promise<Figure[]> {
  const segments = join(folder, 'segments');
  writeSegments(segments, options.isQuick ? 10_000 : 150_000);
  const rounds = options.isQuick ? 1 : Math.max(3, options.rounds);
  const values: Record<'sqlite' | 'postgres', number[]> = { sqlite: [], postgres: [] };
  const bin = findPostgres();
  for (let at = 0; at < rounds; at++) {
    progress(`ingest, round ${at + 1} of ${rounds}`);
    values.sqlite.push(await rateOf(segments, join(folder, `store-${at}`)));
    if (bin === null) continue;
    const server = new PostgresServer(bin);
    try {
      values.postgres.push(await rateOf(segments, `postgres:${server.host}`));
    } finally {
      server.close();
    }
  }
  const [sqlite, postgres] = [median(values.sqlite), median(values.postgres)];
  const what = 'records of flows that come into the store, on one core';
  return [
    aimedAt(single(`${what}, SQLite`, '/s', sqlite, values.sqlite), 'at least 15,000', sqlite >= 15_000),
    aimedAt(
      single(`${what}, PostgreSQL beside it`, '/s', postgres, values.postgres),
      'at least 10,000',
      postgres >= 10_000,
    ),
  ];
}

async function rateOf(segments: string, place: string): Promise<number> {
  const text = await runTo(['taskset', '-c', '0', ...ours('ingest-records.ts', segments, place)]);
  // Printed by our own program.
  const { records, wallMs } = JSON.parse(text) as { records: number; wallMs: number };
  if (!place.startsWith('postgres:')) rmSync(place, { recursive: true });
  return (records / wallMs) * 1_000;
}

type Question = (store: StorePort, at: number) => Promise<unknown>;

const page = { limit: 100, cursor: null };
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** What the pages ask, and one free search; `at` changes what is asked for. */
function questionsAt(nowMs: number): Readonly<Record<string, Question>> {
  const month = { fromMs: nowMs - 30 * dayMs, untilMs: nowMs };
  const days = { fromDay: dayOf(month.fromMs), untilDay: dayOf(month.untilMs) };
  const week = { fromMs: nowMs - 7 * dayMs, untilMs: nowMs };
  const repository = (at: number) => 1 + (at % 200);
  const host = (at: number) => `h${at % 2_000}.example.com`;
  return {
    'the latest runs': (store) => store.ask('runs', {}, page),
    'runs of a repository': (store, at) => store.ask('runs', { repository: repository(at) }, page),
    'jobs of a repository': (store, at) => store.ask('jobs', { repository: repository(at) }, page),
    'a job': (store, at) => store.ask('job', 1 + ((at * 37) % 20_000), null),
    'flows of a job': (store, at) => store.ask('flows', { job: 1 + ((at * 37) % 20_000) }, page),
    'the latest flows': (store) => store.ask('flows', {}, page),
    'blocked flows of two days': (store) =>
      store.ask('flows', { verdict: 'block', fromMs: nowMs - 2 * dayMs, untilMs: nowMs }, page),
    'flows to a host in a week': (store, at) => store.ask('flows', { host: host(at), ...week }, page),
    'flows of a repository in a week': (store, at) =>
      store.ask('flows', { repository: repository(at), ...week }, page),
    'destinations of a month': (store) => store.ask('destinations', days, page),
    'destinations of a month by name': (store, at) =>
      store.ask('destinations', { ...days, name: `h${at % 90}` }, page),
    'destinations of a repository': (store, at) =>
      store.ask('destinations', { ...days, repository: repository(at) }, page),
    'visits of a host': (store, at) => store.ask('visits', host(at), {}),
    'hours of a week': (store) => store.ask('hours', week.fromMs, week.untilMs),
    'hours of a repository in a week': (store, at) =>
      store.ask('hours', week.fromMs, week.untilMs, { repository: repository(at) }),
    repositories: (store) => store.ask('repositories', {}, page),
    runners: (store) => store.ask('runners', {}, page),
    gateways: (store) => store.ask('gateways'),
    'free search: a part of a path': (store, at) =>
      store.ask('flows', { path: `packages/${at % 5_000}`, ...month }, page),
  };
}

async function measureQuestions(
  folder: string,
  { isQuick, flows }: StoreBenchOptions,
  progress: Progress,
): Promise<Figure[]> {
  const [place, segments] = [join(folder, 'filled'), join(folder, 'no-segments')];
  const total = isQuick ? Math.min(flows, 30_000) : flows;
  await fillStore(place, total, progress);
  mkdirSync(segments);
  const source = { kind: 'embedded', folder: place } as const;
  const store = await ThreadedStore.open({ source, segments, gateway: 'gateway-0' });
  try {
    const figures: Figure[] = [];
    for (const [name, question] of Object.entries(questionsAt(Date.now()))) {
      progress(`asking for ${name}`);
      const times = await timesOf(store, question, isQuick ? 5 : 40);
      const p95 = times.toSorted((a, b) => a - b)[Math.ceil(times.length * 0.95) - 1]!;
      const most = name.startsWith('free search') ? 1_000 : 100;
      figures.push(
        aimedAt(
          single(`${name}, 95th percentile`, 'ms', p95, times),
          `at most ${most.toLocaleString('en-US')} ms`,
          p95 <= most,
        ),
      );
    }
    const memory = anonymousMb();
    return [
      single('flows that the questions below are asked over', '', total, []),
      ...figures,
      aimedAt(single('anonymous memory of whoever asked', 'MB', memory, []), 'at most 500 MB', memory <= 500),
    ];
  } finally {
    await store.close();
  }
}

async function timesOf(store: StorePort, question: Question, count: number): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < count; at++) {
    const before = performance.now();
    await question(store, at * 13 + 1);
    times.push(performance.now() - before);
  }
  return times;
}

const anonymousMb = (): number =>
  Number(/RssAnon:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) / 1_024;
