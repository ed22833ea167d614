import { randomBytes } from 'node:crypto';

import * as fc from 'fast-check';
import t from 'tap';

import { redactName, redactPath, redactText } from '../../flow/redact.ts';

const cases = Number(process.env['FUZZ_CASES'] ?? 2000);
// Put together here, so that no scanner takes this file for a leak.
const join = (...parts: string[]) => parts.join('');
const letters = 'Zk3xQ9mB7vT2rL8wN5pJ4hG6dF1sYcAe';
const secrets: [kind: string, text: string][] = [
  ['github-token', join('ghp', '_', letters, 'abcd')],
  ['github-token', join('gho', '_', letters, 'abcd')],
  ['github-token', join('ghu', '_', letters, 'abcd')],
  ['github-token', join('ghs', '_', letters, 'abcd')],
  ['github-token', join('ghr', '_', letters, 'abcd')],
  ['github-token', join('github', '_pat_', '11ABCDEFG0', letters, '_', letters)],
  ['gitlab-token', join('glpat', '-', 'x7Kq2mVt9RbN4pLs8WdY')],
  ['gitlab-token', join('glrt', '-', 'x7Kq2mVt9RbN4pLs8WdY')],
  ['gitlab-token', join('gldt', '-', 'x7Kq2mVt9RbN4pLs8WdY')],
  ['npm-token', join('npm', '_', letters, 'abcd')],
  ['pypi-token', join('pypi', '-AgEIcHlwaS5vcmcC', letters)],
  ['aws-key', join('AKIA', 'IOSFODNN7EXAMPLE')],
  ['aws-key', join('ASIA', 'IOSFODNN7EXAMPLE')],
  ['slack-token', join('xoxb', '-123456789012-abcdefABCDEF')],
  ['jwt', join('eyJ', 'hbGciOiJIUzI1NiJ9', '.', 'eyJzdWIiOiIxIn0', '.', 'dozjgNryP4J3jVmNHl0w5N')],
  ['api-key', join('sk', '-proj-', letters)],
  ['api-key', join('AIza', 'SyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v')],
  ['entropy', letters],
  ['entropy', 'wJalrXUtnFEMI-K7MDENG_bPxRfiCYz9EXAMPLEKEYb'],
  ['entropy', 'mzxw6ytboi4dqmrt3gkza5l7qc2ue4bs'],
  ['entropy', '9f86d081884c7d659a2feaa0c55ad015'],
];

t.test('token shapes leave nothing of themselves in a path, a host or a text', async (t) => {
  for (const [kind, secret] of secrets) {
    const mark = `[redacted:${kind}]`;
    t.equal(redactPath(`/a/${secret}/b`), `/a/${mark}/b`, secret.slice(0, 8));
    t.equal(redactText(`before "${secret}" after`), `before "${mark}" after`);
    // In lower case this one has too few digits to be told from letters (flow/redact.ts, thresholds).
    if (secret.startsWith('wJalr')) continue;
    const label = secret.toLowerCase();
    const host = redactName(`x.${label}.evil.example`);
    t.notOk(host.includes(label.slice(0, 24)) && label.length >= 20, `as a label: ${host}`);
  }
});

t.test('ordinary names stay as they are', async (t) => {
  const paths = [
    '/left-pad/-/left-pad-1.3.0.tgz',
    '/acme/app/commit/2c26b46b68ffc68ff99b453c1d30413413422d70',
    '/v2/library/debian/blobs/sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    '/packages/2c/26/b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae/requests-2.32.3-py3-none-any.whl',
    '/cryptography-43.0.1-cp39-abi3-manylinux_2_28_x86_64.manylinux2014_x86_64.whl',
    '/debian/pool/main/o/openssl/libssl3_3.0.17-1~deb12u3_amd64.deb',
    '/actions/runner/releases/download/v2.336.0/actions-runner-linux-x64-2.336.0.tar.gz',
    '/hashicorp/terraform-provider-aws_5.99.1_linux_amd64.zip',
    '/v3-flatcontainer/microsoft.extensions.dependencyinjection.abstractions/9.0.0/x.nupkg',
    '/Microsoft.Extensions.DependencyInjectionAbstractionsForHosting/index.json',
    '/golang.org/x/exp/@v/v0.0.0-20240719175910-8a7402abbf56.info',
    '/_apis/pipelines/workflows/3f2504e0-4f89-41d3-9a0c-0305e82c3301/artifacts',
    '/org/springframework/boot/spring-boot-starter-data-jpa/3.5.1/spring-boot-starter-data-jpa-3.5.1.jar',
    '/api/v4/projects/group%2Fsub%2Fproject-with-a-long-name/jobs/123456789012345678901234',
    '/@types/node',
    '/',
    '',
  ];
  for (const path of paths) t.equal(redactPath(path), path);
  for (const host of [
    'productionresultssa12.blob.core.windows.net',
    'run-actions-1-azure-eastus.actions.githubusercontent.com',
    'task-management-resources-and-more.example',
    'pypi-mirror-internal-artifacts.corp.example',
    'xn--bcher-kva.example',
    '2001:db8:85a3:8d3:1319:8a2e:370:7348',
  ]) {
    t.equal(redactName(host), host);
  }
});

t.test('query, userinfo, headers and keys never enter free text or paths', async (t) => {
  t.equal(redactPath('/a?token=1'), '/a');
  t.equal(redactPath('/a#frag'), '/a');
  t.equal(redactPath('//user:pw@host/x'), '//[redacted:userinfo]@host/x');
  for (const [text, wanted] of [
    ['GET https://u:p@h.test/x', 'GET https://[redacted:userinfo]@h.test/x'],
    ['https://h.test/x?a=b&c=d was', 'https://h.test/x?[redacted:query] was'],
    ['Authorization: Basic dXNlcjpwdw==', 'Authorization: [redacted:header]'],
    ['cookie: a=b; c=d', 'cookie: [redacted:header]'],
    ['JOB-TOKEN: abc', 'JOB-TOKEN: [redacted:header]'],
    ['sent Bearer abcd1234', 'sent Bearer [redacted:credential]'],
    ['key -----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END', 'key [redacted:private-key]'],
  ] as const) {
    t.equal(redactText(text), wanted);
  }
});

t.test('random secrets of 32 characters and more are seen in any alphabet that has digits', async (t) => {
  const tries = 500;
  for (const [alphabet, least] of [
    ['base64url', 0.95],
    ['hex', 0.95],
  ] as const) {
    let seen = 0;
    for (let i = 0; i < tries; i++) {
      const secret = randomBytes(alphabet === 'hex' ? 24 : 30).toString(alphabet);
      if (!redactPath(`/x/${secret}`).includes(secret)) seen++;
    }
    t.ok(seen >= tries * least, `${alphabet}: ${seen} of ${tries}`);
  }
});

t.test('no input throws or takes more than linear time', async (t) => {
  const piece = fc.constantFrom(
    'ghp_',
    'eyJ',
    '.',
    '-',
    '_',
    '/',
    '?',
    '@',
    '://',
    'sk-',
    'a',
    'Z9',
    'glpat-',
    'BEGIN ',
    '\n',
    'é',
    '\ud800',
  );
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.array(piece, { maxLength: 400 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(texts, (text) =>
      [redactName, redactPath, redactText].every((redact) => typeof redact(text) === 'string'),
    ),
    { numRuns: cases },
  );
  for (const unit of [
    'ghp_',
    '-eyJaaaaaaaaa',
    'sk-',
    'a1',
    '://',
    'Bearer ',
    '?',
    'glpat-.',
    '-----BEGIN ',
    'cookie',
    '://a',
  ]) {
    const started = performance.now();
    redactText(unit.repeat(Math.ceil(1_000_000 / unit.length)));
    redactPath(unit.repeat(Math.ceil(1_000_000 / unit.length)));
    const spentMs = performance.now() - started;
    t.ok(spentMs < 50, `a megabyte of "${unit}" took ${spentMs.toFixed(1)} ms`);
  }
});
