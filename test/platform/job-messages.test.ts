// Who a job is, read out of messages that hold secrets: by whole messages of both platforms, and by broken ones.

import { createHmac } from 'node:crypto';
import t from 'tap';
import { wholeDocument, entriesOf, pick, textOf } from '../../flow/json-spans.ts';
import { readJobMessage } from '../../platform/github/read-job-message.ts';
import { readGitlabJob } from '../../platform/gitlab/read-job.ts';
import { githubMessage, gitlabMessage } from '../lab/job-messages.ts';

const hash = (token: string): string => createHmac('sha256', 'test').update(token).digest('base64url');
const github = (message: unknown, server = 'github.com') =>
  readJobMessage(Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)), server, hash);
const gitlab = (message: unknown) =>
  readGitlabJob(
    Buffer.from(typeof message === 'string' ? message : JSON.stringify(message)),
    'gitlab.corp.example',
    hash,
  );

t.test('a job of GitHub is known by its own contexts', async (t) => {
  const read = github(githubMessage())!;
  t.same(read.job, {
    platform: 'github',
    server: 'github.com',
    repository: 'acme/widget',
    repositoryId: '4711',
    workflow: '.github/workflows/release.yml',
    calledWorkflow: 'acme/shared/.github/workflows/deploy.yml@refs/tags/v3',
    ref: 'refs/pull/42/merge',
    event: 'pull_request',
    environment: 'production',
    name: 'ship',
    runId: '123456789012',
    runnerGroup: 'linux-build',
    actor: 'dev-one',
    fork: true,
    protected: false,
    private: true,
  });
  t.match(read, {
    jobId: 'e0a94d52-77c1-5b0e-8f3a-000000000001',
    planId: '5b1f0c7e-2a4d-4c39-9e60-000000000001',
    runAttempt: '2',
    sha: '1'.repeat(40),
    headRef: 'feature/x',
    baseRef: 'main',
    granted: { contents: 'read', metadata: 'read', 'id-token': 'write' },
    hasIdentity: true,
    uses: [
      'actions/checkout@v4',
      `acme/tools/scan@${'4'.repeat(40)}`,
      './.github/actions/local',
      'docker://registry.example.test/ship:2',
    ],
    tokens: { own: hash('ghs_own'), runtime: hash('head.body.signature') },
    leaseMs: null,
  });
  t.same({ ...read.matrix }, { os: 'linux', node: 22, debug: false });
  t.same(
    read.steps.map(({ name }) => name),
    ['__actions_checkout', 'Compute version', '__acme_tools_scan', '__self', 'ship'],
  );
  for (const secret of ['ghs_own', 'user-secret', 'head.body.signature', 'evil/evil', 'decoy'])
    t.notMatch(JSON.stringify(read), secret, `${secret} goes nowhere`);
});

t.test('keys in another order, in another case and spread over lines say the same', async (t) => {
  const message = githubMessage();
  const turned = Object.fromEntries(Object.entries(message).toReversed());
  const upper = JSON.stringify(turned, null, 2).replaceAll(
    /"(contextData|jobId|plan|steps|variables)":/g,
    (_, key: string) => `"${key[0]!.toUpperCase()}${key.slice(1)}":`,
  );
  t.same(github(upper), github(message));
});

t.test(
  'texts and flags of contexts are read in their long forms, too, and not in those of other types',
  async (t) => {
    const message = JSON.stringify(githubMessage());
    const long = message
      .replace(
        '{"k":"repository","v":"acme/widget"}',
        '{"k":"repository","v":{"x":[],"s":"acme/widget","t":0}}',
      )
      .replace(
        '{"k":"server_url","v":"https://github.com"}',
        '{"k":"server_url","v":{"S":"https://github.com"}}',
      )
      .replace('{"k":"ref_protected","v":false}', '{"k":"ref_protected","v":{"t":3,"b":false}}');
    t.not(long, message);
    t.same(github(long), github(message));
    for (const other of [
      '{"t":1,"s":"acme/widget"}',
      '{"t":0,"b":true}',
      '{"t":4,"s":"acme/widget"}',
      '{"t":"0","s":"acme/widget"}',
    ])
      t.equal(github(message.replace('"v":"acme/widget"', `"v":${other}`)), null, other);
  },
);

t.test(
  'what a message of GitHub leaves out is unknown, and what it says twice is not believed',
  async (t) => {
    const plain = githubMessage({ event: null });
    t.equal(github(plain)!.job.fork, null);
    t.equal(github(githubMessage({ event: {} }))!.job.fork, false, 'a push');
    t.equal(
      github(githubMessage({ event: { pull_request: { head: { repo: null } } } }))!.job.fork,
      true,
      'a deleted fork',
    );
    t.equal(
      github(githubMessage({ event: { workflow_run: { head_repository: { full_name: 'Acme/Widget' } } } }))!
        .job.fork,
      false,
    );
    t.equal(
      github(githubMessage({ event: { workflow_run: { head_repository: { full_name: 'out/widget' } } } }))!
        .job.fork,
      true,
    );
    t.equal(github(githubMessage(), 'ghes.corp.example'), null, 'another server than the one that spoke');
    const text = JSON.stringify(plain);
    t.equal(github(text.replace('"jobId":', '"jobId":"x","JOBID":')), null, 'two ids');
    t.equal(github(text.slice(0, -1)), null, 'cut');
    t.equal(github(`${text}x`), null, 'more behind it');
    t.equal(github('['.repeat(100_000)), null);
    t.equal(github(''), null);
  },
);

t.test('a job of GitLab is known by its own fields and the first of each variable', async (t) => {
  const read = gitlab(gitlabMessage())!;
  t.same(read.job, {
    platform: 'gitlab',
    server: 'gitlab.corp.example',
    repository: 'acme/sub/widget',
    repositoryId: '301',
    workflow: '.gitlab-ci.yml',
    calledWorkflow: null,
    ref: 'refs/merge-requests/9/head',
    event: 'merge_request_event',
    // The pipeline's author can say both.
    environment: null,
    name: 'deploy: [eu]',
    runId: '7001',
    runnerGroup: null,
    actor: null,
    fork: true,
    protected: false,
    private: true,
  });
  t.match(read, { jobId: '55001', stage: 'deploy', sha: '5'.repeat(40), tokens: { own: hash('glcbt-own') } });
  t.notMatch(JSON.stringify(read), /glcbt-own|user-secret|evil/);
  const branch = gitlab(gitlabMessage({ ref: 'main', ref_type: 'branch' }))!;
  t.equal(branch.job.ref, 'refs/heads/main');
  t.equal(gitlab(gitlabMessage({ ref: 'v1', ref_type: 'tag' }))!.job.ref, 'refs/tags/v1');
  t.equal(gitlab({ ...gitlabMessage(), token: '' }), null);
  t.equal(gitlab({ ...gitlabMessage(), id: 'x' }), null);
  t.equal(gitlab('{"id": 1'), null);
});

t.test('spans are those of JSON.parse, on whole documents and on broken ones', async (t) => {
  const problems: string[] = [];
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const value = (depth: number): unknown => {
    const kind = random(depth > 4 ? 5 : 8);
    if (kind === 0) return random(2) === 0;
    if (kind === 1) return null;
    if (kind === 2) return (random(2_000) - 1_000) / 8;
    if (kind < 5) return `t${String.fromCodePoint(32 + random(400))}"\\${random(10)}`;
    const count = random(4);
    if (kind === 5) return Array.from({ length: count }, () => value(depth + 1));
    return Object.fromEntries(Array.from({ length: count }, (_, at) => [`k${at}`, value(depth + 1)]));
  };
  for (let round = 0; round < 3_000; round++) {
    const whole = value(0);
    const bytes = Buffer.from(JSON.stringify(whole, null, random(3)));
    const root = wholeDocument(bytes);
    if (root === null) {
      problems.push(`not read: ${bytes.toString()}`);
      continue;
    }
    const entries = [...entriesOf(bytes, root)].map(({ start, end }): unknown =>
      JSON.parse(bytes.toString('utf8', start, end)),
    );
    const expected = whole !== null && typeof whole === 'object' ? Object.values(whole) : [];
    if (JSON.stringify(entries) !== JSON.stringify(expected))
      problems.push(`${bytes.toString()}: ${JSON.stringify(entries)}`);
    const broken = Buffer.from(bytes);
    broken[random(broken.length)] = random(256);
    const isJson = parses(broken);
    // Escapes are looked at when a text is read.
    if (!isJson && wholeDocument(broken) !== null && !broken.includes(92))
      problems.push(`taken: ${broken.toString('latin1')}`);
  }
  t.same(problems, []);
  t.equal(
    textOf(
      Buffer.from('{"a":"\\ud800"}'),
      pick(Buffer.from('{"a":"\\ud800"}'), { start: 0, end: 14 }, 'a').a,
    ),
    '\ufffd',
  );
});

function parses(bytes: Buffer): boolean {
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
