// The files by which processes share who runs where, and what control makes of all of them.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { PublishedWatch, TableWriter } from '../../jobs/live-table-file.ts';
import type { Attribution } from '../../flow/job.ts';
import { EntryTexts, writePublishedTable } from '../../jobs/entry-texts.ts';
import { JobHistory } from '../../jobs/job-history.ts';
import {
  attributionOfEntry,
  readLiveTable,
  readPublishedTable,
  type LiveEntry,
} from '../../jobs/live-table.ts';
import { mergeTables, type Heard, type MergeInput } from '../../jobs/merge-tables.ts';
import { PublishedJobs } from '../../jobs/published-jobs.ts';
import { liveEntry, liveTable, publishedTable } from '../lab/live-tables.ts';

const heard = (...jobs: LiveEntry[]): Heard => ({ jobs, managers: [], conflicts: [], ended: [] });
const merge = (input: Partial<MergeInput>, nowMs = 5_000) =>
  mergeTables({ living: [], gone: [], before: [], machines: [], ...input }, nowMs);
/** Whose the flows of an address are, in a word. */
function who(merged: ReturnType<typeof merge>, address: string, nowMs = 5_000): string {
  const { job, conflict, source, certainty } = new PublishedJobs(merged).attribute(address, nowMs);
  return conflict ? 'conflict' : job === null ? 'nobody' : `${job.repository} ${source} ${certainty}`;
}

t.test('a table is read as it was written, and whatever is not of its form is none', async (t) => {
  const table = liveTable({ jobs: [liveEntry({ machine: '192.0.2.7 2001:db8::7' })] });
  t.same(readLiveTable(JSON.stringify(table)), table);
  t.same(
    readLiveTable(JSON.stringify({ ...table, later: { more: 1 } })),
    table,
    'a newer program’s key is left out',
  );
  const published = publishedTable({ jobs: table.jobs });
  t.same(readPublishedTable(JSON.stringify(published)), published);
  const entry = table.jobs[0]!;
  const spoilt: readonly [string, unknown][] = [
    ['no JSON', '{"v":1'],
    ['null', 'null'],
    ['a list', '[]'],
    ['another version', { ...table, v: 2 }],
    ['no jobs', { ...table, jobs: undefined }],
    ['a long address', { ...table, managers: ['1'.repeat(46)] }],
    ['a number for an address', { ...table, conflicts: [7] }],
    ['a time that is none', { ...table, jobs: [{ ...entry, untilMs: 1.5 }] }],
    ['a source that is none', { ...table, jobs: [{ ...entry, source: 'none' }] }],
    ['a list for a text', { ...table, jobs: [{ ...entry, agent: ['a'] }] }],
    [
      'a job of three',
      { ...table, jobs: [{ ...entry, message: { ...entry.message, job: { platform: 'github' } } }] },
    ],
    ['a text of a megabyte', { ...table, jobs: [{ ...entry, agent: 'a'.repeat(1_000_000) }] }],
    [
      'a step of no name',
      { ...table, jobs: [{ ...entry, message: { ...entry.message, steps: [{ id: '1' }] } }] },
    ],
    ['17,000 jobs', { ...table, jobs: Array.from({ length: 17_000 }, () => entry) }],
    [
      'a matrix of lists',
      { ...table, jobs: [{ ...entry, message: { ...entry.message, matrix: { a: [] } } }] },
    ],
  ];
  for (const [title, value] of spoilt)
    t.equal(readLiveTable(typeof value === 'string' ? value : JSON.stringify(value)), null, title);
  t.equal(readPublishedTable(JSON.stringify({ ...published, key: 'c2hvcnQ=' })), null, 'a short key');
  const texts = new EntryTexts();
  const first = readPublishedTable(writePublishedTable(published), texts.read);
  t.same(first, published);
  texts.end();
  const again = readPublishedTable(writePublishedTable({ ...published, atMs: 9 }), texts.read);
  t.equal(again?.jobs[0], first?.jobs[0], 'an entry that is the same is not read again');
  for (const entry of ['{', 'null', '"a"', JSON.stringify({ ...table.jobs[0], untilMs: 'later' })])
    t.equal(readPublishedTable(JSON.stringify({ ...published, jobs: [entry] }), texts.read), null, entry);
});

t.test('a watch hands over each good table and keeps it while a later one is none', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-tables-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'jobs.current.json');
  const [seen, errors]: [number[], unknown[]] = [[], []];
  const put = (text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
    watch.check();
  };
  const watch = new PublishedWatch({
    path,
    everyMs: 3_600_000,
    onChange: ({ atMs }) => seen.push(atMs),
    onError: (error) => errors.push(error),
  });
  t.teardown(() => watch.close());
  t.equal(watch.table, null);
  put(JSON.stringify(publishedTable({ atMs: 1 })));
  watch.check();
  put('{"v":1,');
  put(JSON.stringify(publishedTable({ atMs: 20 })).padEnd(40_000));
  t.same(seen, [1, 20]);
  t.equal(errors.length, 1);
  t.equal(watch.table?.atMs, 20);
});

t.test('a table is written once for changes that come together, and renewals alone wait', async (t) => {
  const written: string[] = [];
  let text = 'a';
  const writer = new TableWriter({
    collect: () => text,
    write: (json) => written.push(json),
    onError: (error) => t.fail(String(error)),
    soonMs: 5,
    laterMs: 60_000,
  });
  writer.changed('renewed');
  await sleep(30);
  t.same(written, []);
  writer.changed();
  text = 'b';
  writer.changed();
  await t.resolveMatch(
    until(() => written.length > 0),
    true,
  );
  await sleep(20);
  t.same(written, ['b']);
  writer.changed('renewed');
  writer.flush();
  t.same(written, ['b', 'b'], 'what is due is written at the end');
});

async function until(test: () => boolean): Promise<boolean> {
  for (let i = 0; i < 200 && !test(); i++) await sleep(10);
  return test();
}

t.test('whose an address is, when several speak of it', async (t) => {
  const [a, b] = ['192.0.2.7', '192.0.2.8'];
  const app = liveEntry({ address: a, id: '1' });
  const other = liveEntry({ address: a, id: '2', repository: 'acme/other' });
  const pod = liveEntry({ address: a, id: '', source: 'kubernetes', certainty: 'certain', sinceMs: 1 });
  const claim = liveEntry({
    address: a,
    id: '',
    source: 'hook-claim',
    certainty: 'likely',
    repository: 'acme/vault',
  });
  const rows: readonly [title: string, input: Partial<MergeInput>, answer: string][] = [
    ['nobody speaks', {}, 'nobody'],
    ['one worker', { living: [heard(app)] }, 'acme/app job-message certain'],
    ['another address', { living: [heard({ ...app, address: b })] }, 'nobody'],
    ['past its time', { living: [heard({ ...app, untilMs: 5_000 })] }, 'nobody'],
    [
      'two workers, one job',
      { living: [heard(app), heard({ ...app, untilMs: 99_000 })] },
      'acme/app job-message certain',
    ],
    ['two workers, two jobs', { living: [heard(app), heard(other)] }, 'conflict'],
    ['a worker that says so', { living: [heard(app), { ...heard(), conflicts: [a] }] }, 'conflict'],
    ['a manager of two', { living: [{ ...heard(app, other), managers: [a] }] }, 'conflict'],
    [
      'a manager’s jobs, which run elsewhere',
      { living: [{ ...heard({ ...app, certainty: 'unknown' }), managers: [a] }] },
      'nobody',
    ],
    ['a manager', { living: [{ ...heard(app), managers: [a] }] }, 'conflict'],
    ['a pod of the same job', { living: [heard(pod), heard(app)] }, 'acme/app job-message certain'],
    ['a pod of another', { living: [heard(pod), heard(other)] }, 'conflict'],
    ['a claim for another', { living: [heard(app), heard(claim)] }, 'acme/app job-message certain'],
    ['a claim alone', { living: [heard(claim)] }, 'acme/vault hook-claim likely'],
    ['an ended worker', { gone: [app] }, 'acme/app job-message certain'],
    [
      'an ended worker, and a newer job',
      { gone: [app], living: [heard(other)] },
      'acme/other job-message certain',
    ],
    [
      'an ended worker, and its job’s end',
      { gone: [app], living: [{ ...heard(), ended: [{ address: a, job: 'github.com/1', atMs: 1 }] }] },
      'nobody',
    ],
    [
      'the end of it elsewhere',
      { gone: [app], living: [{ ...heard(), ended: [{ address: b, job: 'github.com/1', atMs: 1 }] }] },
      'acme/app job-message certain',
    ],
    ['known before a restart', { before: [app] }, 'nobody'],
  ];
  for (const [title, input, answer] of rows) t.equal(who(merge(input), a), answer, title);
});

t.test(
  'what was known before a restart waits for its renewal, unless it ended or another job came',
  async (t) => {
    const app = liveEntry({ address: '192.0.2.7', id: '1' });
    const other = liveEntry({ address: '192.0.2.7', id: '2', repository: 'acme/other' });
    t.same(merge({ before: [app] }).recall, [app]);
    t.same(merge({ before: [app], living: [heard(app)] }).recall, []);
    t.same(merge({ before: [app], living: [heard(other)] }).recall, []);
    t.same(merge({ before: [{ ...app, untilMs: 4_999 }] }).recall, []);
    const ended = { ...heard(), ended: [{ address: '192.0.2.7', job: 'github.com/1', atMs: 1 }] };
    t.same(merge({ before: [app], living: [ended] }).recall, []);
  },
);

t.test('packets of a while are of whoever had the address all the while', async (t) => {
  const history = new JobHistory();
  const of = (id: string) => attributionOfEntry(liveEntry({ id, repository: `acme/${id}` }));
  const nobody: Attribution = { job: null, source: 'none', certainty: 'unknown', conflict: false };
  history.change('192.0.2.7', of('1'), 1_000, 0);
  history.change('192.0.2.7', of('1'), 1_500, 1_500);
  history.change('192.0.2.7', of('2'), 3_000, 2_000);
  history.change('192.0.2.7', nobody, 4_000, 4_000);
  history.change('192.0.2.7', { ...nobody, conflict: true }, 5_000, 5_000);
  const rows: readonly [fromMs: number, untilMs: number, who: string][] = [
    [500, 900, 'nobody'],
    [900, 1_100, 'nobody'],
    [1_000, 2_000, 'acme/1'],
    [1_600, 1_600, 'acme/1'],
    [1_900, 2_100, 'nobody'],
    [1_900, 3_100, 'nobody'],
    [2_100, 2_900, 'nobody'],
    [3_000, 4_000, 'acme/2'],
    [4_100, 4_900, 'nobody'],
    [5_100, 9_000, 'conflict'],
  ];
  const ask = (fromMs: number, untilMs: number, address = '192.0.2.7'): string => {
    const { job, conflict } = history.during(address, fromMs, untilMs);
    return conflict ? 'conflict' : (job?.repository ?? 'nobody');
  };
  for (const [fromMs, untilMs, who] of rows) t.equal(ask(fromMs, untilMs), who, `${fromMs} to ${untilMs}`);
  t.equal(ask(1_600, 1_600, '192.0.2.8'), 'nobody');
  history.forget(63_000);
  t.same([ask(1_600, 1_600), ask(3_500, 3_500), ask(5_100, 9_000)], ['nobody', 'acme/2', 'conflict']);
});

t.test('a manager of many jobs is no conflict', async (t) => {
  const jobs = ['1', '2'].map((id) => liveEntry({ id, repository: `acme/${id}` }));
  const { conflicts, managers } = merge({ living: [{ ...heard(...jobs), managers: ['192.0.2.7'] }] });
  t.same([conflicts, managers], [[], ['192.0.2.7']]);
});

t.test('both addresses of a machine are its job’s, and two jobs on them are nobody’s', async (t) => {
  const [v4, v6] = ['192.0.2.7', '2001:db8::7'];
  const app = liveEntry({ address: v4, id: '1' });
  const machines = [[v4, v6]];
  const merged = merge({ living: [heard(app)], machines });
  t.equal(who(merged, v4), 'acme/app job-message certain');
  t.equal(who(merged, v6), 'acme/app job-message likely');
  t.same(
    merged.jobs.map(({ machine }) => machine),
    [`${v4} ${v6}`, `${v4} ${v6}`],
  );
  t.equal(who(merge({ living: [heard(app)] }), v6), 'nobody', 'without knowing the machine');
  const end = { ...heard(app), ended: [{ address: v6, job: 'github.com/1', atMs: 1 }] };
  t.equal(who(merge({ living: [end], machines }), v4), 'nobody', 'its end was heard over the other family');
  const elsewhere = { ...heard({ ...app, certainty: 'unknown' }), managers: [v4] };
  t.equal(who(merge({ living: [elsewhere], machines }), v6), 'nobody', 'what a manager started elsewhere');
  const other = liveEntry({ address: v6, id: '2', repository: 'acme/other' });
  const both = merge({ living: [heard(app, other)], machines });
  t.same([who(both, v4), who(both, v6)], ['conflict', 'conflict']);
  const manager = merge({ living: [{ ...heard({ ...app, address: v6 }), managers: [v4] }], machines });
  t.same([who(manager, v4), who(manager, v6)], ['conflict', 'conflict'], 'a manager, and a job where it is');
});
