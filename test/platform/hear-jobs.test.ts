// What is heard of jobs between runners and their services: the older form of GitHub Enterprise Server, and messages of
// any shape, which must neither throw nor say more than their bounds.

import fc from 'fast-check';
import t from 'tap';
import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { unattributed } from '../../flow/job.ts';
import type { JobNews } from '../../flow/job-news.ts';
import { entriesOf, textBytesOf, textOf, wholeDocument } from '../../flow/json-spans.ts';
import { hearJobs } from '../../platform/github/hear-jobs.ts';
import { readJobMessage } from '../../platform/github/read-job-message.ts';
import { githubServer } from '../../platform/github/github-server.ts';
import { understandGithub } from '../../platform/github/understand-github.ts';
import { hearGitlabJobs } from '../../platform/gitlab/hear-jobs.ts';
import { readGitlabJob } from '../../platform/gitlab/read-job.ts';
import { ownServer } from '../../flow/platform-server.ts';
import { serialiseJobRecord } from '../../store/serialise-job-record.ts';
import { githubMessage, gitlabMessage } from '../lab/job-messages.ts';

const hash = (token: string): string => `#${token.length}`;
const nowMs = 1_800_000_000_000;
const host = 'ghes.corp.example';
const ghes = githubServer(ownServer('github', host));

interface Call {
  readonly method: string;
  readonly path: string;
  readonly query?: string;
  readonly body?: string | Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly status?: number;
  readonly answer?: string | Buffer | null;
}

function asked({ method, path, query = '', body = null, headers = {} }: Call): AskedRequest {
  return {
    scheme: 'https',
    host,
    port: 443,
    method,
    path,
    query,
    hasBody: body !== null,
    header: (name) => headers[name] ?? null,
    attribution: unattributed,
    credential: 'unknown',
  };
}

const whole = (bytes: string | Buffer) => ({ kind: 'whole' as const, body: Buffer.from(bytes), raw: [] });

/** News of a call and its answer, as the path tells them; undefined: it was not listened to. */
function news(call: Call): readonly JobNews[] | undefined {
  const request = asked(call);
  const meant = understandGithub(ghes, 'web', request);
  const meaning = hearJobs(meant, meant.operation?.name ?? '', request, {
    server: host,
    hash,
    now: () => nowMs,
  });
  return told(meaning, call);
}

function told(meaning: Understanding, { body = null, status = 200, answer = null }: Call) {
  const found = meaning.hold === undefined ? meaning : meaning.hold.withBody(whole(body ?? ''));
  const head = { status, header: () => null };
  const held = answer !== null && found.answer?.wantsBody(head) === true ? whole(answer) : null;
  return found.answer?.read(head, held).news;
}

const service = '/_services/pipelines/aBc/_apis/distributedtask';
const poll = (answer: unknown, status = 200): Call => ({
  method: 'GET',
  path: `${service}/pools/1/messages`,
  query: 'sessionId=s-1&lastMessageId=3',
  headers: { 'x-actions-session': 'other' },
  status,
  answer: answer === null ? null : JSON.stringify(answer),
});
const message = githubMessage({ github: { server_url: `https://${host}` }, jobId: 'job-1' });
const announced = (more: Record<string, unknown> = {}) => ({
  messageId: 77,
  messageType: 'PipelineAgentJobRequest',
  body: JSON.stringify({ ...message, requestId: 4_711 }),
  ...more,
});
const polled = { kind: 'polled', server: host, agent: 's-1' };

t.test('a job of the older service is in the answer to the poll', async (t) => {
  const [first, second, ...rest] = news(poll(announced())) ?? [];
  t.same(first, polled);
  t.match(second, { kind: 'assigned', agent: 's-1', runsHere: true, message: { jobId: 'job-1' } });
  t.same(rest, []);
  t.notMatch(JSON.stringify(second), /ghs_own|user-secret|head\.body\.signature/);
  const escaped = JSON.stringify(announced()).replaceAll('acme/widget', '\\u0061cme/widget');
  t.match(news({ ...poll(null), answer: escaped })?.[1], { message: { job: { repository: 'acme/widget' } } });
  for (const iv of [null, ''])
    t.equal(news(poll(announced({ iv })))?.[1]?.kind, 'assigned', 'no vector, no encryption');
});

t.test('a message that cannot be read says that there is a job, and whose it is to nobody', async (t) => {
  const unread = (cause: string) => [polled, { kind: 'unread', server: host, agent: 's-1', cause }];
  t.same(news(poll(announced({ iv: 'AAECAwQFBgc=', body: 'c2VjcmV0' }))), unread('encrypted'));
  t.same(news(poll(announced({ iv: [1, 2, 3] }))), unread('encrypted'));
  t.same(news(poll(announced({ body: '{"jobId":' }))), unread('unreadable'));
  t.same(
    news(poll(announced({ body: JSON.stringify(githubMessage()) }))),
    unread('unreadable'),
    'another server',
  );
  t.same(news(poll(announced({ body: 7 }))), unread('unreadable'));
  const elsewhere = {
    messageType: 'RunnerJobRequest',
    body: '{"runner_request_id":"x","run_service_url":""}',
  };
  t.same(news(poll(elsewhere)), unread('unreadable'), 'fetched by a path that is not known');
  t.same(
    news(poll({ messageType: 'RunnerJobRequest', body: '{"run_service_url":"https://run.example/"}' })),
    [polled],
  );
});

t.test('so does what is no message to a runner that fetches its job', async (t) => {
  const acquire = (answer: string, status = 200) =>
    news({
      method: 'POST',
      path: '/_services/run/acquirejob',
      headers: { 'x-actions-session': 'a' },
      body: '{}',
      status,
      answer,
    });
  const unread = [{ kind: 'unread', server: host, agent: 'a', cause: 'unreadable' }];
  t.same(acquire(JSON.stringify(githubMessage())), unread, 'of another server');
  t.same(acquire('{"jobId":'), unread);
  t.equal(acquire(JSON.stringify(message))?.[0]?.kind, 'assigned', 'control');
  t.same(acquire('{}', 409), undefined, 'it was handed none');
});

t.test('polls, goodbyes and a move to the broker are told of the program that asks', async (t) => {
  t.same(news(poll(null, 202)), [polled]);
  t.same(news(poll({ messageType: 'JobCancellation', body: '{}' })), [polled]);
  t.same(news({ ...poll(null), answer: 'no JSON' }), [polled]);
  t.same(news(poll(null, 401)), undefined);
  const left = [{ kind: 'left', server: host, agent: 's-1' }];
  t.same(
    news(poll({ messageType: 'BrokerMigration', body: '{"brokerBaseUrl":"https://broker.example/"}' })),
    left,
  );
  t.same(news({ method: 'DELETE', path: `${service}/pools/1/sessions/s-1`, status: 204 }), left);
  t.same(
    news({ method: 'DELETE', path: `${service}/pools/1/messages/77`, query: 'sessionId=s-1' }),
    undefined,
  );
  const begin = (answer: string) =>
    news({
      method: 'POST',
      path: `${service}/pools/1/sessions`,
      headers: { 'x-actions-session': 'other' },
      body: '{"sessionId":"00000000-0000-0000-0000-000000000000","agent":{"id":12,"name":"r"}}',
      answer,
    });
  const key = '"encryptionKey":{"encrypted":true,"value":"c2VjcmV0"}';
  t.same(begin(`{"sessionId":"s-1",${key}}`), [{ kind: 'began', server: host, agent: 's-1', runner: '12' }]);
  t.same(begin(`{${key}}`), undefined, 'no name, no program');
  const busy = {
    ...poll({ messageType: 'JobCancellation', body: '{}' }),
    query: 'sessionId=s-1&status=Busy',
  };
  t.same(news(busy), [], 'one that is at work asks for nothing');
});

t.test('renewals, ends and steps are heard in the older form', async (t) => {
  news(poll(announced()));
  const change = (body: unknown, answer: unknown, id = 4_711): Call => ({
    method: 'PATCH',
    path: `${service}/pools/1/jobrequests/${id}`,
    query: 'lockToken=00000000-0000-0000-0000-000000000000',
    body: JSON.stringify(body),
    answer: JSON.stringify(answer),
  });
  const lockedUntil = '2027-01-15T08:10:00Z';
  t.same(news(change({ requestId: 4_711 }, { requestId: 4_711, lockedUntil })), [
    { kind: 'renewed', server: host, jobId: 'job-1', untilMs: Date.UTC(2027, 0, 15, 8, 10) },
  ]);
  t.same(news(change({}, { jobId: 'job-9' }, 5)), [
    { kind: 'renewed', server: host, jobId: 'job-9', untilMs: nowMs + 600_000 },
  ]);
  t.same(news(change({}, {}, 6)), undefined, 'a request that nobody knows');
  t.same(news(change({ requestId: 4_711, finishTime: lockedUntil, result: 'failed' }, {})), [
    { kind: 'ended', server: host, jobId: 'job-1', conclusion: 'failed' },
  ]);
  t.same(news({ ...change({ result: 0 }, {}), status: 403 }), undefined, 'the service did not take it');
  const plan = `${service}/hubs/actions/plans/p-1`;
  const event = {
    name: 'JobCompleted',
    jobId: 'job-1',
    requestId: 4_711,
    result: 3,
    outputs: { a: { value: 's' } },
  };
  const ended = [{ kind: 'ended', server: host, jobId: 'job-1', conclusion: 'canceled' }];
  t.same(news({ method: 'POST', path: `${plan}/events`, body: JSON.stringify(event) }), ended);
  t.same(
    news({ method: 'POST', path: `${plan}/events`, body: JSON.stringify({ ...event, name: 'JobStarted' }) }),
    undefined,
  );
  const records = {
    count: 3,
    value: [
      { id: 'job-1', type: 'Job', name: 'ship', state: 'inProgress' },
      {
        id: 'step-1',
        parentId: 'job-1',
        name: 'Build',
        order: 2,
        state: 'completed',
        result: 'succeeded',
        startTime: lockedUntil,
      },
      { id: 'step-2', parentId: 'job-1', name: 'Test', order: 3, state: 1 },
      { id: 'step-x', parentId: 'another', name: 'Other' },
    ],
  };
  t.same(news({ method: 'PATCH', path: `${plan}/timelines/t-1/records`, body: JSON.stringify(records) }), [
    {
      kind: 'steps',
      server: host,
      jobId: 'job-1',
      steps: [
        {
          id: 'step-1',
          name: 'Build',
          number: 2,
          state: 'succeeded',
          startedMs: Date.UTC(2027, 0, 15, 8, 10),
          endedMs: null,
        },
        { id: 'step-2', name: 'Test', number: 3, state: 'running', startedMs: null, endedMs: null },
      ],
    },
  ]);
  const feed = understandGithub(
    ghes,
    'web',
    asked({ method: 'POST', path: `${plan}/timelines/t-1/records/step-1/feed`, body: '{}' }),
  );
  t.equal(feed.operation?.name, 'log/upload');
  t.ok(feed.watch, 'lines of a step are looked through');
});

t.test('a GitLab that hands jobs out by its router is said to be unreadable', async (t) => {
  const none: Understanding = { operation: null, evidence: [] };
  const heard = hearGitlabJobs(none, 'runner/discover-router', null, {
    server: 'gitlab.com',
    hash,
    now: () => nowMs,
  });
  const read = (answer: string, status = 200) => told(heard, { method: 'GET', path: '', status, answer });
  t.same(read('{"server_url":"grpc://router.example"}'), [
    { kind: 'unread', server: 'gitlab.com', agent: 'job-router', cause: 'job-router' },
  ]);
  t.same(read('{}', 404), undefined);
});

const runs = { numRuns: Math.max(300, Number(process.env['FUZZ_CASES'] ?? 600) / 100) };
const limitBytes = 262_144;
/** Everything that is told of a message of whatever shape stays small. */
const isBounded = (value: unknown): boolean => JSON.stringify(value ?? null).length < limitBytes;

const hostile = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '=cmd|calc!A1',
    '\u001b]0;title\u0007\u001b[2J',
    '<img src=x onerror=alert(1)>',
    "'; DROP TABLE flow; --",
    '\u202eevil\u0000',
    '../../../etc/passwd',
    '__proto__',
    'constructor',
  ),
);
const shape = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    hostile,
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 5 }),
    fc.dictionary(hostile, tie('value'), { maxKeys: 5 }),
  ),
})).value;
const paths = [
  `${service}/pools/1/messages`,
  `${service}/pools/1/jobrequests/4711`,
  `${service}/hubs/h/plans/p/timelines/t/records`,
  `${service}/hubs/h/plans/p/events`,
  '/_services/run/acquirejob',
  '/_services/run/renewjob',
  '/_services/run/completejob',
  '/_services/results/twirp/a.WorkflowStepUpdateService/WorkflowStepsUpdate',
];

/** A true message in which something is other than it should be. */
const bent = (base: Record<string, unknown>) =>
  fc
    .tuple(
      fc.constantFrom(...Object.keys(base)),
      shape,
      fc.nat(3),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    .map(([key, value, kind, at]) => {
      const text = JSON.stringify(kind === 0 ? base : { ...base, [key]: value });
      const cut = Math.floor(at * text.length);
      if (kind === 1) return text.slice(0, cut);
      if (kind === 2) return `${text.slice(0, cut)}${String.fromCharCode(cut % 65_536)}${text.slice(cut)}`;
      return text;
    });

t.test('messages of any shape tell little, and never throw', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...paths),
      fc.constantFrom('GET', 'POST', 'PATCH', 'DELETE'),
      fc.oneof(
        bent({ ...announced(), ...message }),
        shape.map((value) => JSON.stringify(value)),
      ),
      fc.oneof(bent(announced()), bent(message), fc.string({ unit: 'binary' })),
      (path, method, body, answer) => isBounded(news({ method, path, body, answer })),
    ),
    runs,
  );
  fc.assert(
    fc.property(bent(message), (text) => isBounded(readJobMessage(Buffer.from(text), 'github.com', hash))),
    runs,
  );
  fc.assert(
    fc.property(bent(gitlabMessage()), (text) =>
      isBounded(readGitlabJob(Buffer.from(text), 'gitlab.com', hash)),
    ),
    runs,
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const all = Buffer.from(bytes);
      return isBounded([readJobMessage(all, 'github.com', hash), readGitlabJob(all, 'gitlab.com', hash)]);
    }),
    runs,
  );
  t.pass(`${runs.numRuns} of each`);
});

t.test('a text that is taken out as bytes is the text that JSON means', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, isAscii) => {
      const raw = isAscii
        ? JSON.stringify(text).replaceAll(
            /[\u0080-\uffff]/g,
            (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
          )
        : JSON.stringify(text);
      const bytes = Buffer.from(`{"a":${raw}}`);
      const [entry] = entriesOf(bytes, wholeDocument(bytes)!);
      return textBytesOf(bytes, entry, 10_000)?.toString('utf8') === text.toWellFormed();
    }),
    runs,
  );
  const broken = Buffer.from('"\\x"');
  t.equal(textBytesOf(broken, wholeDocument(broken), 100), null);
  t.equal(textOf(broken, wholeDocument(broken)), null);
});

t.test('a record of hostile names is one bounded line without a secret in it', async (t) => {
  const token = ['ghp', 'Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j'].join('_');
  const names = [
    '\u001b]0;x\u0007\r\n{"kind":"job"',
    '=1+1',
    "'; DROP TABLE job;--",
    '<b>',
    token,
    'n'.repeat(1_000),
  ];
  const steps = Array.from({ length: 2_000 }, (_, at) => ({
    type: 'action',
    id: `a1000000-0000-4000-8000-${String(at).padStart(12, '0')}`,
    displayNameToken: { type: 0, lit: names[at % names.length] },
  }));
  const read = readJobMessage(
    Buffer.from(
      JSON.stringify({ ...githubMessage({ github: { actor: token, head_ref: names[0]! } }), steps }),
    ),
    'github.com',
    hash,
  )!;
  const { job, runAttempt, stage, sha, headRef, baseRef, matrix, granted, hasIdentity, uses } = read;
  const line = serialiseJobRecord({
    v: 1,
    kind: 'job',
    id: '0190a2b3-0000-7000-8000-000000000001',
    time: '2026-11-25T00:00:00.000Z',
    gateway: 'g',
    fleet: 'f',
    runner: '192.0.2.7',
    jobId: read.jobId,
    source: 'job-message',
    agent: token,
    event: {
      what: 'assigned',
      job,
      runAttempt,
      stage,
      sha,
      headRef,
      baseRef,
      matrix,
      granted,
      hasIdentity,
      uses,
      steps: read.steps,
    },
  });
  t.equal(line.indexOf('\n'), line.length - 1, 'one line');
  t.ok(line.length < 1_048_576, `${line.length} bytes`);
  t.notMatch(line.slice(0, -1), /\p{Cc}/u, 'no control character');
  t.notMatch(line, token);
  t.match(JSON.parse(line), { kind: 'job', event: { headRef: /pull|x|kind/ } });
});

t.test('hostile names reach what is kept bounded', async (t) => {
  const huge = 'x'.repeat(1_048_576);
  for (const [title, text] of [
    ['ANSI', '\u001b]0;pwned\u0007\u001b[2J'],
    ['HTML', '<script>fetch(1)</script>'],
    ['SQL', "x'); DROP TABLE job; --"],
    ['CSV', '=HYPERLINK("http://evil.example","x")'],
    ['a megabyte', huge],
  ] as const) {
    const read = readJobMessage(
      Buffer.from(
        JSON.stringify({
          ...githubMessage({ github: { actor: text, ref: `refs/heads/${text}`, sha: text } }),
          actionsEnvironment: { name: text },
        }),
      ),
      'github.com',
      hash,
    );
    t.ok(read, title);
    t.ok(isBounded(read), `${title}: ${JSON.stringify(read).length} bytes`);
    if (text === huge) t.match(read?.job, { actor: null, environment: null }, 'too long: not said');
    else
      t.match(
        read?.job,
        { actor: text, environment: text },
        'as it came, for redaction and escaping by those who show it',
      );
    t.equal(
      readJobMessage(
        Buffer.from(JSON.stringify(githubMessage({ github: { repository: text } }))),
        'github.com',
        hash,
      ),
      null,
      'no name of a repository',
    );
  }
});
