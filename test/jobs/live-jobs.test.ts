// Who runs on an address while jobs come and go on it, by a clock of the test's own.

import t from 'tap';
import { noMeter } from '../../flow/ports.ts';
import { LiveJobs } from '../../jobs/live-jobs.ts';
import { UnreadJobs } from '../../jobs/unread-jobs.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import { readJobMessage } from '../../platform/github/read-job-message.ts';
import { githubMessage } from '../lab/job-messages.ts';

const address = '192.0.2.7';
const id = (serial: number) => `e0a94d52-0000-4000-8000-00000000000${serial}`;
const message = (serial: number, repository = 'acme/widget'): JobMessage =>
  readJobMessage(
    Buffer.from(JSON.stringify(githubMessage({ jobId: id(serial), github: { repository } }))),
    'github.com',
    () => 'hash',
  )!;
const assigned = (serial: number, repository?: string) =>
  ({ kind: 'assigned', message: message(serial, repository), agent: 'runner-1', runsHere: true }) as const;
const named = (serial: number) => ({ server: 'github.com', jobId: id(serial) });

t.test('an address is that of the one job that lives there, until it ends', async (t) => {
  const ended: (string | null)[] = [];
  const changes: (string | null)[] = [];
  const jobs = new LiveJobs({
    now: () => 1_000,
    onEnd: (_, job, conclusion) => ended.push(`${job.message.jobId} ${conclusion}`),
    onChange: (_, { job }) => changes.push(job?.repository ?? null),
  });
  t.match(jobs.attribute(address), { job: null, source: 'none' });
  jobs.hear(`::ffff:${address}`, assigned(1));
  t.match(jobs.attribute(address), {
    job: { repository: 'acme/widget' },
    source: 'job-message',
    certainty: 'certain',
  });
  t.match(jobs.attribute('192.0.2.8'), { job: null, source: 'none' });
  jobs.hear(address, { kind: 'ended', ...named(2), conclusion: 'succeeded' });
  t.match(jobs.attribute(address), { job: { repository: 'acme/widget' } }, 'the end of another job');
  jobs.hear(address, { kind: 'ended', ...named(1), conclusion: 'succeeded' });
  t.match(jobs.attribute(address), { job: null, source: 'none', conflict: false });
  jobs.hear(address, assigned(2, 'acme/other'));
  t.match(jobs.attribute(address), { job: { repository: 'acme/other' } });
  t.same(ended, [`${id(1)} succeeded`]);
  t.same(changes, ['acme/widget', null, 'acme/other']);
});

t.test('a second job or a second agent is a conflict and replaces nobody', async (t) => {
  const jobs = new LiveJobs({ now: () => 1_000 });
  const inConflict = { job: null, source: 'job-message', certainty: 'unknown', conflict: true };
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'runner-1' });
  jobs.hear(address, assigned(1));
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'runner-1' });
  t.match(jobs.attribute(address), { conflict: false }, 'the same agent again');
  jobs.hear(address, assigned(2, 'acme/release'));
  t.same(jobs.attribute(address), inConflict);
  jobs.hear(address, { kind: 'ended', ...named(2), conclusion: 'failed' });
  t.same(jobs.attribute(address), inConflict, 'the first may be over: nobody would have said so');
  jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: 600_000 });
  t.match(
    jobs.attribute(address),
    { job: { repository: 'acme/widget' }, conflict: false },
    'its platform says that it goes on',
  );
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'runner-of-the-job' });
  t.same(jobs.attribute(address), inConflict);
  jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: 600_000 });
  t.same(jobs.attribute(address), inConflict, 'the other one asks still');
  jobs.hear(address, { kind: 'ended', ...named(1), conclusion: 'succeeded' });
  t.match(jobs.attribute(address), { conflict: false, source: 'none' });
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'runner-1' });
  jobs.hear(address, assigned(3));
  t.same(jobs.attribute(address), inConflict, 'the other one is still heard');
  jobs.hear(address, { kind: 'left', server: 'github.com', agent: 'runner-of-the-job' });
  t.same(jobs.attribute(address), inConflict, 'and may have come to a machine that is another one');
  jobs.hear(address, { kind: 'renewed', ...named(3), untilMs: 600_000 });
  t.match(jobs.attribute(address), { job: { repository: 'acme/widget' }, conflict: false });
});

t.test('who has left does not come back by what it asked before', async (t) => {
  const jobs = new LiveJobs({ now: () => 1_000 });
  const of = (kind: 'polled' | 'left', agent: string) =>
    jobs.hear(address, { kind, server: 'github.com', agent });
  of('polled', 'first');
  of('left', 'first');
  of('polled', 'first');
  of('polled', 'second');
  jobs.hear(address, { ...assigned(1), agent: 'second' });
  t.match(jobs.attribute(address), { conflict: false });
  jobs.hear(address, { kind: 'began', server: 'github.com', agent: 'first', runner: null });
  t.match(jobs.attribute(address), { conflict: true }, 'it began anew');
});

t.test('a machine that died leaves nothing to who comes after it', async (t) => {
  let now = 1_000;
  const jobs = new LiveJobs({ now: () => now });
  const began = (agent: string, runner: string) =>
    jobs.hear(address, { kind: 'began', server: 'github.com', agent, runner });
  began('boot-1', '7');
  jobs.hear(address, { ...assigned(5), agent: 'boot-1' });
  jobs.hear(address, { kind: 'ended', ...named(5), conclusion: 'succeeded' });
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'boot-1' });
  jobs.hear(address, { ...assigned(1), agent: 'boot-1' });
  t.match(jobs.attribute(address), { conflict: false });
  began('boot-2', '7');
  t.match(jobs.attribute(address), { conflict: true }, 'it was started anew in the middle of its job');
  jobs.hear(address, { ...assigned(2, 'acme/next'), agent: 'boot-2' });
  t.match(jobs.attribute(address), { job: { repository: 'acme/next' } }, 'its platform gave it another');
  began('boot-3', '7');
  jobs.hear(address, { ...assigned(4, 'evil/own'), agent: 'boot-3' });
  t.match(jobs.attribute(address), { conflict: true }, 'a registration of the same number, of another owner');
  jobs.hear(address, { kind: 'ended', ...named(4), conclusion: 'succeeded' });
  jobs.hear(address, { kind: 'renewed', ...named(2), untilMs: now + 600_000 });
  t.match(jobs.attribute(address), { job: { repository: 'acme/next' } });
  began('other', '8');
  t.match(jobs.attribute(address), { conflict: true }, 'another machine, on the address of one that died');
  jobs.hear(address, { ...assigned(3, 'acme/third'), agent: 'other' });
  t.match(jobs.attribute(address), { conflict: true }, 'of another runner: it replaces nobody');
  now += 60_000;
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'other' });
  jobs.hear(address, { kind: 'renewed', ...named(3), untilMs: now + 600_000 });
  t.match(jobs.attribute(address), { conflict: true });
  now += 60_000;
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'other' });
  jobs.hear(address, { kind: 'renewed', ...named(3), untilMs: now + 600_000 });
  t.match(jobs.attribute(address), { job: { repository: 'acme/third' } }, 'the dead one was renewed no more');
});

t.test('runners that are made for one job each follow each other on an address', async (t) => {
  let now = 0;
  const jobs = new LiveJobs({ now: () => now });
  for (const serial of [1, 2]) {
    const agent = `ephemeral-${serial}`;
    jobs.hear(address, { kind: 'polled', server: 'github.com', agent });
    jobs.hear(address, { ...assigned(serial), agent });
    t.match(jobs.attribute(address), { job: { repository: 'acme/widget' }, conflict: false });
    jobs.hear(address, { kind: 'ended', ...named(serial), conclusion: 'succeeded' });
  }
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'gone' });
  now = 120_000;
  jobs.hear(address, { kind: 'polled', server: 'github.com', agent: 'next' });
  jobs.hear(address, { ...assigned(3), agent: 'next' });
  t.match(jobs.attribute(address), { conflict: false }, 'who has not asked for two minutes is gone');
});

t.test('a job that is not renewed is given up, and one that is goes on', async (t) => {
  let now = 0;
  const ended: (string | null)[] = [];
  const jobs = new LiveJobs({ now: () => now, onEnd: (_, _job, conclusion) => ended.push(conclusion) });
  jobs.hear(address, assigned(1));
  now = 599_000;
  jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: now + 600_000 });
  now = 1_198_000;
  t.match(jobs.attribute(address), { job: { repository: 'acme/widget' } });
  now = 1_199_000;
  t.match(jobs.attribute(address), { source: 'none' });
  t.same(ended, [null]);
  jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: Number.MAX_SAFE_INTEGER });
  t.match(
    jobs.attribute(address),
    { job: { repository: 'acme/widget' } },
    'its runner tried for some minutes',
  );
  jobs.hear(address, { kind: 'ended', ...named(1), conclusion: 'succeeded' });
  jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: Number.MAX_SAFE_INTEGER });
  t.match(jobs.attribute(address), { source: 'none' }, 'what has ended is over');
  jobs.hear(address, assigned(2));
  jobs.hear(address, { kind: 'renewed', ...named(2), untilMs: Number.MAX_SAFE_INTEGER });
  now += 3_600_000;
  t.match(jobs.attribute(address), { source: 'none' }, 'no lease is longer than an hour');
});

t.test('a renewal brings back a job that others have heard of', async (t) => {
  const jobs = new LiveJobs({ now: () => 0, recall: ({ jobId }) => (jobId === id(3) ? message(3) : null) });
  jobs.hear(address, { kind: 'renewed', ...named(4), untilMs: 600_000 });
  t.match(jobs.attribute(address), { source: 'none' });
  jobs.hear(address, { kind: 'renewed', ...named(3), untilMs: 600_000 });
  t.match(jobs.attribute(address), { job: { repository: 'acme/widget' }, certainty: 'certain' });
});

t.test('a runner that starts its jobs elsewhere is no job’s address', async (t) => {
  const jobs = new LiveJobs({ now: () => 0 });
  jobs.hear(address, { ...assigned(1), runsHere: false });
  t.match(jobs.attribute(address), { job: null, source: 'none' });
  jobs.hear(address, assigned(2));
  t.match(jobs.attribute(address), { job: null, conflict: true });
});

t.test(
  'a job that nobody could read beside one that is known is a conflict, whoever was handed it, however often the other is renewed',
  async (t) => {
    const unread = (agent: string) =>
      ({ kind: 'unread', server: 'github.com', agent, cause: 'encrypted' }) as const;
    for (const agent of ['another', 'runner-1']) {
      const jobs = new LiveJobs({ now: () => 0 });
      jobs.hear(address, assigned(1));
      t.match(jobs.attribute(address), { job: { repository: 'acme/widget' } });
      jobs.hear(address, unread(agent));
      t.match(jobs.attribute(address), { job: null, conflict: true }, agent);
      jobs.hear(address, { kind: 'renewed', ...named(1), untilMs: 600_000 });
      t.match(jobs.attribute(address), { job: null, conflict: true }, 'it goes on, and so may the other');
    }
    const jobs = new LiveJobs({ now: () => 0 });
    jobs.hear(address, unread('runner-1'));
    t.match(
      jobs.attribute(address),
      { job: null, source: 'none', conflict: false },
      'by itself it is nobody’s',
    );
    jobs.hear(address, assigned(2));
    t.match(
      jobs.attribute(address),
      { job: { repository: 'acme/widget' } },
      'the same runner has another one',
    );
  },
);

t.test('jobs that nobody could read are said once and counted', async (t) => {
  const said: string[] = [];
  const counted: unknown[] = [];
  const unread = new UnreadJobs(
    { ...noMeter, count: (name, labels) => void counted.push([name, labels]) },
    ({ runner, cause }) => said.push(`${runner} ${cause}`),
  );
  for (let round = 0; round < 3; round++)
    unread.note(address, [
      { kind: 'polled', server: 'github.com', agent: 'runner-1' },
      { kind: 'unread', server: 'github.com', agent: 'runner-1', cause: 'encrypted' },
    ]);
  t.same(said, [`${address} encrypted`], 'said once');
  t.same(counted[2], ['sallyport_jobs_unread_total', { cause: 'encrypted' }]);
  t.equal(counted.length, 3);
});

t.test('a machine that speaks from many addresses makes nobody forget another', async (t) => {
  const jobs = new LiveJobs({ now: () => 0 });
  jobs.hear(address, assigned(1));
  const hex = (at: number) => at.toString(16);
  for (let at = 1; at <= 70_000; at++) {
    const other = `2001:db8:0:1::${hex(at >> 12)}:${hex((at & 0xfff) + 1)}`;
    jobs.hear(other, { kind: 'polled', server: 'github.com', agent: 'x' });
    jobs.hear(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`, {
      kind: 'ended',
      ...named(9),
      conclusion: null,
    });
  }
  t.match(jobs.attribute(address), { job: { repository: 'acme/widget' } });
});

t.test('memory is bounded whatever is heard', async (t) => {
  let noted = 0;
  const jobs = new LiveJobs({
    now: () => 0,
    onNews: (_, __, news) => (noted += news.kind === 'steps' ? news.steps.length : 0),
  });
  for (let serial = 0; serial < 200; serial++)
    jobs.hear(address, { ...assigned(1), message: { ...message(1), jobId: `j${serial}` } });
  t.equal(jobs.jobsOf(address).length, 64);
  const steps = Array.from({ length: 5_000 }, (_, at) => ({
    id: `s${at}`,
    name: 'x',
    number: at,
    state: 'running' as const,
    startedMs: 0,
    endedMs: null,
  }));
  jobs.hear(address, { kind: 'steps', server: 'github.com', jobId: 'j0', steps });
  t.equal(noted, 2_000);
});
