// How fast questions are answered out of an embedded store of many flows: `node launch.mjs --script bench/store.ts
// [FLOWS]` (default 10,000,000) fills one in a temporary folder (30 days, 200 repositories; about 3 GB and half an hour for
// the default, removed at the end), says how it gets on, and prints the median and p95 of each question.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowRecord } from '../flow/flow.ts';
import { uuidv7 } from '../flow/uuid.ts';
import { SqliteReader } from '../store/sqlite-reader.ts';
import { SqliteStore } from '../store/sqlite-store.ts';
import { questionsOf, type Questions } from '../store/store-port.ts';
import { flow } from '../test/lab/stored-flows.ts';

const [days, repositories, hosts, runners, batch, rounds] = [30, 200, 2_000, 400, 2_000, 40];
const flows = Number(process.argv[2] ?? 10_000_000);
const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 9, 25);
const template = flow(1).closed;

/** The same numbers at every run. */
let seed = 1;
function draw(below: number): number {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
}

/** Flows of one job follow each other, about 36 hosts of its repository's own. */
function makeFlow(serial: number): FlowRecord {
  const atMs = startMs + Math.floor((serial / flows) * days * dayMs);
  const job = Math.floor(serial / 400);
  const repository = job % repositories;
  const host = draw(10) === 0 ? draw(hosts) : (repository * 7 + draw(36)) % hosts;
  const isBlocked = draw(50) === 0;
  const time = new Date(atMs).toISOString();
  const runId = `${Math.floor(job / 4)}`;
  return {
    ...template,
    id: uuidv7(atMs),
    kind: draw(3) === 0 ? 'dns' : 'request',
    time,
    runner: `10.${job % 4}.0.${1 + (job % (runners / 4))}`,
    job: {
      ...template.job!,
      repository: `owner-${repository % 20}/repo-${repository}`,
      name: `job-${job % 4}`,
      runId,
    },
    attribution: { source: 'job-message', certainty: 'certain', jobId: `github.com/${job}` },
    destination: { ...template.destination, host: `h${host}.example` },
    http: { ...template.http!, path: `/p/${draw(5_000)}` },
    decision: { ...template.decision, verdict: isBlocked ? 'block' : 'allow', enforced: isBlocked },
  };
}

function fill(folder: string): void {
  const store = new SqliteStore(folder);
  const began = performance.now();
  for (let at = 0; at < flows; at += batch) {
    const records = Array.from({ length: Math.min(batch, flows - at) }, (_, index) => makeFlow(at + index));
    store.write(records, [{ gateway: 'gw', name: 'a', bytes: at }]);
    if ((at / batch) % 250 !== 0) continue;
    const perSecond = Math.round(at / ((performance.now() - began) / 1_000));
    process.stderr.write(`\r${Math.round((100 * at) / flows)} %, ${perSecond} flows/s   `);
  }
  process.stderr.write(`\r${Math.round(store.sizeBytes() / 1_048_576)} MiB                    \n`);
  store.close();
}

const page = { limit: 100, cursor: null };
const lastDay = new Date(startMs + (days - 1) * dayMs).toISOString().slice(0, 10);
const range = { fromDay: new Date(startMs).toISOString().slice(0, 10), untilDay: lastDay };
const someRepository = () => 1 + draw(repositories);

/** The questions behind the pages, each with another subject every time. */
const asked: Readonly<Record<string, (ask: Questions) => Promise<unknown>>> = {
  'latest flows': (ask) => ask.flows({}, page),
  'latest blocked flows': (ask) => ask.flows({ verdict: 'block' }, page),
  'flows of a job': (ask) => ask.flows({ job: 1 + draw(flows / 400) }, page),
  'flows of a repository': (ask) => ask.flows({ repository: someRepository() }, page),
  'flows of a host': (ask) => ask.flows({ host: `h${draw(hosts)}.example` }, page),
  'flows of a runner': (ask) => ask.flows({ runner: `10.${draw(4)}.0.${1 + draw(runners / 4)}` }, page),
  runs: (ask) => ask.runs({}, page),
  'runs of a repository': (ask) => ask.runs({ repository: someRepository() }, page),
  jobs: (ask) => ask.jobs({}, page),
  destinations: (ask) => ask.destinations(range, page),
  'destinations of a repository': (ask) => ask.destinations({ ...range, repository: someRepository() }, page),
  'hours of a day': (ask) => ask.hours(startMs + draw(days) * dayMs, startMs + days * dayMs),
  'search by part of a path (free)': (ask) => ask.flows({ path: `/p/${draw(5_000)}` }, page),
};

const folder = mkdtempSync(join(tmpdir(), 'sallyport-bench-store-'));
try {
  fill(folder);
  const reader = new SqliteReader(folder);
  const questions = questionsOf(reader.main, reader.flows);
  for (const [name, ask] of Object.entries(asked)) {
    const times: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const began = performance.now();
      await ask(questions);
      times.push(performance.now() - began);
    }
    times.sort((a, b) => a - b);
    const at = (share: number): string => times[Math.floor(share * (rounds - 1))]!.toFixed(1).padStart(8);
    process.stdout.write(`${name.padEnd(34)} median ${at(0.5)} ms  p95 ${at(0.95)} ms\n`);
  }
  await reader.close();
} finally {
  rmSync(folder, { recursive: true });
}
