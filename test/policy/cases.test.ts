// What policies mean, by the table of cases, through `explain`: the same for jobs that are declared and for live ones.

import t from 'tap';
import type { Attribution, Job } from '../../flow/job.ts';
import { DeclaredJobs } from '../../jobs/declared.ts';
import { readLiveTable } from '../../jobs/live-table.ts';
import { mergeTables } from '../../jobs/merge-tables.ts';
import { PublishedJobs } from '../../jobs/published-jobs.ts';
import { liveEntry, liveTable } from '../lab/live-tables.ts';
import { J, sections } from './case-table.ts';
import { ask, policyOf } from './judge.ts';

const address = '10.0.0.9';
const sourceNames: Readonly<Record<string, string>> = { declared: 'declared', live: 'job-message' };
/** Whoever it is, as each source that scopes decide by says it. */
const sources: Readonly<Record<string, (who: Attribution) => Attribution>> = {
  declared: ({ job, conflict }) => {
    const text = job === null ? [] : [{ addresses: [address], ...withoutNulls(job) }];
    return { ...new DeclaredJobs(text).attribute(address), conflict };
  },
  // What one worker wrote into its file, as control tells it to all.
  live: ({ job, conflict }) => {
    const jobs = job === null ? [] : [liveEntry({ address, job })];
    const table = readLiveTable(JSON.stringify(liveTable({ jobs, conflicts: conflict ? [address] : [] })))!;
    const merged = mergeTables({ living: [table], gone: [], before: [], machines: [] }, 5_000);
    return new PublishedJobs(merged).attribute(address, 5_000);
  },
};
const withoutNulls = (job: Job) =>
  Object.fromEntries(Object.entries(job).filter(([, value]) => value !== null));

for (const [source, heardAs] of Object.entries(sources))
  for (const [section, cases] of Object.entries(sections))
    void t.test(`${section}, of ${source} jobs`, (t) => {
      for (const [title, text, rows, files] of cases) {
        const policy = policyOf(text, files);
        for (const [who, question, answer] of rows) {
          const heard = heardAs(who);
          t.equal(heard.source, who.job === null && !who.conflict ? 'none' : sourceNames[source]);
          t.equal(ask(policy, heard, question), answer, `${title}: ${question}`);
        }
      }
      t.end();
    });

void t.test('the order of rules and scopes never matters', (t) => {
  const rules = [
    '{id: a, host: "**.x.example", methods: any}',
    '{id: b, host: p.x.example, action: block}',
    '{id: c, host: q.x.example, paths: /no, action: block}',
  ];
  const questions = ['GET https://p.x.example/', 'GET https://q.x.example/no', 'GET https://q.x.example/yes'];
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  for (const order of orders) {
    const policy = policyOf(`http: [${order.map((index) => rules[index]).join(', ')}]`);
    t.same(
      questions.map((question) => ask(policy, J, question)),
      ['block block-rule b', 'block block-rule c', 'allow a'],
    );
  }
  t.end();
});
