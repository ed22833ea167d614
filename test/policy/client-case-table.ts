// The cases of policy semantics, by the ids that they were numbered with, as real clients ask them: curl and git through
// a gateway, and what stands in the record afterwards. Each would be decided otherwise by a plausible wrong reading.

/** Whose runner asks: J is a push to main of acme/app on github.com, the others differ from it as they are called. */
export const askers = {
  J: {},
  pull: { event: 'pull_request', ref: 'refs/pull/7/merge' },
  feature: { ref: 'refs/heads/feature' },
  prod: { environment: 'prod' },
  target: { event: 'pull_request_target' },
  schedule: { event: 'schedule' },
  lib: { repository: 'acme/lib' },
  ghes: { server: 'ghes.corp.example' },
  nobody: null,
} as const;
export type Asker = keyof typeof askers;

/**
 * `METHOD URL` by curl (a write has a JSON body), `GET URL +body`, `clone REPOSITORY` and `push REPOSITORY` by git, or
 * `resolve ACTION@REF`, the call by which a runner has an action resolved.
 * The answer is `allow RULE`, `block REASON [RULE]` or `would REASON [RULE]`; a rule of a scope is `scope:rule`.
 */
export type ClientRow = readonly [who: Asker, request: string, answer: string];

export interface ClientStep {
  /** Without version and mode `version: 1` and `mode: block` stand in front. */
  readonly policy: string;
  readonly rows: readonly ClientRow[];
  /** The policy is refused with this problem: what was in force before stays. */
  readonly problem?: RegExp;
  /** The gateway's clock before the rows, against the start of the case. */
  readonly afterMinutes?: number;
}

export interface ClientCase {
  readonly id: string;
  readonly title: string;
  readonly steps: readonly ClientStep[];
  /** What of the case no live flow can show, and where it is held instead. */
  readonly notLive?: string;
}

const pullAlone =
  'http: {id: a, host: a.example}\nscopes: [{id: pr, match: {event: pull_request}, exclusive: true, http: {id: n, host: n.example}}';
const follow = 'http: {id: r, host: h1.example, follow: true}\n';
const file = 'https://h2.example/f?sig=1';
const redirect = `https://h1.example/redirect?to=${encodeURIComponent(file)}`;
const api = 'https://api.github.com';
const mainWrites = (access: string): string =>
  `scopes: {id: main, match: {ref: refs/heads/main}, github: {id: w, repo: acme/app, access: ${access}}}`;

const onHosts: readonly ClientCase[] = [
  {
    id: '1',
    title: 'one star is one label, and a bare host does not cover its subdomains',
    steps: [
      {
        policy: 'http: {id: r, host: "*.a.example"}',
        rows: [
          ['J', 'GET https://x.a.example/', 'allow r'],
          ['J', 'GET https://x.y.a.example/', 'block no-rule'],
        ],
      },
      {
        policy: 'http: {id: r, host: a.example}',
        rows: [
          ['J', 'GET https://x.a.example/', 'block no-rule'],
          ['J', 'GET https://a.example/', 'allow r'],
        ],
      },
    ],
  },
  {
    id: '2',
    title: 'a block without methods beats an allow of a method',
    steps: [
      {
        policy:
          'http: [{id: r, host: "**.a.example", methods: [GET, POST]}, {id: b, host: p.a.example, action: block}]',
        rows: [
          ['J', 'POST https://p.a.example/', 'block block-rule b'],
          ['J', 'POST https://q.a.example/', 'allow r'],
        ],
      },
    ],
  },
  {
    id: '2b',
    title: 'a GET with a body is a write',
    steps: [
      {
        policy: 'http: {id: r, host: h.example}',
        rows: [
          ['J', 'GET https://h.example/ +body', 'block method'],
          ['J', 'GET https://h.example/', 'allow r'],
        ],
      },
    ],
  },
  {
    id: '3',
    title: 'an encoded slash is data, a dot segment behind it is refused',
    steps: [
      {
        policy: 'http: {id: r, host: s.example, paths: "/acme/**"}',
        rows: [
          ['J', 'GET https://s.example/acme/..%2fevil/x', 'block ambiguous-path'],
          ['J', 'GET https://s.example/acme/group%2Fproject', 'allow r'],
        ],
      },
    ],
  },
];

const onScopes: readonly ClientCase[] = [
  {
    id: '4',
    title: 'every matching scope allows',
    steps: [
      {
        policy:
          'scopes: [{id: o, match: {owner: acme}, http: {id: a, host: a.example}}, {id: p, match: {owner: acme, repo: acme/app}, http: {id: b, host: b.example}}]',
        rows: [
          ['J', 'GET https://a.example/', 'allow o:a'],
          ['J', 'GET https://b.example/', 'allow p:b'],
          ['lib', 'GET https://b.example/', 'block no-rule'],
        ],
      },
    ],
  },
  {
    id: '5',
    title: 'an exclusive scope alone allows, and several intersect',
    steps: [
      {
        policy: `${pullAlone}]`,
        rows: [
          ['pull', 'GET https://a.example/', 'block not-exclusive'],
          ['pull', 'GET https://n.example/', 'allow pr:n'],
          ['J', 'GET https://a.example/', 'allow a'],
        ],
      },
      {
        policy: `${pullAlone}, {id: plain, match: {repo: acme/app}, http: {id: pa, host: a.example}}]`,
        rows: [['pull', 'GET https://a.example/', 'block not-exclusive']],
      },
      {
        policy: `${pullAlone}, {id: own, match: {repo: acme/app}, exclusive: true, http: {id: oa, host: a.example}}]`,
        rows: [
          ['pull', 'GET https://a.example/', 'block not-exclusive'],
          ['J', 'GET https://a.example/', 'allow own:oa'],
        ],
      },
    ],
  },
  {
    id: '6',
    title: 'an exclusive scope does not lift a block',
    steps: [
      {
        policy:
          'http: {id: b, host: p.example, action: block}\nscopes: {id: s, match: {repo: acme/app}, exclusive: true, http: {id: a, host: [p.example, q.example]}}',
        rows: [
          ['J', 'GET https://p.example/', 'block block-rule b'],
          ['J', 'GET https://q.example/', 'allow s:a'],
        ],
      },
    ],
  },
  {
    id: '7',
    title: 'nobody gets no more than every exclusive scope that could apply',
    notLive:
      'a flow in conflict: declared jobs, the only source of this release, know no conflict (test/policy/cases.test.ts)',
    steps: [
      {
        policy: `${pullAlone}]`,
        rows: [
          ['nobody', 'GET https://a.example/', 'block not-exclusive'],
          ['J', 'GET https://a.example/', 'allow a'],
        ],
      },
    ],
  },
  {
    id: '11',
    title: 'the mode of the top level is the default alone; among scopes block wins',
    steps: [
      {
        policy: 'mode: block\nscopes: {id: a, match: {repo: acme/app}, mode: audit}',
        rows: [
          ['J', 'GET https://x.example/', 'would no-rule'],
          ['lib', 'GET https://x.example/', 'block no-rule'],
        ],
      },
      {
        policy:
          'mode: audit\nscopes: [{id: a, match: {repo: acme/app}, mode: audit}, {id: b, match: {event: push}, mode: block}]',
        rows: [
          ['J', 'GET https://x.example/', 'block no-rule'],
          ['schedule', 'GET https://x.example/', 'would no-rule'],
        ],
      },
    ],
  },
  {
    id: '12',
    title: 'the blocklist beats an allow in audit too, unless the list itself is in audit',
    steps: [
      {
        policy:
          'mode: audit\nhttp: {id: r, host: "**.evil.example"}\nblocklist: {id: hard, hosts: evil.example}',
        rows: [
          ['J', 'GET https://x.evil.example/', 'block blocklist hard'],
          ['J', 'GET https://notevil.example/', 'would no-rule'],
        ],
      },
      {
        policy:
          'mode: audit\nhttp: {id: r, host: "**.evil.example"}\nblocklist: {id: soft, hosts: evil.example, mode: audit}',
        rows: [['J', 'GET https://x.evil.example/', 'would blocklist soft']],
      },
    ],
  },
];

const onForges: readonly ClientCase[] = [
  {
    id: '8',
    title: 'owner and repository compare without case, a write goes with its ref',
    steps: [
      {
        policy:
          'scopes: {id: main, match: {repo: acme/app, ref: refs/heads/main}, github: {id: w, repo: acme/app, access: write}}',
        rows: [
          ['J', 'push Acme/App.git', 'allow main:w'],
          ['feature', 'push Acme/App.git', 'block no-rule'],
        ],
      },
    ],
  },
  {
    id: '8b',
    title: 'an environment that nobody knows matches nothing',
    steps: [
      {
        policy:
          'github: {id: r, repo: acme/app}\nscopes: {id: prod, match: {environment: prod}, github: {id: w, repo: acme/app, access: write}}',
        rows: [
          ['J', 'push acme/app.git', 'block access'],
          ['prod', 'push acme/app.git', 'allow prod:w'],
          ['J', 'clone acme/app.git', 'allow r'],
        ],
      },
    ],
  },
  {
    id: '9',
    title: 'the job’s own is that of a known job alone',
    steps: [
      {
        policy:
          'github: {id: r, repo: "acme/*"}\nscopes: {id: s, match: {ref: "refs/heads/*"}, github: {id: own, repo: "{job.repo}", access: write}}',
        rows: [
          ['J', 'push acme/app.git', 'allow s:own'],
          ['J', 'push acme/lib.git', 'block access'],
          ['lib', 'push acme/lib.git', 'allow s:own'],
          ['nobody', 'push acme/app.git', 'block access'],
          ['J', `POST ${api}/repos/acme/app/issues`, 'allow s:own'],
          ['J', `POST ${api}/repos/acme/lib/issues`, 'block access'],
          ['nobody', `POST ${api}/repos/acme/app/issues`, 'block access'],
        ],
      },
    ],
  },
  {
    id: '10',
    title: 'a rule without a server is about the job’s own server, never about all',
    steps: [
      {
        policy: 'github: {id: r, repo: "acme/*"}',
        rows: [
          ['J', 'GET https://ghes.corp.example/api/v3/repos/acme/app', 'block repository'],
          ['J', `GET ${api}/repos/acme/app`, 'allow r'],
          ['ghes', 'GET https://ghes.corp.example/api/v3/repos/acme/app', 'allow r'],
          ['ghes', `GET ${api}/repos/acme/app`, 'block repository'],
        ],
      },
    ],
  },
  {
    id: '13',
    title: 'an event that runs the input of others writes nothing unless the scope names it',
    steps: [
      {
        policy: mainWrites('write'),
        rows: [
          ['J', 'push acme/app.git', 'allow main:w'],
          ['target', 'push acme/app.git', 'block untrusted-write'],
          ['target', 'clone acme/app.git', 'allow main:w'],
        ],
      },
      {
        policy:
          'scopes: {id: named, match: {ref: refs/heads/main, event: pull_request_target}, github: {id: w, repo: acme/app, access: write}}',
        rows: [['target', 'push acme/app.git', 'allow named:w']],
      },
    ],
  },
  {
    id: '14',
    title: 'write is not admin',
    steps: [
      {
        policy: mainWrites('write'),
        rows: [
          ['J', `POST ${api}/repos/acme/app/hooks`, 'block access'],
          ['J', `POST ${api}/repos/acme/app/actions/runners/registration-token`, 'block access'],
          ['J', `POST ${api}/user/repos`, 'block repository'],
          ['J', `POST ${api}/repos/acme/app/issues`, 'allow main:w'],
        ],
      },
      {
        policy: mainWrites('admin'),
        rows: [
          ['J', `POST ${api}/repos/acme/app/hooks`, 'allow main:w'],
          ['J', `POST ${api}/repos/acme/app/actions/runners/registration-token`, 'allow main:w'],
        ],
      },
    ],
  },
  {
    id: '15',
    title: 'a write at top level does not load',
    steps: [
      { policy: 'github: {id: r, repo: acme/app}', rows: [['J', 'clone acme/app.git', 'allow r']] },
      {
        policy: 'github: {id: w, repo: acme/app, access: write}',
        problem: /w grants a write, and no ref or environment is named/,
        rows: [
          ['J', 'push acme/app.git', 'block access'],
          ['J', 'clone acme/app.git', 'allow r'],
        ],
      },
      {
        policy: 'github: {id: w, repo: acme/app, access: write, anyRef: "a reason"}',
        rows: [['feature', 'push acme/app.git', 'allow w']],
      },
    ],
  },
];

const onAnswers: readonly ClientCase[] = [
  {
    id: '16',
    title: 'what an answer of a follow rule leads to is open to that job, for reading, ten minutes',
    steps: [
      {
        policy: follow,
        rows: [
          ['J', `GET ${file}`, 'block no-rule'],
          ['J', `GET ${redirect}`, 'allow r'],
          ['J', `GET ${file}`, 'allow r'],
          ['lib', `GET ${file}`, 'block no-rule'],
          ['J', `POST ${file}`, 'block no-rule'],
        ],
      },
      {
        policy: `${follow}blocklist: {id: l, hosts: h2.example}\n`,
        rows: [['J', `GET ${file}`, 'block blocklist l']],
      },
      { policy: follow, afterMinutes: 9, rows: [['J', `GET ${file}`, 'allow r']] },
      { policy: follow, afterMinutes: 10.1, rows: [['J', `GET ${file}`, 'block no-rule']] },
    ],
  },
];

/** What the stand-in of the platform resolves actions to. */
export const commits: Readonly<Record<string, string>> = {
  'actions/checkout': '1'.repeat(40),
  'third/party': '2'.repeat(40),
};
const archive = (action: string, commit = commits[action]): string =>
  `GET https://codeload.github.com/${action}/tar.gz/${commit}`;

const onActions: readonly ClientCase[] = [
  {
    id: '17',
    title: 'the archive of an action opens at its resolved commit, to the job that it was resolved for',
    steps: [
      {
        policy: 'presets: github-runner\nactions: {allow: "actions/*"}',
        rows: [
          ['J', archive('actions/checkout'), 'block repository'],
          ['J', 'resolve third/party@v1', 'block action-unlisted actions.allow'],
          ['J', archive('third/party'), 'block repository'],
          ['J', 'resolve actions/checkout@v4', 'allow preset:github-runner/service'],
          ['J', archive('actions/checkout'), 'allow preset:github-runner/service'],
          ['J', archive('actions/checkout', '3'.repeat(40)), 'block repository'],
          ['lib', archive('actions/checkout'), 'block repository'],
        ],
      },
    ],
  },
];

/** Every case. */
export const clientCases: readonly ClientCase[] = [
  ...onHosts,
  ...onScopes,
  ...onForges,
  ...onAnswers,
  ...onActions,
];
