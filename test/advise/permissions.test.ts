// The smallest permissions of each job, derived from records: the YAML of a release workflow over twenty runs equals
// the golden file, and nothing that is blocked, failed or foreign is counted.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parse, parseAllDocuments } from 'yaml';
import { choosePermissions } from '../../advise/choose-permissions.ts';
import { type Derivation, derivePermissions } from '../../advise/derive-permissions.ts';
import { compareGranted, readGranted } from '../../advise/granted-permissions.ts';
import { resolveNeeds } from '../../advise/resolve-needs.ts';
import { writePermissions } from '../../advise/write-permissions.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { redactRecord } from '../../flow/redact.ts';
import { parseRecord } from '../../store/read-segments.ts';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { ask } from '../platform/ask-graphql.ts';
import { build, call, operation } from './records.ts';

const root = resolve(import.meta.dirname, '../..');
const golden = (name: string): string => readFileSync(join(import.meta.dirname, 'golden', name), 'utf8');

const fetch = operation('git/fetch', [{ contents: 'read' }]);
const push = operation('git/push', [{ contents: 'write' }], { access: 'write' });
const createIssue = operation('issues/create', [{ issues: 'write' }], { access: 'write' });
const issueOrPull = [{ issues: 'write' }, { 'pull-requests': 'write' }] as const;
const comment = operation('issues/create-comment', issueOrPull, { access: 'write' });
const unknown = operation('rest/unknown', [{}], { access: 'write', sureness: 'unknown' });
const blocked = { verdict: 'block', enforced: true, reason: 'repository' } as const;

/** Twenty runs of one workflow: each fetches, some do more, and a few do what nobody should. */
function twentyRuns(): FlowRecord[] {
  const release = { ...build, name: 'release' };
  const runs = Array.from({ length: 20 }, (_, at) => at + 1);
  return runs.flatMap((run) => [
    call(fetch, { run, status: 401 }),
    call(fetch, { run }),
    call(fetch, { run, method: 'POST' }),
    call(operation('repos/get', [{}]), { run }),
    ...(run % 4 === 0 ? [call(createIssue, { run, status: 201, method: 'POST' })] : []),
    ...(run % 5 === 0 ? [call(comment, { run, status: 201, method: 'POST' })] : []),
    ...(run === 7
      ? [
          call(operation('checks/create', [{ checks: 'write' }]), { run, status: 403 }),
          call(push, { run, decision: blocked, status: 403 }),
          call(operation('repos/create-deploy-key', [{}], { ungrantable: ['administration: write'] }), {
            run,
            status: 201,
          }),
          call({ ...createIssue, widens: false }, { run, status: 201 }),
        ]
      : []),
    ...(run === 9
      ? [call(unknown, { run, status: 201, method: 'POST', path: '/repos/acme/app/widgets' })]
      : []),
    ...(run > 18
      ? [
          call(fetch, { job: release, run }),
          call(push, { job: release, run, method: 'POST' }),
          call(operation('repos/create-release', [{ contents: 'write' }]), {
            job: release,
            run,
            status: 201,
          }),
        ]
      : []),
  ]);
}

t.test(
  'twenty runs with varying calls come to the golden YAML, with the calls behind each line',
  async (t) => {
    const { jobs, unattributed } = await derivePermissions([...twentyRuns(), call(fetch, { job: null })]);
    t.equal(unattributed, 1);
    const yaml = writePermissions(jobs, null);
    t.equal(yaml, golden('twenty-runs.yaml'));
    t.same(
      parseAllDocuments(yaml).map((document): unknown => document.toJS()),
      [{ permissions: { contents: 'read', issues: 'write' } }, { permissions: { contents: 'write' } }],
    );
    const granted = writePermissions(jobs.slice(0, 1), readGranted('contents: write, packages: read'));
    t.equal(granted, golden('granted.yaml'));
  },
);

const of = async (records: readonly FlowRecord[]): Promise<Derivation['jobs'][number]> => {
  const { jobs } = await derivePermissions(records);
  return jobs[0]!;
};
const permissionsOf = async (...records: FlowRecord[]): Promise<object> => (await of(records)).permissions;

t.test('blocked, failed, refused and foreign calls are no needs', async (t) => {
  const paper = { verdict: 'block', enforced: false, mode: 'audit' } as const;
  const cases: [record: FlowRecord, permissions: object, why: string | null][] = [
    [call(createIssue, { status: 201 }), { issues: 'write' }, null],
    [call(createIssue, { status: 422 }), { issues: 'write' }, null],
    [call(createIssue, { status: 500 }), { issues: 'write' }, null],
    [call(createIssue, { decision: { ...paper, reason: 'no-rule' } }), { issues: 'write' }, null],
    [call(createIssue, { decision: { ...paper, reason: 'block-rule' } }), {}, 'blocked'],
    [call(createIssue, { decision: { ...paper, reason: 'blocklist' } }), {}, 'blocked'],
    [call(createIssue, { decision: blocked }), {}, 'blocked'],
    [call(createIssue, { status: null }), {}, 'unanswered'],
    [call(createIssue, { status: 401 }), {}, 'failed'],
    [call(createIssue, { status: 403 }), {}, 'failed'],
    [call(createIssue, { status: 404 }), {}, 'failed'],
    [call({ ...createIssue, refused: true }), {}, 'failed'],
    [call({ ...createIssue, widens: false }), {}, 'otherToken'],
  ];
  for (const [record, permissions, why] of cases) {
    const derived = await of([record]);
    t.same(derived.permissions, permissions);
    t.same(derived.notCounted, why === null ? {} : { [why]: 1 });
  }
  const isNew = (record: FlowRecord): boolean => record.destination.host === 'api.github.com';
  const { jobs } = await derivePermissions([call(createIssue)], { isNew });
  t.same(jobs[0]?.permissions, {});
  t.same(jobs[0]?.notCounted, { newDestination: 1 });
  const others = [
    { ...call(createIssue), phase: 'opened' as const },
    call(createIssue, { job: { ...build, server: 'ghes.corp.example' } }),
    call(operation('npm/publish', [{}], { platform: 'npm' })),
    call(null),
  ];
  t.same((await derivePermissions(others)).jobs, []);
});

t.test('a checkout keeps contents: read, whatever it needed of the token', async (t) => {
  const open = { ...build, private: false };
  const free = operation('git/fetch', [{}]);
  t.same(await permissionsOf(call(free, { job: open })), { contents: 'read' });
  t.same(await permissionsOf(call({ ...free, widens: false, credential: 'none' }, { job: open })), {
    contents: 'read',
  });
  t.same(await permissionsOf(call(free, { job: open }), call(push)), { contents: 'write' });
  const foreign = { ...free, touches: [{ ...free.touches[0]!, owner: 'other' }] } as typeof free;
  t.same(await permissionsOf(call(foreign, { job: open })), {});
  t.same(await permissionsOf(call(free, { job: open, status: 404 })), {});
  t.same(await permissionsOf(call(operation('repos/get', [{}]))), {}, 'nothing else keeps it');
});

t.test('table, target and header narrow one another; where they differ both are believed', async (t) => {
  const read = { issues: 'read' } as const;
  const cases: [other: object, needs: readonly object[], isPublic?: boolean][] = [
    [{}, issueOrPull],
    [{ accepted: issueOrPull }, issueOrPull],
    [{ accepted: [{ issues: 'write' }] }, [{ issues: 'write' }]],
    [{ decided: [{ 'pull-requests': 'write' }], accepted: issueOrPull }, [{ 'pull-requests': 'write' }]],
    [{ needs: [read], accepted: [{ issues: 'write' }] }, [{ issues: 'write' }]],
    [{ needs: [read], accepted: [{ contents: 'read' }] }, [{ contents: 'read', issues: 'read' }]],
    [{ needs: [read], accepted: [{}] }, [read]],
    [{ needs: [read], accepted: [] }, [read]],
    [{ needs: [{}], accepted: [read] }, [read]],
    [{ needs: [{}], accepted: [read] }, [{}], true],
  ];
  for (const [other, needs, isPublic] of cases)
    t.same(resolveNeeds({ ...comment, ...other }, isPublic ?? false), needs, JSON.stringify(other));
});

t.test('the smallest set that gives every call an alternative is chosen, ties by name', async (t) => {
  const either = (...keys: string[]): Record<string, 'write'>[] =>
    keys.map((key) => ({ [key]: 'write' as const }));
  const cases: [clauses: Parameters<typeof choosePermissions>[0], chosen: object][] = [
    [[], {}],
    [[[{}]], {}],
    [[[], [{ issues: 'read' }]], { issues: 'read' }],
    [[either('issues', 'pull-requests')], { issues: 'write' }],
    [[either('pull-requests', 'issues')], { issues: 'write' }],
    [[either('issues', 'pull-requests'), [{ 'pull-requests': 'write' }]], { 'pull-requests': 'write' }],
    // one key for both, though another comes first by name
    [[either('contents', 'issues'), either('discussions', 'issues')], { issues: 'write' }],
    // a read is less than a write
    [[[{ contents: 'write' }, { issues: 'read' }]], { issues: 'read' }],
    [[[{ contents: 'read' }], [{ contents: 'write' }, { issues: 'read' }]], { contents: 'write' }],
    [[[{ contents: 'write' }], [{ contents: 'read' }, { issues: 'read' }]], { contents: 'write' }],
  ];
  for (const [clauses, chosen] of cases) t.same(choosePermissions(clauses), chosen, JSON.stringify(clauses));
  const many = Array.from({ length: 40 }, (_, at) => either(`a${at}`, `b${at}`, `c${at % 7}`));
  t.equal(Object.keys(choosePermissions(many)).length, 7, 'forty open choices end within a bound');
});

t.test('no other set gives every call an alternative with less', async (t) => {
  const keys = ['a', 'b', 'c', 'd'];
  const levels = [undefined, 'read', 'write'] as const;
  // Every set there is over these keys, least first: fewest keys, fewest writes, then by name.
  const every = Array.from({ length: levels.length ** keys.length }, (_, at) => {
    const set = keys.flatMap((key, place) => {
      const level = levels[Math.floor(at / levels.length ** place) % levels.length];
      return level === undefined ? [] : [[key, level] as const];
    });
    const writes = set.filter(([, level]) => level === 'write').length;
    return { set: Object.fromEntries(set), order: `${set.length} ${writes} ${set.join()}` };
  }).toSorted((a, b) => (a.order < b.order ? -1 : 1));
  const gives = (set: object, one: object): boolean =>
    Object.entries(one).every(([key, level]) => {
      const held: unknown = new Map<string, unknown>(Object.entries(set)).get(key);
      return held === 'write' || held === level;
    });
  const one = fc.dictionary(fc.constantFrom(...keys), fc.constantFrom('read' as const, 'write' as const), {
    minKeys: 1,
    maxKeys: 2,
    noNullPrototype: true,
  });
  const clauses = fc.array(fc.array(one, { minLength: 1, maxLength: 3 }), { maxLength: 5 });
  fc.assert(
    fc.property(clauses, (calls) => {
      const least = every.find(({ set }) => calls.every((call) => call.some((need) => gives(set, need))));
      assert.deepEqual(choosePermissions(calls), least?.set);
    }),
    { numRuns: 1500 },
  );
  t.pass();
});

t.test(
  'what nobody knows is listed and asks for nothing, also inside a document that is known in part',
  async (t) => {
    const query =
      'mutation{createIssue(input:{}){clientMutationId}importProject(input:{}){clientMutationId}}';
    const derived = await of([
      call(ask(query).operation, { method: 'POST', path: '/graphql' }),
      call({ ...unknown, accepted: [{ pages: 'write' }] }, { method: 'PUT', path: '/repos/acme/app/x' }),
    ]);
    t.same(derived.permissions, { issues: 'write' });
    t.same(
      derived.unknown.map(({ operation: name, method, path, accepted }) => [name, method, path, accepted]),
      [
        ['graphql/createIssue+importProject', 'POST', '/graphql', null],
        ['rest/unknown', 'PUT', '/repos/acme/app/x', [{ pages: 'write' }]],
      ],
    );
    t.match(
      writePermissions([derived], null),
      '# unknown: PUT /repos/acme/app/x, rest/unknown (1 call in 1 run); nobody knows what it needs, GitHub names pages: write\n',
    );
  },
);

t.test('a comment whose id is a pull request’s needs pull requests, and its record keeps that', async (t) => {
  const query = 'mutation{addComment(input:{subjectId:"PR_kwDOABCD"}){clientMutationId}}';
  const line = serialiseRecord(call(ask(query).operation, { method: 'POST', path: '/graphql' }));
  const record = parseRecord(line);
  t.same(await permissionsOf(record!), { 'pull-requests': 'write' });
});

t.test('no text of a record leaves its comment', async (t) => {
  const path = '/repos/acme/app/x\n  contents: write\u2028  issues: write\r# ';
  const job = { ...build, workflow: 'a.yml\npermissions: write-all', name: 'x\n---\nb: c' };
  const { jobs } = await derivePermissions([call(unknown, { job, path }), call(createIssue, { job })]);
  t.same(parse(writePermissions(jobs, null)), { permissions: { issues: 'write' } });
});

t.test('what is granted is read as people write it, and compared', async (t) => {
  t.same(readGranted('{ contents: write, issues: none }'), { contents: 'write' });
  t.same(readGranted('none'), {});
  t.equal(readGranted('write-all')['id-token'], 'write');
  t.same([readGranted('read-all')['id-token'], readGranted('read-all')['models']], [undefined, 'read']);
  for (const wrong of ['contents', 'contents: admin', 'content: read', 'admin-all'])
    t.throws(() => readGranted(wrong), { code: 'usage' }, wrong);
  t.same(compareGranted({ contents: 'write', pages: 'write' }, { contents: 'read', issues: 'write' }), {
    remove: ['pages'],
    lower: ['contents'],
    add: ['issues'],
  });
});

t.test(
  'the command reads segments, narrows by repository and workflow, and says when there is nothing',
  async (t) => {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-permissions-'));
    t.teardown(() => rmSync(directory, { recursive: true }));
    const accepted = call(
      { ...createIssue, accepted: [{ issues: 'write' }], refused: false },
      { status: 201 },
    );
    const records = [call(fetch), accepted, call(push, { job: { ...build, repository: 'acme/other' } })];
    t.same(redactRecord(accepted).operation?.accepted, [{ issues: 'write' }]);
    writeFileSync(
      join(directory, 'worker-0-20261124T190000000Z-1.jsonl'),
      records.map(serialiseRecord).join(''),
    );
    const run = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(
        process.execPath,
        ['--disable-warning=ExperimentalWarning', join(root, 'main.ts'), 'permissions', ...args],
        {
          encoding: 'utf8',
        },
      );
    const all = run(
      '--segments',
      directory,
      '--repo',
      'Acme/App',
      '--workflow',
      'ci.yml',
      '--json',
      '--granted',
      'contents: read',
    );
    t.equal(all.status, 0, all.stderr);
    t.match(JSON.parse(all.stdout), {
      unattributed: 0,
      jobs: [
        {
          repository: 'acme/app',
          permissions: { contents: 'read', issues: 'write' },
          differences: { add: ['issues'] },
        },
      ],
    });
    const none = run('--segments', directory, '--repo', 'acme/none');
    t.same([none.status, none.stdout], [1, '']);
    t.equal(run('--segments', join(directory, 'none')).status, 2);
    t.equal(run('--granted', 'x').status, 2);
    t.match(run('--help').stdout, 'usage: sallyport permissions');
  },
);
