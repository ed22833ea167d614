import t from 'tap';

import { isRunnersUse, TokenBinding } from '../../jobs/token-binding.ts';
import type { LiveEntry } from '../../jobs/live-table.ts';
import { entryOf } from '../lab/live-entries.ts';

const minute = 60_000;

function lab() {
  const jobs = new Map<string, LiveEntry>([
    ['hash-a', entryOf({ address: '10.0.0.9', jobId: '71', untilMs: 60 * minute })],
    ['hash-b', entryOf({ address: '10.0.0.9', jobId: '72', untilMs: 60 * minute })],
  ]);
  const taken = new Set(['10.0.0.9']);
  const binding = new TokenBinding({
    jobOf: (hash) => jobs.get(hash) ?? null,
    isTaken: (at) => taken.has(at),
  });
  return { jobs, taken, binding };
}

t.test('an address without a job becomes that of the job whose token is met there', async (t) => {
  const { binding } = lab();
  t.equal(binding.met('10.0.1.1', 'hash-of-nobody', 0), null);
  t.match(binding.met('10.0.1.1', 'hash-a', 0), {
    address: '10.0.1.1',
    source: 'job-token',
    certainty: 'likely',
    message: { jobId: '71' },
  });
  t.match(binding.met('fd00::1', 'hash-a', 0), { message: { jobId: '71' } });
  t.equal(binding.met('10.0.1.1', 'hash-b', 1), null, 'the token of another job changes nothing');
  t.match(binding.entryOf('10.0.1.1', 2), { message: { jobId: '71' } });
  t.equal(
    binding.met('10.0.0.9', 'hash-a', 3),
    null,
    'the runner that starts jobs elsewhere stays what it is',
  );
});

t.test(
  'a binding ends with its job, with the silence of the address, and when the address gets a job',
  async (t) => {
    const { binding, taken, jobs } = lab();
    binding.met('10.0.1.1', 'hash-a', 0);
    binding.met('10.0.1.2', 'hash-a', 0);
    binding.met('10.0.1.3', 'hash-b', 0);
    t.same(binding.endOf('gitlab.example', '71'), ['10.0.1.1', '10.0.1.2']);
    t.equal(binding.entryOf('10.0.1.1', 1), null);
    t.match(binding.met('10.0.1.3', 'hash-b', 8 * minute), { untilMs: 18 * minute });
    t.not(binding.entryOf('10.0.1.3', 17 * minute), null);
    t.equal(binding.entryOf('10.0.1.3', 19 * minute), null, 'ten minutes without its token');
    t.match(
      binding.met('10.0.1.3', 'hash-a', 19 * minute),
      { message: { jobId: '71' } },
      'another pod by then',
    );
    taken.add('10.0.1.3');
    t.equal(binding.entryOf('10.0.1.3', 19 * minute), null);
    jobs.set('hash-c', entryOf({ address: '10.0.0.9', jobId: '73', untilMs: 20 * minute }));
    t.equal(binding.met('10.0.1.4', 'hash-c', 20 * minute), null, 'a job that is over');
    t.same(binding.entries(20 * minute), []);
  },
);

t.test('a token that is met everywhere gives its job no more than a few addresses', async (t) => {
  const { binding } = lab();
  for (let i = 0; i < 100; i++) binding.met(`10.0.2.${i}`, 'hash-a', i);
  t.equal(binding.entries(100).length, 8);
  t.not(binding.met('10.0.3.1', 'hash-b', 100), null, 'another job has its own');
  t.not(binding.met('10.0.2.99', 'hash-a', 11 * minute), null, 'silent addresses make room');
});

t.test('what GitLab’s runner itself says with a job’s token says nothing of where the job is', async (t) => {
  const rows: readonly (readonly [method: string, path: string, is: boolean])[] = [
    ['PUT', '/api/v4/jobs/71', true],
    ['PATCH', '/api/v4/jobs/71/trace', true],
    ['PATCH', '/gitlab/api/v4/jobs/71/trace', true],
    ['POST', '/api/v4/jobs/71/artifacts', false],
    ['GET', '/api/v4/jobs/71/artifacts', false],
    ['PUT', '/api/v4/projects/1/packages/generic/a/1/b', false],
    ['PUT', '/api/v4/jobs/71/trace/x', false],
  ];
  for (const [method, path, is] of rows) t.equal(isRunnersUse(method, path), is, `${method} ${path}`);
});
