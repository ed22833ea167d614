// What other projects must let a job of GitLab do, as (target project, permission), derived from records: the job's
// own project, other credentials and what failed or was blocked ask for nothing.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { deriveAllowlists } from '../../advise/derive-allowlists.ts';
import { derivePermissions } from '../../advise/derive-permissions.ts';
import { writeAllowlists } from '../../advise/write-allowlists.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Job } from '../../flow/job.ts';
import { defaultServers } from '../../flow/platform-server.ts';
import type { Operation } from '../../flow/operation.ts';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { ask } from '../platform/ask.ts';
import { build, call } from './records.ts';

const infra: Job = {
  ...build,
  platform: 'gitlab',
  server: 'gitlab.com',
  repository: 'acme/infra',
  repositoryId: '42',
  workflow: null,
  name: 'deploy',
};
const interpreter = createPlatformInterpreter(defaultServers);

/** What the interpreter says of `METHOD path` on gitlab.com. */
function meant(line: string, credential: Operation['credential'] = 'job'): Operation {
  const [method, path] = line.split(' ') as [string, string]; // every line has both
  const asking = { interpreter, job: infra, ...(credential === null ? {} : { credential }) };
  const { operation } = ask(`${method} https://gitlab.com${path}`, asking);
  if (operation === null) throw new Error(`not understood: ${line}`);
  return operation;
}

const of = (line: string, told: Parameters<typeof call>[1] = {}): FlowRecord =>
  call(meant(line), { job: infra, method: line.split(' ')[0]!, path: line.split(' ')[1]!, ...told });
const lib = '/api/v4/projects/acme%2Flib';
const blocked = { verdict: 'block', enforced: true, reason: 'repository' } as const;

const records: readonly FlowRecord[] = [
  of(`GET ${lib}/packages/npm/@acme%2Flib`),
  of(`GET ${lib}/packages/npm/@acme%2Flib`, { run: 2 }),
  of(`GET ${lib}/jobs/artifacts/main/download?job=build`),
  of(`POST ${lib}/deployments`, { run: 2, status: 201 }),
  of('GET /api/v4/projects/77/releases/v1'),
  of('GET /acme/team/tool.git/info/refs?service=git-upload-pack'),
  of('POST /acme/team/tool.git/git-upload-pack'),
  of('GET /jwt/auth?service=container_registry&scope=repository:acme/base/node:pull'),
  of('GET /api/v4/groups/acme%2Fteam/-/packages/pypi/simple/app'),
  // The job's own, by path, number and image.
  of('POST /api/v4/projects/42/releases', { status: 201 }),
  of('POST /acme/infra.git/git-upload-pack'),
  of('GET /jwt/auth?service=container_registry&scope=repository:acme/infra/web:push'),
  // Nothing that is asked of anybody.
  of(`PUT ${lib}/packages/generic/a/1/a`, { status: 403 }),
  of(`PUT ${lib}/packages/generic/a/1/a`, { decision: blocked, status: 403 }),
  call(meant(`PUT ${lib}/packages/generic/a/1/a`, 'pat'), { job: infra, status: 201 }),
  // What no entry helps with.
  of(`POST ${lib}/issues`, { status: 201 }),
  of(`POST ${lib}/widgets`, { status: 201 }),
  call(null, { job: infra }),
  call(meant(`GET ${lib}/jobs`), { job: build }),
];

const expected = `# project acme/infra on gitlab.com, job deploy
# 2 runs, 11 calls on other projects counted; not counted: 1 blocked, 1 answered with 401, 403 or 404, or refused, 1 with another credential
allowlists:
  - group: "acme/team"
    permissions:
      - READ_PACKAGES # packages/download (1 call in 1 run)
  - image: "acme/base/node" # container/token (1 call in 1 run)
    permissions: []
  - project: "#77"
    permissions:
      - READ_RELEASES # releases/get (1 call in 1 run)
  - project: "acme/lib"
    permissions:
      - ADMIN_DEPLOYMENTS # deployments/create (1 call in 1 run)
      - ADMIN_ENVIRONMENTS # deployments/create (1 call in 1 run)
      - READ_JOBS # artifacts/download-of-ref (1 call in 1 run)
      - READ_PACKAGES # packages/download (2 calls in 2 runs)
  - project: "acme/team/tool" # git/fetch (2 calls in 1 run)
    permissions: []
# no job token may: issues/create (1 call in 1 run) on acme/lib needs a token with the scope api
# unknown: POST ${lib}/widgets, rest/unknown (1 call in 1 run); nobody knows what it needs
`;

t.test(
  'calls on other projects come to (target project, permission), with the calls behind each',
  async (t) => {
    const jobs = await deriveAllowlists(records);
    t.equal(writeAllowlists(jobs), expected);
    t.match(parse(expected), { allowlists: [{}, {}, {}, { project: 'acme/lib' }, {}] }, 'it is YAML');
    t.same(
      (await derivePermissions(records)).jobs.map(({ server }) => server),
      [],
      'no block of a workflow',
    );
  },
);

t.test('a job that stays at home needs no entry, and texts of records stay in their lines', async (t) => {
  const home = await deriveAllowlists([of('GET /api/v4/projects/42/jobs')]);
  t.match(writeAllowlists(home), /\nallowlists: \[\]\n$/);
  const odd = call(meant('POST /nothing'), {
    job: { ...infra, name: 'a\nb' },
    path: '/x\ny',
    method: 'POST',
  });
  t.notMatch(writeAllowlists(await deriveAllowlists([odd])), /^[by]/m);
});

t.test('the command prints both kinds, and one object with --json', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'allowlists-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(
    join(directory, 'worker-0-20261124T190000000Z-1.jsonl'),
    records.map(serialiseRecord).join(''),
  );
  const main = resolve(import.meta.dirname, '../../main.ts');
  const run = (...args: string[]) =>
    spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', main, 'permissions', '--segments', directory, ...args],
      { encoding: 'utf8' },
    );
  const told = run('--repo', 'acme/infra');
  t.equal(told.status, 0, told.stderr);
  t.match(told.stdout, /- project: "acme\/lib"\n    permissions:\n      - ADMIN_DEPLOYMENTS/);
  const json = JSON.parse(run('--repo', 'acme/infra', '--json').stdout) as {
    jobs: unknown[];
    allowlists: object[];
  };
  t.match(json, { jobs: [], allowlists: [{ project: 'acme/infra', runs: 2 }] });
  t.equal(run('--repo', 'acme/other').status, 1);
});
