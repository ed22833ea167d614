// Packages on forges, from the URL to the decision: whose they are by `github` and `gitlab`, which they are by `packages`;
// both must grant. Ages, malware and names of one's own count there as on any registry.

import t from 'tap';
import type { Job } from '../../flow/job.ts';
import type { CredentialKind, Operation, Touch } from '../../flow/operation.ts';
import { gitlabCom, githubCom, ownServer } from '../../flow/platform-server.ts';
import { understandWhole } from '../../flow/understand-whole.ts';
import { createInterpreter } from '../../interpreters.ts';
import { decideRequest } from '../../policy/decide.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { FeedBuilder } from '../../registry/malware-feed.ts';
import { readAdvisory } from '../../registry/osv.ts';
import { PackageTimes } from '../../registry/times.ts';
import { acmeApp, request } from '../platform/ask.ts';
import { policyOf } from './judge.ts';

const servers = [
  githubCom,
  gitlabCom,
  ownServer('github', 'ghes.corp.example'),
  ownServer('gitlab', 'gitlab.corp.example'),
];
const hourMs = 3_600_000;
const times = new PackageTimes();
const learn = (registry: string, purl: string, version: string, hours: number): void =>
  times.learn(registry, purl, version, { timeMs: Date.now() - hours * hourMs, timeClass: 'registry-stated' });
learn('npm.pkg.github.com', 'pkg:npm/%40acme/lib', '1.0.0', 1000);
learn('npm.pkg.github.com', 'pkg:npm/%40acme/lib', '1.1.0', 1);
// What one repository says of a package is of no weight to another.
learn('maven.pkg.github.com/evil/repo', 'pkg:maven/com.acme/lib', '1.0', 1000);
learn('maven.pkg.github.com/acme/app', 'pkg:maven/com.acme/old', '1.0', 1000);
const npmOfApp = 'gitlab.com/api/v4/projects/acme%2Fapp/packages/npm';
learn(npmOfApp, 'pkg:npm/%40acme/lib', '1.0.0', 1000);
learn(npmOfApp, 'pkg:npm/%40acme/lib', '1.1.0', 1);
learn('ghcr.io', 'ghcr.io/acme/tool', 'sha256:'.padEnd(71, 'a'), 1000);

const builder = new FeedBuilder();
for (const advisory of [
  { id: 'MAL-1', affected: [{ package: { ecosystem: 'npm', name: '@acme/stolen' }, versions: ['2.0.0'] }] },
  {
    id: 'MAL-2',
    affected: [{ package: { purl: 'pkg:oci/bad?repository_url=ghcr.io/acme/bad' }, versions: ['latest'] }],
  },
])
  for (const each of readAdvisory(advisory)!) builder.add(each);
const feed = builder.build();
const interpreter = createInterpreter(servers, [], { times, feed: () => feed });

interface Asking {
  readonly job?: Partial<Job>;
  readonly credential?: CredentialKind;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function understand(line: string, { job, credential, body, headers }: Asking = {}) {
  const asked = request(line, {
    ...(job === undefined ? {} : { job }),
    ...(credential === undefined ? {} : { credential }),
    ...(headers === undefined ? {} : { headers }),
  });
  const found = understandWhole(interpreter, asked, body === undefined ? null : Buffer.from(body));
  return { asked, operation: found?.operation ?? null };
}

function decide(text: string, line: string, asking: Asking = {}): string {
  const { asked, operation } = understand(line, asking);
  const { scheme, host, port, method, path, hasBody, attribution } = asked;
  const question = { scheme, host, port, method, path, hasBody, upgrade: null, evidence: [] } as const;
  const policy = policyOf(text, {}, { servers });
  const decision = decideRequest(effectivePolicy(policy, attribution), {
    ...question,
    operation,
    attribution,
  });
  if (decision.verdict === 'allow') return `allow ${decision.rule}`;
  return `${decision.enforced ? 'block' : 'would'} ${decision.reason}`;
}

function say(operation: Operation | null): string {
  const touches = (operation?.touches ?? []).map((touch: Touch) => {
    if (touch.kind === 'owner') return `${touch.access} owner ${touch.owner}`;
    if (touch.kind === 'repository') return `${touch.access} ${touch.owner}/${touch.name}`;
    if (touch.kind === 'image') return `${touch.access} ${touch.image}`;
    if (touch.kind !== 'package') return `${touch.access} ${touch.kind}`;
    const version = touch.version === null ? '' : `@${touch.version}`;
    return `${touch.access} ${touch.act} ${touch.purl ?? '-'}${version} at ${touch.registry}${touch.part ?? ''}`;
  });
  return `${operation?.platform} ${operation?.name}: ${touches.join(' + ')}`;
}

const project = 'https://gitlab.com/api/v4/projects/acme%2Fapp/packages';
const meanings: readonly (readonly [line: string, meaning: string])[] = [
  [
    'GET https://npm.pkg.github.com/@acme%2Flib',
    'github packages/download: read owner acme + read metadata pkg:npm/%40acme/lib at npm.pkg.github.com',
  ],
  [
    'GET https://npm.pkg.github.com/download/@acme/lib/1.0.0/0123456789012345678901234567890123456789',
    'github packages/download: read owner acme + read install pkg:npm/%40acme/lib@1.0.0 at npm.pkg.github.com',
  ],
  [
    'PUT https://npm.pkg.github.com/@acme%2Flib',
    'github packages/publish: write owner acme + write publish pkg:npm/%40acme/lib at npm.pkg.github.com',
  ],
  [
    'GET https://maven.pkg.github.com/acme/app/com/acme/lib/1.0/lib-1.0.jar',
    'github packages/download: read acme/app + read install pkg:maven/com.acme/lib@1.0 at maven.pkg.github.com/acme/app',
  ],
  [
    'PUT https://maven.pkg.github.com/acme/app/com/acme/lib/1.0/lib-1.0.jar',
    'github packages/publish: write acme/app + write publish pkg:maven/com.acme/lib@1.0 at maven.pkg.github.com/acme/app',
  ],
  [
    'GET https://nuget.pkg.github.com/acme/download/acme.lib/1.0.0/acme.lib.1.0.0.nupkg',
    'github packages/download: read owner acme + read install pkg:nuget/acme.lib@1.0.0 at nuget.pkg.github.com/acme',
  ],
  [
    'GET https://rubygems.pkg.github.com/acme/gems/lib-1.0.0.gem',
    'github packages/download: read owner acme + read install pkg:gem/lib@1.0.0 at rubygems.pkg.github.com/acme',
  ],
  [
    'GET https://ghes.corp.example/_registry/npm/@acme%2Flib',
    'github packages/download: read owner acme + read metadata pkg:npm/%40acme/lib at ghes.corp.example',
  ],
  [
    'PUT https://maven.ghes.corp.example/acme/app/com/acme/lib/1.0/lib-1.0.jar',
    'github packages/publish: write acme/app + write publish pkg:maven/com.acme/lib@1.0 at maven.ghes.corp.example/acme/app',
  ],
  ['GET https://ghcr.io/v2/acme/tool/manifests/1', 'github container/pull: read ghcr.io/acme/tool'],
  [
    `GET ${project}/npm/@acme%2Flib`,
    `gitlab packages/download: read acme/app + read metadata pkg:npm/%40acme/lib at ${npmOfApp}`,
  ],
  [
    `GET ${project}/npm/@acme/lib/-/@acme/lib-1.0.0.tgz`,
    `gitlab packages/download: read acme/app + read install pkg:npm/%40acme/lib@1.0.0 at ${npmOfApp}`,
  ],
  [
    `PUT ${project}/npm/@acme%2Flib`,
    `gitlab packages/publish: write acme/app + write publish pkg:npm/%40acme/lib at ${npmOfApp}`,
  ],
  [
    `GET ${project}/pypi/files/${'a'.repeat(64)}/lib-1.0-py3-none-any.whl`,
    'gitlab packages/download: read acme/app + read install pkg:pypi/lib@1.0 at gitlab.com/api/v4/projects/acme%2Fapp/packages/pypi',
  ],
  [
    `PUT ${project}/maven/com/acme/lib/1.0/lib-1.0.jar`,
    'gitlab packages/publish: write acme/app + write publish pkg:maven/com.acme/lib@1.0 at gitlab.com/api/v4/projects/acme%2Fapp/packages/maven',
  ],
  [
    'GET https://gitlab.corp.example/api/v4/groups/acme%2Fteam/-/packages/npm/@acme%2Flib',
    'gitlab packages/download: read owner acme/team + read metadata pkg:npm/%40acme/lib at gitlab.corp.example/api/v4/groups/acme%2Fteam/-/packages/npm',
  ],
  [
    `GET ${project}/go/example.com/acme/mod/@v/v1.0.0.zip`,
    'gitlab packages/download: read acme/app + read install pkg:golang/example.com/acme/mod@v1.0.0 at gitlab.com/api/v4/projects/acme%2Fapp/packages/go',
  ],
  [`PUT ${project}/generic/tool/1.0/tool.tar.gz`, 'gitlab packages/publish: write acme/app'],
];

t.test('one operation says whose a package is and which', (t) => {
  for (const [line, meaning] of meanings) t.equal(say(understand(line).operation), meaning, line);
  const overridden = { headers: { 'x-http-method-override': 'PUT' } };
  t.equal(
    say(understand(`GET ${project}/npm/@acme%2Flib`, overridden).operation),
    `gitlab packages/unknown: write acme/app + read metadata pkg:npm/%40acme/lib at ${npmOfApp} + write publish - at gitlab.com`,
    'a method that a field overrides may be any write',
  );
  t.end();
});

const scope = 'scopes:\n  - id: main\n    match: {owner: acme, ref: refs/heads/main}\n';
const read = 'github: {id: r, repo: "acme/*"}\ngitlab: {id: g, project: "acme/**"}\n';
const terms = 'packages: {age: {id: a, purl: "pkg:*/*", min: 72h}, unknownAge: block}\n';
const lib = (version: string): string =>
  `GET https://npm.pkg.github.com/download/@acme/lib/${version}/0123456789012345678901234567890123456789`;
const gitlabJob: Partial<Job> = { platform: 'gitlab', server: 'gitlab.com', repository: 'acme/app' };

t.test('ages, malware and names of one’s own count where the owner is granted', (t) => {
  const rows: readonly (readonly [policy: string, line: string, expected: string, asking?: Asking])[] = [
    [read, lib('1.1.0'), 'allow r'],
    [read + terms, lib('1.0.0'), 'allow r'],
    [read + terms, lib('1.1.0'), 'block package-age'],
    [read + terms, lib('9.0.0'), 'block unknown-age'],
    [read, lib('1.0.0').replaceAll('acme', 'evil'), 'block repository'],
    [`github: {id: r, repo: "other/*"}\n${terms}`, lib('1.0.0'), 'block repository'],
    [read, lib('2.0.0').replace('@acme/lib', '@acme/stolen'), 'allow r'],
    [
      `${read}packages: {malware: block}`,
      lib('2.0.0').replace('@acme/lib', '@acme/stolen'),
      'block malicious-package',
    ],
    [`${read}packages: {malware: block}`, lib('1.0.0').replace('@acme/lib', '@acme/stolen'), 'allow r'],
    [
      `${read}packages: {internal: {id: own, purl: "pkg:npm/@acme/*", registry: npm.pkg.github.com}}`,
      lib('1.0.0'),
      'allow r',
    ],
    [
      `${read}packages: {internal: {id: own, purl: "pkg:npm/@acme/*", registry: nexus.corp.example}}`,
      lib('1.0.0'),
      'block internal-package',
    ],
    [read + terms, 'GET https://maven.pkg.github.com/acme/app/com/acme/old/1.0/old-1.0.jar', 'allow r'],
    [
      read + terms,
      'GET https://maven.pkg.github.com/acme/app/com/acme/lib/1.0/lib-1.0.jar',
      'block unknown-age',
    ],
    [read + terms, `GET ${project}/npm/@acme/lib/-/@acme/lib-1.0.0.tgz`, 'allow g', { job: gitlabJob }],
    [
      read + terms,
      `GET ${project}/npm/@acme/lib/-/@acme/lib-1.1.0.tgz`,
      'block package-age',
      { job: gitlabJob },
    ],
    [
      read + terms,
      `GET ${project.replace('app', 'lib')}/npm/@acme/lib/-/@acme/lib-1.0.0.tgz`,
      'block unknown-age',
      { job: gitlabJob },
    ],
    // What no path of the registry is may be a file.
    [read + terms, 'GET https://npm.pkg.github.com/@acme/lib/some/where.tgz', 'block unknown-age'],
    [read + terms, 'GET https://nuget.pkg.github.com/acme/some/where/else', 'block unknown-age'],
    [
      `${read}packages: {block: {id: no, purl: "pkg:oci/acme/tool"}}`,
      'GET https://ghcr.io/v2/acme/tool/manifests/1',
      'block package-blocked',
    ],
    [
      `${read}packages: {malware: block}`,
      'GET https://ghcr.io/v2/acme/bad/manifests/latest',
      'block malicious-package',
    ],
    [`${read}packages: {malware: block}`, 'GET https://ghcr.io/v2/acme/bad/manifests/1.0', 'allow r'],
  ];
  for (const [policy, line, expected, asking] of rows)
    t.equal(decide(policy, line, asking), expected, `${policy}${line}`);
  t.end();
});

t.test('a publish needs the forge’s write and packages.publish, and the permission of the token', (t) => {
  const write =
    '    github: {id: w, repo: "acme/*", access: write}\n    gitlab: {id: v, project: "acme/**", access: write}\n';
  const publish = (registry: string): string =>
    `    packages: {publish: {id: p, purl: ["pkg:npm/@acme/*", "pkg:maven/com.acme/*"], registry: ${registry}}}\n`;
  const npm = 'PUT https://npm.pkg.github.com/@acme%2Flib';
  const jar = 'PUT https://maven.pkg.github.com/acme/app/com/acme/lib/1.0/lib-1.0.jar';
  const toGitlab = `PUT ${project}/npm/@acme%2Flib`;
  const ceiling = 'permissions: {mode: block, ceiling: {packages: read}}\n';
  const enough = 'permissions: {mode: block, ceiling: {packages: write}}\n';
  const rows: readonly (readonly [policy: string, line: string, expected: string, asking?: Asking])[] = [
    [read + scope + write, npm, 'block publish'],
    [read + scope + publish('npm.pkg.github.com'), npm, 'block access'],
    [read + scope + write + publish('npm.pkg.github.com'), npm, 'allow w'],
    [enough + read + scope + write + publish('npm.pkg.github.com'), npm, 'allow w'],
    [ceiling + read + scope + write + publish('npm.pkg.github.com'), npm, 'block permission'],
    [read + scope + write + publish('npmjs.com'), npm, 'block publish'],
    [read + scope + write + publish('npm.pkg.github.com'), npm.replace('lib', 'lib/-rev/1'), 'block access'],
    [
      read + scope + write + publish('npm.pkg.github.com'),
      npm,
      'block access',
      { job: { ref: 'refs/heads/x' } },
    ],
    [read + scope + write + publish('npm.pkg.github.com'), npm.replace('@acme', '@evil'), 'block repository'],
    [read + scope + write + publish('maven.pkg.github.com'), jar, 'allow w'],
    [read + scope + write + publish('maven.pkg.github.com/acme/app'), jar, 'allow w'],
    [read + scope + write + publish('maven.pkg.github.com/acme/other'), jar, 'block publish'],
    [read + scope + write, toGitlab, 'block publish', { job: gitlabJob }],
    [read + scope + write + publish('gitlab.com'), toGitlab, 'allow v', { job: gitlabJob }],
    [
      read + scope + write + publish('gitlab.com'),
      `GET ${project}/npm/@acme%2Flib`,
      'block publish',
      { job: gitlabJob, headers: { 'x-http-method-override': 'PUT' } },
    ],
    // Images are for `images` and for the forge's own rules.
    [read + scope + write, 'PUT https://ghcr.io/v2/acme/tool/manifests/1', 'allow w'],
    [read, 'PUT https://ghcr.io/v2/acme/tool/manifests/1', 'block access'],
    [ceiling + read + scope + write, 'PUT https://ghcr.io/v2/acme/tool/manifests/1', 'block permission'],
  ];
  for (const [policy, line, expected, asking] of rows)
    t.equal(decide(policy, line, asking), expected, `${policy}${line}`);
  t.match(understand(npm).operation, { needs: [{ packages: 'write' }], widens: true });
  t.equal(acmeApp.repository, 'acme/app');
  t.end();
});
