import { Ajv } from 'ajv';
import t from 'tap';

import { DeclaredJobs, declaredJobSchema } from '../../jobs/declared.ts';

const jobs = new DeclaredJobs([
  { addresses: ['10.77.0.0/16', 'fd77::/64'], repository: 'acme/any' },
  { addresses: ['10.77.3.0/24'], repository: 'acme/narrow' },
  { addresses: ['10.77.3.9', 'fd77::0009'], repository: 'acme/one', fork: true, ref: 'refs/heads/main' },
  { addresses: ['192.0.2.7/32'], platform: 'gitlab', repository: 'group/sub/project' },
  { addresses: ['nonsense', '10.0.0.1/8'] },
]);

t.test('an address belongs to the job that names it most closely', async (t) => {
  for (const [address, repository] of [
    ['10.77.3.9', 'acme/one'],
    ['::ffff:10.77.3.9', 'acme/one'],
    ['fd77::9', 'acme/one'],
    ['10.77.3.10', 'acme/narrow'],
    ['::ffff:10.77.3.10', 'acme/narrow'],
    ['10.77.4.1', 'acme/any'],
    ['fd77::a', 'acme/any'],
    ['192.0.2.7', 'group/sub/project'],
    ['192.0.2.8', null],
    ['10.0.0.1', null],
    ['fd77:0:0:1::1', null],
    ['fe80::1%eth0', null],
    ['', null],
  ] as const) {
    const { job, source, certainty, conflict } = jobs.attribute(address);
    t.equal(job?.repository ?? null, repository, address);
    t.same(
      [source, certainty, conflict],
      repository === null ? ['none', 'unknown', false] : ['declared', 'certain', false],
    );
  }
  t.same([...jobs.addresses().keys()].sort(), ['10.77.3.9', '192.0.2.7', 'fd77::9']);
});

t.test('two addresses of different families are one machine’s, networks and others are not', async (t) => {
  const { machine } = jobs.attribute('10.77.3.9');
  t.ok(machine);
  t.equal(jobs.attribute('fd77::9').machine, machine);
  for (const address of ['10.77.3.10', '10.77.4.1', 'fd77::a', '192.0.2.7', '192.0.2.8'])
    t.equal(jobs.attribute(address).machine, undefined, address);
});

t.test('what is not declared is unknown, and the server follows the platform', async (t) => {
  t.same(jobs.attribute('10.77.3.9').job, {
    platform: 'github',
    server: 'github.com',
    repository: 'acme/one',
    repositoryId: null,
    workflow: null,
    calledWorkflow: null,
    ref: 'refs/heads/main',
    event: null,
    environment: null,
    name: null,
    runId: null,
    runnerGroup: null,
    actor: null,
    fork: true,
    protected: null,
    private: null,
  });
  t.equal(jobs.attribute('192.0.2.7').job?.server, 'gitlab.com');
});

t.test('the schema takes full refs and known keys only', async (t) => {
  const validate = new Ajv({ strict: true, allErrors: true }).compile(declaredJobSchema);
  const takes = (job: object) => validate([{ addresses: ['10.0.0.1'], ...job }]);
  t.ok(takes({ ref: 'refs/tags/v1', protected: true }));
  t.notOk(takes({ ref: 'main' }));
  t.notOk(takes({ ref: 'refs/' }));
  t.notOk(takes({ repo: 'a/b' }));
  t.notOk(takes({ platform: 'gitea' }));
  t.notOk(takes({ addresses: [] }));
});
