// What runners ask of the resolution of actions, what its answers hand out, and what policy says of each action.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { deflateSync } from 'node:zlib';
import t from 'tap';
import { ActionFacts } from '../../actions/action-facts.ts';
import { archiveGrant } from '../../actions/archive-grant.ts';
import { readPackSection, readRefs } from '../../actions/ask-refs.ts';
import { findTwin } from '../../actions/look-alike.ts';
import { readAsked } from '../../actions/read-asked.ts';
import { findCommits } from '../../actions/read-pack.ts';
import { readResolved } from '../../actions/read-resolved.ts';
import { refKey, SeenRefFiles } from '../../actions/seen-refs.ts';
import type { SendOwn } from '../../flow/action-facts.ts';
import type { Held } from '../../flow/held.ts';
import type { ActionTouch } from '../../flow/operation.ts';
import { defaultServers, ownServer } from '../../flow/platform-server.ts';
import { createInterpreter } from '../../interpreters.ts';
import { judgeAction } from '../../policy/actions.ts';
import { describeOperation } from '../../policy/describe-operation.ts';
import { explainQuestion } from '../../policy/explain.ts';
import { job, policyOf, problemsOf } from '../policy/judge.ts';
import { request, whole } from '../platform/ask.ts';

const [sha, other, third] = ['a'.repeat(40), 'b'.repeat(40), 'c'.repeat(40)];
const launch =
  'POST https://launch.actions.githubusercontent.com/actions/build/p/jobs/j/runnerresolve/actions';
const json = (value: unknown): Held => whole(JSON.stringify(value));

function action(text: string, more: Partial<ActionTouch> = {}): ActionTouch {
  const [name = '', ref = ''] = text.split('@');
  const [owner = '', repository = '', ...path] = name.split('/');
  return { kind: 'action', access: 'read', owner, name: repository, path: path.join('/'), ref, ...more };
}
const say = ({ owner, name, path, ref }: ActionTouch): string =>
  `${owner}/${name}${path === '' ? '' : `/${path}`}@${ref}`;

t.test('the calls that resolve actions, wherever a server has them', async (t) => {
  const ghes = ownServer('github', 'ghes.corp.example');
  const interpreter = createInterpreter([...defaultServers, ghes], []);
  const plan = '_apis/distributedtask/hubs/Actions/plans/p';
  const rows: readonly (readonly [line: string, isResolution: boolean])[] = [
    [launch, true],
    [launch.replace('runnerresolve', 'RunnerResolve'), true],
    [
      `POST https://pipelinesghubeus1.actions.githubusercontent.com/x/${plan}/actiondownloadinfo?jobId=j`,
      true,
    ],
    [`POST https://ghes.corp.example/_services/pipelines/x/${plan}/ActionDownloadInfo`, true],
    ['POST https://ghes.corp.example/_services/pipelines/_apis/v1/ActionDownloadInfo/s/h/p', true],
    [launch.replace('POST', 'GET'), false],
    [`${launch}/more`, false],
    [`POST https://ghes.corp.example/acme/app/${plan}/actiondownloadinfo`, false],
  ];
  for (const [line, isResolution] of rows) {
    const found = interpreter.understand(request(line));
    t.equal(found?.operation?.name === 'actions/resolve', isResolution, line);
    t.equal(found?.hold !== undefined && found.review !== undefined, isResolution, line);
  }
});

t.test('a call’s body names the actions, in both forms of the service', async (t) => {
  const rows: readonly (readonly [body: unknown, expected: string | readonly string[]])[] = [
    [{ actions: [{ action: 'actions/checkout', version: 'v4', path: '' }] }, ['actions/checkout@v4']],
    [
      { actions: [{ action: 'acme/mono', version: sha, path: '/tools/build/' }] },
      [`acme/mono/tools/build@${sha}`],
    ],
    [
      { actions: [{ nameWithOwner: 'Acme/Mono', ref: 'releases/v1', path: null }] },
      ['Acme/Mono@releases/v1'],
    ],
    [
      {
        actions: [
          { action: 'a/b', version: '1' },
          { action: 'c/d', version: '2' },
        ],
      },
      ['a/b@1', 'c/d@2'],
    ],
    [{ actions: [], actions_dependencies: [{ action: 'x' }] }, []],
    [{ actions: [{ action: 'a/b', nameWithOwner: 'c/d', version: '1' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a', version: '1' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a/..', version: '1' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a/b/c', version: '1' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a/b', version: '' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a/b', version: 'v1\nv2' }] }, 'an entry names no action'],
    [{ actions: [{ action: 'a/b', version: 1 }] }, 'an entry names no action'],
    [{ actions: [null] }, 'an entry names no action'],
    [{ actions: { action: 'a/b', version: '1' } }, 'the body is no list of actions'],
    [[], 'the body is no list of actions'],
    [
      { actions: Array.from({ length: 65 }, () => ({ action: 'a/b', version: '1' })) },
      'more than 64 actions',
    ],
  ];
  for (const [body, expected] of rows) {
    const read = readAsked(json(body));
    t.same(typeof read === 'string' ? read : read.map(say), expected, JSON.stringify(body).slice(0, 90));
  }
  t.equal(readAsked(whole('{"actions":')), 'the body is no list of actions');
  t.equal(readAsked({ kind: 'opaque', detail: 'too large', raw: [] }), 'too large');
});

t.test('an answer tells commits, names and the very archives', async (t) => {
  const api = `https://api.github.com/repos/actions/checkout/tarball/${sha}`;
  const snake = {
    name: 'actions/checkout',
    resolved_name: 'actions/checkout',
    resolved_sha: sha.toUpperCase(),
    version: 'v4',
    tar_url: api,
    zip_url: `https://api.github.com/repos/actions/checkout/zipball/${sha}`,
    authentication: { token: 'v1.secret', expires_at: '' },
  };
  const read = readResolved(json({ actions: { 'actions/checkout@v4': snake } }), [
    action('Actions/checkout/a@v4'),
    action('actions/checkout/b@v4'),
    action('actions/checkout/b@v3'),
  ]);
  if (typeof read === 'string') throw new Error(read);
  t.same(
    read.map(({ touch }) => say(touch)),
    ['actions/checkout/a@v4', 'actions/checkout/b@v4'],
  );
  t.match(read[0], { touch: { commit: sha, foundAs: undefined }, token: 'v1.secret' });
  t.same(
    read[0]?.grants.map(({ host, pathPrefix, methods, isArchive }) => [host, pathPrefix, methods, isArchive]),
    [
      ['api.github.com', `/repos/actions/checkout/tarball/${sha}`, ['GET', 'HEAD'], true],
      ['api.github.com', `/repos/actions/checkout/zipball/${sha}`, ['GET', 'HEAD'], true],
    ],
  );
  const camel = {
    nameWithOwner: 'acme/old',
    resolvedNameWithOwner: 'evil/new',
    resolvedSha: other,
    ref: 'v1',
    tarballUrl: `https://ghes.corp.example/_codeload/evil/new/legacy.tar.gz/${other}`,
  };
  const moved = readResolved(json({ actions: { x: camel } }), []);
  if (typeof moved === 'string') throw new Error(moved);
  t.match(moved, [{ touch: { owner: 'acme', foundAs: 'evil/new', commit: other }, grants: [{ port: 443 }] }]);
  const unread: readonly unknown[] = [
    {},
    { actions: [] },
    { actions: { x: {} } },
    { actions: { x: { ...snake, resolved_sha: sha.slice(1) } } },
    { actions: { x: { ...snake, resolved_name: 'evil' } } },
    { actions: { x: { ...snake, version: null } } },
    { actions: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [at, snake])) },
  ];
  for (const body of unread)
    t.type(readResolved(json(body), []), 'string', JSON.stringify(body).slice(0, 80));
});

t.test('an archive opens where its path names the repository and the commit', async (t) => {
  const names = ['acme/tool'];
  const rows: readonly (readonly [url: string, isOpen: boolean])[] = [
    [`https://codeload.github.com/acme/tool/tar.gz/${sha}`, true],
    [`https://api.github.com/repos/Acme/Tool/tarball/${sha}`, true],
    [`https://ghes.example:8443/api/v3/repos/acme/tool/tarball/${sha}?token=x`, true],
    [`https://api.github.com/repos/acme/tool/tarball/v1`, false],
    [`https://api.github.com/repos/acme/tool2/tarball/${sha}`, false],
    [`https://api.github.com/repos/evil/acme/tool/../../x/${sha}`, false],
    [`https://api.github.com/repos/acme/tool/%2e%2e/${sha}`, false],
    [`https://api.github.com/repos/acme/tool/tarball/${sha}x`, false],
    [`http://api.github.com/repos/acme/tool/tarball/${sha}`, false],
    [`https://x@api.github.com/repos/acme/tool/tarball/${sha}`, false],
    [`https://api.github.com:0/repos/acme/tool/tarball/${sha}`, false],
  ];
  for (const [url, isOpen] of rows) t.equal(archiveGrant(url, names, [sha]) !== null, isOpen, url);
});

const policyTerms = (text: string) => policyOf(`actions: ${text}`).actions!;

t.test('policy judges each action by list, pin, move and branch', async (t) => {
  const all =
    '{allow: ["actions/*", "Acme/tools/build@v1.*", "acme/*@releases/**", "acme/pin"], pinned: required, allowUnpinned: ["actions/*", "acme/tools@*", "acme/*@releases/**"], movedRef: block, allowMoves: actions/cache, offBranch: block}';
  const rows: readonly (readonly [action: ActionTouch, expected: string])[] = [
    [action('actions/checkout@v4'), 'open'],
    [action('ACTIONS/Checkout/deep/er@v4'), 'open'],
    [action('actions-evil/checkout@v4'), 'action-unlisted'],
    [action('evil/actions@v4'), 'action-unlisted'],
    [action('acme/tools/build@v1.2'), 'open'],
    [action('acme/tools/build@v2'), 'action-unlisted'],
    [action('acme/tools/Build@v1.2'), 'action-unlisted'],
    [action('acme/tools@v1.2'), 'action-unlisted'],
    [action('acme/x@releases/a/b'), 'open'],
    [action('acme/pin@v1'), 'action-unpinned'],
    [action(`acme/pin@${sha}`), 'open'],
    [action(`acme/pin@${sha.slice(0, 12)}`), 'action-unpinned'],
    [action(`acme/pin@${sha}`, { commit: sha }), 'open'],
    [action(`acme/pin@${sha}`, { commit: other, before: sha }), 'moved-ref'],
    [action('actions/checkout@v4', { commit: other }), 'open'],
    [action('actions/checkout@v4', { commit: other, before: sha }), 'moved-ref'],
    [action('actions/cache@v4', { commit: other, before: sha }), 'open'],
    [action('actions/checkout@v4', { foundAs: 'evil/checkout', commit: sha }), 'action-unlisted'],
    [action('actions/checkout@v4', { commit: sha, onRef: 'yes' }), 'open'],
    [action('actions/checkout@v4', { commit: sha, onRef: 'no' }), 'off-branch'],
    [action('actions/checkout@v4', { commit: sha, onRef: 'unknown' }), 'off-branch'],
    [{ ...action('a/b@c'), owner: null, name: null, ref: null }, 'action-unread'],
  ];
  const terms = policyTerms(all);
  for (const [touch, expected] of rows)
    t.equal(judgeAction(terms, touch)?.reason ?? 'open', expected, JSON.stringify(touch).slice(35));
  const detecting = policyTerms('{pinned: detect, offBranch: detect}');
  const movedTouch = action('a/b@v1', { commit: other, before: sha, onRef: 'no' });
  t.match(judgeAction(detecting, movedTouch), { reason: 'action-unpinned', isRecordedOnly: true });
  t.match(judgeAction(policyTerms('{}'), movedTouch), { reason: 'moved-ref', isRecordedOnly: true });
  t.equal(judgeAction(policyTerms('{movedRef: allow}'), movedTouch), null);
  const bad = 'version: 1\nmode: block\nactions: {allow: [actions, "a/**", "a/b@", "a b/c"]}\n';
  t.same(
    problemsOf(bad).map(({ line, message }) => `${line} ${message}`),
    [
      '3 "actions" is no action: it names an owner and a repository',
      '3 "a/**" is no action: ** stands for owner and repository',
      '3 "a/b@" is no action: nothing follows @',
      '3 "a b/c" is no action: a segment is empty or holds other characters',
    ],
  );
});

t.test('refs of a repository are read from ls-refs, and nothing else is', async (t) => {
  const pkt = (text: string): string => `${(text.length + 4).toString(16).padStart(4, '0')}${text}`;
  const lines = [
    `${sha} refs/heads/main\n`,
    `${other} refs/tags/v1 peeled:${third}\n`,
    `${'d'.repeat(40)} refs/pull/7/head\n`,
  ];
  const read = readRefs(Buffer.from(`${lines.map(pkt).join('')}0000`));
  t.same([...(read ?? [])], [sha, third], 'a tag is its commit; a pull request is nobody’s word');
  for (const text of [
    '',
    '0000x',
    pkt(lines[0]!),
    'zzzz',
    '0001',
    `${pkt('ERR access denied\n')}0000`,
    '<html>',
  ])
    t.equal(readRefs(Buffer.from(text)), null, text);
});

t.test('references are remembered over restarts, and by all processes', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'refs-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const key = refKey('github.com', 'Acme', 'Tool', 'v1');
  t.equal(key, 'github.com acme/tool@v1');
  const [first, second] = ['worker-0', 'worker-1'].map((name) => new SeenRefFiles(directory, name));
  t.equal(first!.find(key), null);
  first!.note(key, sha);
  t.equal(second!.find(key), sha, 'another process');
  second!.note(key, other);
  t.equal(first!.find(key), other, 'the last one counts');
  writeFileSync(join(directory, 'worker-9.refs'), `9999999999999999 ${third}`);
  writeFileSync(join(directory, 'worker-8.refs'), Buffer.alloc(2000, 0xff));
  t.equal(new SeenRefFiles(directory, 'worker-0').find(key), other, 'after a restart; a cut line is none');
  const before = readFileSync(join(directory, 'worker-1.refs'), 'utf8');
  second!.note(key, other);
  t.equal(
    readFileSync(join(directory, 'worker-1.refs'), 'utf8'),
    before,
    'what is known is not written again',
  );
  const errors: unknown[] = [];
  const missing = new SeenRefFiles(join(directory, 'none'), 'worker-0', (error) => errors.push(error));
  t.equal(missing.find(key), null);
  missing.note(key, sha);
  t.equal(missing.find(key), sha, 'without a disk for as long as it runs');
  t.ok(errors.length > 0);
  for (let at = 0; at < 5_000; at++) first!.note(`s a/b@${at}`, sha);
  t.equal(first!.find('s a/b@0'), null, 'bounded');
});

t.test('facts: what was before, and whether a branch or tag is there', async (t) => {
  const seen = new Map([['github.com acme/tool@v1', sha]]);
  const facts = new ActionFacts({
    find: (key) => seen.get(key) ?? null,
    note: (key, to) => seen.set(key, to),
  });
  const touches = [
    action('acme/tool@v1', { commit: other }),
    action(`acme/tool@${third}`, { commit: third }),
    action('acme/secret@v1', { commit: sha }),
  ];
  const bare = createInterpreter(defaultServers, []).understand(request(launch))!.operation!;
  const reviewed = { operation: { ...bare, touches }, grants: [], tokens: ['tok', 'tok', null] };
  const asked: string[] = [];
  const send: SendOwn = async ({ host, path, fields, body }) => {
    if (!body.includes('command=fetch')) asked.push(`${host}${path} ${fields['authorization'] ?? '-'}`);
    if (body.includes('command=fetch')) return { kind: 'failed', detail: 'no history' };
    if (path.includes('secret')) return { kind: 'answer', status: 401, body: Buffer.alloc(0) };
    const line = `${other} refs/heads/main\n`;
    const pkt = `${(line.length + 4).toString(16).padStart(4, '0')}${line}0000`;
    return { kind: 'answer', status: 200, body: Buffer.from(pkt) };
  };
  const { operation, evidence } = await facts.look(reviewed, 'r1', send);
  t.match(operation.touches, [
    { before: sha, onRef: 'yes' },
    { before: undefined, onRef: 'no' },
    { onRef: 'unknown' },
  ]);
  t.same(asked.toSorted(), [
    'github.com/acme/secret.git/git-upload-pack -',
    'github.com/acme/tool.git/git-upload-pack Basic eC1hY2Nlc3MtdG9rZW46dG9r',
  ]);
  t.same(
    evidence.map(({ kind }) => kind),
    ['moved-ref', 'off-branch', 'off-branch'],
  );
  t.match(evidence[2]?.detail, /answers 401/);
  t.notMatch(
    (await facts.look(reviewed, 'r1', null)).operation.touches[1],
    { onRef: 'no' },
    'nobody is asked',
  );
  const both = await Promise.all([facts.look(reviewed, 'r1', send), facts.look(reviewed, 'r1', send)]);
  t.match(both[1]?.evidence.at(-1)?.detail, /this runner asks already/, 'one answer at a time');
  const [archive] = [
    archiveGrant(`https://api.github.com/repos/acme/tool/tarball/${third}`, ['acme/tool'], [third])!,
  ];
  const connected = { ...bare, server: 'ghes.corp.example', touches: touches.slice(1, 2) };
  await facts.look({ operation: connected, grants: [[archive]], tokens: ['tok'] }, 'r3', send);
  t.equal(asked.at(-1)?.split(' ')[0], 'github.com/acme/tool.git/git-upload-pack', 'of whom the archive is');
  const before = asked.length;
  const known = { ...reviewed, operation: { ...reviewed.operation, touches: touches.slice(0, 1) } };
  t.match((await facts.look(known, 'r2', send)).operation.touches, [{ onRef: 'yes' }]);
  t.equal(asked.length, before, 'what was found is known for a while');
  facts.note('github.com', touches);
  t.same(
    [...seen],
    [
      ['github.com acme/tool@v1', other],
      ['github.com acme/secret@v1', sha],
    ],
  );
});

t.test('owners that look like known ones are evident', async (t) => {
  const rows: readonly (readonly [owner: string, twin: string | null])[] = [
    ['actlons', 'actions'],
    ['action', 'actions'],
    ['actoins', 'actions'],
    ['actions', null],
    ['dockers', 'docker'],
    ['acme', null],
    ['x', null],
  ];
  for (const [owner, twin] of rows) t.equal(findTwin(owner), twin, owner);
});

t.test('whatever a body holds, the call is one for actions that are known or unread', async () => {
  const interpreter = createInterpreter(defaultServers, []);
  const { hold } = interpreter.understand(request(launch))!;
  const runs = Math.min(1_000, Number(process.env['FUZZ_CASES'] ?? 500));
  const entry = fc.record(
    { action: fc.anything(), version: fc.anything(), path: fc.anything(), resolved_sha: fc.anything() },
    { requiredKeys: [] },
  );
  const bodies = fc.oneof(
    fc.string(),
    fc
      .record({ actions: fc.oneof(fc.array(entry), fc.dictionary(fc.string(), entry), fc.anything()) })
      .map((value) => JSON.stringify(value) ?? ''),
  );
  fc.assert(
    fc.property(bodies, bodies, (asked, answered) => {
      const found = hold!.withBody(whole(asked));
      const { operation } = found.review!.read(whole(answered));
      for (const each of [found.operation!, operation])
        if (
          !each.touches.every(
            (touch) => touch.kind !== 'action' || touch.owner !== null || each.sureness === 'unknown',
          )
        )
          return false;
      return operation.name === 'actions/resolve';
    }),
    { numRuns: runs },
  );
});

t.test('commits of a real pack are found, deltas included, and nothing else is read', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pack-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const git = (args: readonly string[], input = ''): Buffer =>
    execFileSync('git', ['-C', directory, '-c', 'user.name=L', '-c', 'user.email=l@example.com', ...args], {
      input,
    });
  git(['init', '-q']);
  const tree = git(['mktree']).toString().trim();
  const made: string[] = [];
  // Long messages that differ in little become deltas.
  for (let at = 0; at < 40; at++) {
    const parent = made.at(-1);
    const message = `${'the same words again and again, '.repeat(40)}${at}`;
    const args = ['commit-tree', tree, '-m', message, ...(parent === undefined ? [] : ['-p', parent])];
    made.push(git(args).toString().trim());
  }
  const fork = git(['commit-tree', tree, '-m', 'fork', '-p', made.at(-1)!])
    .toString()
    .trim();
  const pack = git(['pack-objects', '--stdout', '-q', '--window=50', '--depth=50'], `${made.join('\n')}\n`);
  const wanted = new Set([made[0]!, made[20]!, made.at(-1)!, fork]);
  const found = await findCommits(pack, wanted);
  if (typeof found === 'string') throw new Error(found);
  t.same([...found].toSorted(), [made[0]!, made[20]!, made.at(-1)!].toSorted());
  t.ok(pack.length < 40 * 200, 'they were deltas');
  const side = (text: Buffer | string): Buffer => {
    const bytes = Buffer.from(text as string); // both kinds are fine
    return Buffer.concat([Buffer.from((bytes.length + 4).toString(16).padStart(4, '0')), bytes]);
  };
  const end = Buffer.from('0000');
  const data = side(Buffer.concat([Buffer.from([1]), pack.subarray(0, 60_000)]));
  const section = Buffer.concat([side('packfile\n'), side(Buffer.from([2, 120])), data, end]);
  t.same(readPackSection(section), pack);
  t.equal(readPackSection(Buffer.concat([side('packfile\n'), side(Buffer.from([3, 120])), end])), null);
  const broken = [Buffer.alloc(0), pack.subarray(0, 100), Buffer.from('PACK'), Buffer.alloc(64, 0xff)];
  for (const bytes of broken) t.type(await findCommits(bytes, wanted), 'string');
  // Nothing in them, and there are very many.
  const head = Buffer.from('PACK\0\0\0\x02\0\x0f\x42\x40', 'latin1');
  const nothing = Buffer.concat([Buffer.from([0x30]), deflateSync(Buffer.alloc(0))]);
  const many = Buffer.concat([head, ...Array.from({ length: 1_000_000 }, () => nothing)]);
  t.equal(await findCommits(many, new Set([fork])), 'the history of its repository is too long to be read');
  for (let at = 12; at < pack.length; at += 101) {
    const changed = Buffer.from(pack);
    changed[at]! ^= 0x5a;
    const read = await findCommits(changed, new Set([fork]));
    t.ok(typeof read === 'string' || read.size === 0);
  }
});

t.test('explain says what policy makes of a call, and by which key', async (t) => {
  const policy = policyOf('presets: github-runner\nactions: {allow: "actions/*", pinned: required}');
  const meanings = {
    interpreter: createInterpreter(defaultServers, []),
    credential: () => 'runtime' as const,
  };
  const [method = '', url = ''] = launch.split(' ');
  const rows: readonly (readonly [version: string, name: string, expected: string])[] = [
    [sha, 'actions/checkout', 'allow rule preset:github-runner/service'],
    ['v4', 'actions/checkout', 'block action-unpinned actions.pinned'],
    [sha, 'evil/tool', 'block action-unlisted actions.allow'],
    [sha, 'evil', 'block action-unread actions'],
  ];
  for (const [version, name, expected] of rows) {
    const body = Buffer.from(JSON.stringify({ actions: [{ action: name, version, path: '' }] }));
    const question = { url, method, hasBody: true, headers: new Map<string, string>(), body };
    const found = explainQuestion(policy, job(), question, meanings);
    if (found.kind === 'unreadable') throw new Error(found.detail);
    const { verdict, reason, rule } = found.decision;
    t.equal(`${verdict} ${reason} ${rule}`, expected, name);
    if (name === 'evil') continue;
    const [owner, repo] = name.split('/');
    t.match(describeOperation(found.operation), { operation: 'actions/resolve', owner, repo, needs: [{}] });
  }
});
