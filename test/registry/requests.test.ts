// What requests to registries mean: tables of URLs with what they must be understood as, both directions.

import t, { type Test } from 'tap';
import { isPublicRegistry, publicRegistries } from '../../flow/registry-server.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import { npmHost, tell, understand } from './ask.ts';
import type { AskOptions } from './ask.ts';

type Row = readonly [line: string, told: string, options?: AskOptions];

function check(t: Test, rows: readonly Row[]): void {
  for (const [line, told, options] of rows) t.equal(tell(understand(line, options)), told, line);
}

const npm = `https://${npmHost}`;
const sha256 = `sha256:${'a'.repeat(64)}`;
const blake = `aa/bb/${'c'.repeat(60)}`;

t.test('requests to the npm registry are understood', async (t) => {
  check(t, [
    [`GET ${npm}/react`, 'npm/metadata: read metadata pkg:npm/react at npmjs.com'],
    [`HEAD ${npm}/react`, 'npm/metadata: read metadata pkg:npm/react at npmjs.com'],
    [`GET ${npm}/react?write=true`, 'npm/metadata: read metadata pkg:npm/react at npmjs.com'],
    [`GET ${npm}/JSONStream`, 'npm/metadata: read metadata pkg:npm/JSONStream at npmjs.com'],
    [`GET ${npm}/@acme%2fapp`, 'npm/metadata: read metadata pkg:npm/%40acme/app at npmjs.com'],
    [`GET ${npm}/@acme%2Fapp`, 'npm/metadata: read metadata pkg:npm/%40acme/app at npmjs.com'],
    [`GET ${npm}/%40acme%2fapp`, 'npm/metadata: read metadata pkg:npm/%40acme/app at npmjs.com'],
    [`GET ${npm}/@acme/app`, 'npm/metadata: read metadata pkg:npm/%40acme/app at npmjs.com'],
    [`GET ${npm}/@ACME/app`, 'npm/metadata: read metadata pkg:npm/%40acme/app at npmjs.com'],
    [`GET ${npm}/react/latest`, 'npm/metadata: read metadata pkg:npm/react at npmjs.com'],
    [`GET ${npm}/react/18.2.0`, 'npm/metadata: read metadata pkg:npm/react@18.2.0 at npmjs.com'],
    [
      `GET ${npm}/@acme/app/1.0.0-rc.1`,
      'npm/metadata: read metadata pkg:npm/%40acme/app@1.0.0-rc.1 at npmjs.com',
    ],
    [`GET ${npm}/react/-/react-18.2.0.tgz`, 'npm/install: read install pkg:npm/react@18.2.0 at npmjs.com'],
    [`GET ${npm}/a-1/-/a-1-2.0.0.tgz`, 'npm/install: read install pkg:npm/a-1@2.0.0 at npmjs.com'],
    [
      `GET ${npm}/@acme/app/-/app-1.2.3-beta.1.tgz`,
      'npm/install: read install pkg:npm/%40acme/app@1.2.3-beta.1 at npmjs.com',
    ],
    [
      `GET ${npm}/@acme%2fapp/-/app-1.2.3.tgz`,
      'npm/install: read install pkg:npm/%40acme/app@1.2.3 at npmjs.com',
    ],
    [
      `GET ${npm}/@acme/app/-/@acme/app-1.2.3.tgz`,
      'npm/install: read install pkg:npm/%40acme/app@1.2.3 at npmjs.com',
    ],
    [`GET ${npm}/react/-%2Freact-18.2.0.tgz`, 'npm/install: read install pkg:npm/react@18.2.0 at npmjs.com'],
    [`GET ${npm}/react/-/vue-3.0.0.tgz`, 'npm/install: read install pkg:npm/react at npmjs.com (unknown)'],
    [`GET ${npm}/react/-/react-latest.tgz`, 'npm/install: read install pkg:npm/react at npmjs.com (unknown)'],
    [
      `GET ${npm}/@acme/app/-/@evil/app-1.2.3.tgz`,
      'npm/install: read install pkg:npm/%40acme/app at npmjs.com (unknown)',
    ],
    [
      `GET https://registry.yarnpkg.com/left-pad/-/left-pad-1.3.0.tgz`,
      'npm/install: read install pkg:npm/left-pad@1.3.0 at npmjs.com',
    ],
    [
      'GET https://npm.pkg.github.com/@acme%2fapp',
      'npm/metadata: read metadata pkg:npm/%40acme/app at npm.pkg.github.com',
    ],
    [
      `GET https://npm.pkg.github.com/download/@acme/app/1.2.3/${'0'.repeat(40)}`,
      'npm/install: read install pkg:npm/%40acme/app@1.2.3 at npm.pkg.github.com',
    ],
    [`PUT ${npm}/app`, 'npm/publish: write publish pkg:npm/app at npmjs.com'],
    [`PUT ${npm}/@acme%2fapp`, 'npm/publish: write publish pkg:npm/%40acme/app at npmjs.com'],
    [`PUT ${npm}/@acme/app`, 'npm/publish: write publish pkg:npm/%40acme/app at npmjs.com'],
    [`PUT ${npm}/app/-rev/3-abc`, 'npm/unpublish: admin publish pkg:npm/app at npmjs.com'],
    [`DELETE ${npm}/app/-rev/3-abc`, 'npm/unpublish: admin publish pkg:npm/app at npmjs.com'],
    [
      `DELETE ${npm}/app/-/app-1.0.0.tgz/-rev/3-abc`,
      'npm/unpublish: admin publish pkg:npm/app@1.0.0 at npmjs.com',
    ],
    [`GET ${npm}/-/package/app/dist-tags`, 'npm/dist-tags: read metadata pkg:npm/app at npmjs.com'],
    [`PUT ${npm}/-/package/app/dist-tags/latest`, 'npm/dist-tag: write publish pkg:npm/app at npmjs.com'],
    [
      `DELETE ${npm}/-/package/@acme%2fapp/dist-tags/next`,
      'npm/dist-tag: write publish pkg:npm/%40acme/app at npmjs.com',
    ],
    [
      `POST ${npm}/-/package/@acme%2fapp/access`,
      'npm/access: admin publish pkg:npm/%40acme/app at npmjs.com',
    ],
    [`PUT ${npm}/-/package/app/collaborators`, 'npm/collaborators: admin publish pkg:npm/app at npmjs.com'],
    [`GET ${npm}/-/whoami`, 'npm/account: read account - at npmjs.com'],
    [`GET ${npm}/-/npm/v1/tokens`, 'npm/account: read account - at npmjs.com'],
    [`POST ${npm}/-/npm/v1/tokens`, 'npm/account: admin account - at npmjs.com'],
    [`DELETE ${npm}/-/npm/v1/tokens/token/abcdef`, 'npm/account: admin account - at npmjs.com'],
    [`PUT ${npm}/-/user/org.couchdb.user:mallory`, 'npm/login: admin account - at npmjs.com'],
    [`POST ${npm}/-/v1/login`, 'npm/login: admin account - at npmjs.com'],
    [`PUT ${npm}/-/team/acme/developers/package`, 'npm/account: admin account - at npmjs.com'],
    [`GET ${npm}/-/v1/search?text=react`, 'npm/search: read search - at npmjs.com'],
    [
      `POST ${npm}/-/npm/v1/security/advisories/bulk`,
      'npm/audit: read metadata - at npmjs.com',
      { body: '{}' },
    ],
    [`POST ${npm}/-/npm/v1/security/audits/quick`, 'npm/audit: read metadata - at npmjs.com', { body: '{}' }],
    [
      `POST ${npm}/-/npm/v1/oidc/token/exchange/package/@acme%2fapp`,
      'npm/exchange-token: write account pkg:npm/%40acme/app at npmjs.com',
    ],
    [
      `GET ${npm}/-/npm/v1/attestations/@acme%2fapp@1.0.0`,
      'npm/attestations: read metadata pkg:npm/%40acme/app@1.0.0 at npmjs.com',
    ],
    [`GET ${npm}/-/npm/v1/keys`, 'npm/ping: read metadata - at npmjs.com'],
    [`GET ${npm}/`, 'npm/ping: read metadata - at npmjs.com'],
  ]);
});

t.test('what the npm tables do not hold is unknown, and a write counts as publishing anything', async (t) => {
  check(t, [
    [`POST ${npm}/app`, 'npm/write: write publish pkg:npm/app at npmjs.com (unknown)'],
    [`POST ${npm}/-/npm/v1/security/other`, 'npm/write: write publish - at npmjs.com (unknown)'],
    [`GET ${npm}/-/future/service`, 'npm/read: read metadata - at npmjs.com (unknown)'],
    [`PUT ${npm}/-/future/service`, 'npm/write: write publish - at npmjs.com (unknown)'],
    [`PUT ${npm}/app%2Fother`, 'npm/write: write publish - at npmjs.com (unknown)'],
    [`PUT ${npm}/@acme`, 'npm/write: write publish - at npmjs.com (unknown)'],
    [`GET ${npm}/react`, 'npm/write: write publish pkg:npm/react at npmjs.com (unknown)', { body: 'leak' }],
    [`PATCH ${npm}/react/-/react-1.0.0.tgz`, 'npm/write: write publish pkg:npm/react at npmjs.com (unknown)'],
    [`DELETE ${npm}/-/package/app/other`, 'npm/write: write publish pkg:npm/app at npmjs.com (unknown)'],
  ]);
});

t.test('requests to Python indexes are understood', async (t) => {
  const files = `https://files.pythonhosted.org/packages/${blake}`;
  check(t, [
    ['GET https://pypi.org/simple/', 'pypi/index: read metadata - at pypi.org'],
    ['GET https://pypi.org/simple/requests/', 'pypi/metadata: read metadata pkg:pypi/requests at pypi.org'],
    ['GET https://pypi.org/simple/requests', 'pypi/metadata: read metadata pkg:pypi/requests at pypi.org'],
    [
      'GET https://pypi.org/simple/Foo.Bar__Baz/',
      'pypi/metadata: read metadata pkg:pypi/foo-bar-baz at pypi.org',
    ],
    ['GET https://pypi.org/pypi/requests/json', 'pypi/metadata: read metadata pkg:pypi/requests at pypi.org'],
    [
      'GET https://pypi.org/pypi/requests/2.31.0/json',
      'pypi/metadata: read metadata pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      'GET https://test.pypi.org/simple/requests/',
      'pypi/metadata: read metadata pkg:pypi/requests at test.pypi.org',
    ],
    [
      `GET ${files}/requests-2.31.0-py3-none-any.whl`,
      'pypi/install: read install pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      `GET ${files}/requests-2.31.0-1-py3-none-any.whl`,
      'pypi/install: read install pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      `GET ${files}/typing_extensions-4.8.0RC1-py3-none-any.whl`,
      'pypi/install: read install pkg:pypi/typing-extensions@4.8.0rc1 at pypi.org',
    ],
    [
      `GET ${files}/requests-2.31.0-py3-none-any.whl.metadata`,
      'pypi/metadata: read metadata pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      `GET ${files}/requests-2.31.0.tar.gz`,
      'pypi/install: read install pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      `GET ${files}/backports.zoneinfo-0.2.1.tar.gz`,
      'pypi/install: read install pkg:pypi/backports-zoneinfo@0.2.1 at pypi.org',
    ],
    [
      `GET ${files}/zope-interface-6.0.zip`,
      'pypi/install: read install pkg:pypi/zope-interface@6.0 at pypi.org',
    ],
    [`GET ${files}/something`, 'pypi/install: read install - at pypi.org (unknown)'],
    [
      'GET https://pypi.org/integrity/requests/2.31.0/requests-2.31.0-py3-none-any.whl/provenance',
      'pypi/provenance: read metadata pkg:pypi/requests@2.31.0 at pypi.org',
    ],
    [
      'POST https://pypi.org/_/oidc/mint-token',
      'pypi/exchange-token: write account - at pypi.org',
      { body: '{}' },
    ],
    ['GET https://pypi.org/_/oidc/audience', 'pypi/exchange-token: read account - at pypi.org'],
    ['GET https://pypi.org/search/?q=x', 'pypi/search: read search - at pypi.org'],
    [
      'POST https://pypi.org/pypi',
      'pypi/write: write publish - at pypi.org (unknown)',
      { body: '<methodCall/>' },
    ],
    ['POST https://pypi.org/simple/requests/', 'pypi/write: write publish - at pypi.org (unknown)'],
    [
      'GET https://pypi.org/simple/requests/',
      'pypi/write: write publish - at pypi.org (unknown)',
      { body: 'leak' },
    ],
    ['GET https://pypi.org/manage/projects/', 'pypi/read: read metadata - at pypi.org (unknown)'],
  ]);
});

t.test('a file whose name splits in two ways touches both packages', async (t) => {
  check(t, [
    [
      `GET https://files.pythonhosted.org/packages/${blake}/foo-2-1.0.tar.gz`,
      'pypi/install: read install pkg:pypi/foo-2@1.0 at pypi.org + read install pkg:pypi/foo@2-1.0 at pypi.org (ambiguous)',
    ],
    [
      `GET https://files.pythonhosted.org/packages/${blake}/foo-1.0-1.tar.gz`,
      'pypi/install: read install pkg:pypi/foo-1-0@1 at pypi.org + read install pkg:pypi/foo@1.0.post1 at pypi.org (ambiguous)',
    ],
  ]);
});

function upload(fields: readonly (readonly [string, string])[], file = 'app-1.0.tar.gz'): AskOptions {
  const parts = fields.map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const content = `--b\r\nContent-Disposition: form-data; name="content"; filename="${file}"\r\n\r\n\0--b\r\n--b--\r\n`;
  return { headers: { 'content-type': 'multipart/form-data; boundary=b' }, body: parts.join('') + content };
}

t.test('an upload to a Python index is one of the project that its form names', async (t) => {
  const line = 'POST https://upload.pypi.org/legacy/';
  const unsure = 'pypi/publish: write publish - at pypi.org (unknown)';
  const whole = [
    [':action', 'file_upload'],
    ['name', 'Acme_App'],
    ['version', '1.0'],
  ] as const;
  t.equal(
    tell(understand(line, { headers: {} })),
    'pypi/publish: write publish - at pypi.org',
    'before its body',
  );
  check(t, [
    [line, 'pypi/publish: write publish pkg:pypi/acme-app@1.0 at pypi.org', upload(whole)],
    [line, unsure, upload([...whole, ['name', 'other']])],
    // A second name, in places where only some servers look.
    [line, unsure, upload([...whole, ['x"; name="name', 'other']])],
    [line, unsure, upload([...whole, ['x"; NAME*="utf-8\'\'name', 'other']])],
    [line, unsure, upload([...whole, ['x"; filename="a; name=b', 'other']], 'a"; filename="b')],
    [line, unsure, upload([...whole, ['x"\nContent-Disposition: form-data; name="name', 'other']])],
    [line, unsure, upload([...whole, ['x"\r\n ; name="name', 'other']])],
    [
      line,
      unsure,
      upload([...whole, ['summary', 'x\n--b\nContent-Disposition: form-data; name="name"\n\nother\n']]),
    ],
    [
      line,
      'pypi/publish: write publish pkg:pypi/acme-app@1.0 at pypi.org',
      upload([...whole, ['summary', 'one\nand -- another']]),
    ],
    [line, unsure, upload(whole.slice(0, 1))],
    [
      line,
      'pypi/write: write publish pkg:pypi/acme-app at pypi.org (unknown)',
      upload([[':action', 'submit'], ...whole.slice(1)]),
    ],
    [line, unsure, { ...upload(whole), headers: { 'content-type': 'text/plain' } }],
    [line, unsure, { ...upload(whole), body: upload(whole).body!.slice(0, 100) }],
  ]);
});

t.test('requests to container registries are understood', async (t) => {
  check(t, [
    ['GET https://registry-1.docker.io/v2/', 'oci/ping: read metadata - at docker.io'],
    [
      'GET https://registry-1.docker.io/v2/library/alpine/manifests/3.20',
      'oci/pull: read docker.io/library/alpine 3.20',
    ],
    [
      'GET https://registry-1.docker.io/v2/alpine/manifests/3.20',
      'oci/pull: read docker.io/library/alpine 3.20',
    ],
    [`HEAD https://ghcr.io/v2/acme/app/manifests/${sha256}`, `oci/pull: read ghcr.io/acme/app ${sha256}`],
    [`GET https://quay.io/v2/acme/app/blobs/${sha256}`, `oci/pull-blob: read quay.io/acme/app ${sha256}`],
    ['GET https://ghcr.io/v2/acme/app/tags/list?n=50', 'oci/tags: read ghcr.io/acme/app'],
    [`GET https://ghcr.io/v2/acme/app/referrers/${sha256}`, `oci/referrers: read ghcr.io/acme/app ${sha256}`],
    ['GET https://ghcr.io/v2/a/manifests/b/manifests/latest', 'oci/pull: read ghcr.io/a/manifests/b latest'],
    // An encoded slash is one to the server, and a query of the token's endpoint says nothing elsewhere.
    ['GET https://quay.io/v2/acme%2Fapp/manifests%2Flatest', 'oci/pull: read quay.io/acme/app latest'],
    [
      'GET https://quay.io/v2/acme/app/manifests/latest?scope=repository:other/app:pull&service=quay.io',
      'oci/pull: read quay.io/acme/app latest',
    ],
    [
      'POST https://quay.io/v2/acme/app/blobs/uploads/?scope=repository:other/app:push&service=quay.io',
      'oci/push-blob: write quay.io/acme/app',
      { body: 'x' },
    ],
    [
      'GET https://quay.io/odd?scope=repository:other/app:pull&service=quay.io',
      'oci/read: read metadata - at quay.io (unknown)',
    ],
    [
      'GET https://acme.azurecr.io/oauth2/token?scope=repository:acme/app:pull&service=acme.azurecr.io',
      'oci/token: read acme.azurecr.io/acme/app',
    ],
    [
      `POST https://quay.io/v2/acme/app/blobs/uploads/?mount=${sha256}&from=Other`,
      'oci/push-blob: write quay.io/acme/app + write publish - at quay.io (unknown)',
    ],
    ['GET https://ghcr.io/v2/_catalog', 'oci/catalog: read search - at ghcr.io'],
    ['PUT https://ghcr.io/v2/acme/app/manifests/latest', 'oci/push: write ghcr.io/acme/app latest'],
    ['DELETE https://ghcr.io/v2/acme/app/manifests/latest', 'oci/delete: write ghcr.io/acme/app latest'],
    ['POST https://ghcr.io/v2/acme/app/blobs/uploads/', 'oci/push-blob: write ghcr.io/acme/app'],
    [
      'PATCH https://ghcr.io/v2/acme/app/blobs/uploads/0aE-1',
      'oci/push-blob: write ghcr.io/acme/app',
      { body: 'x' },
    ],
    ['GET https://ghcr.io/v2/acme/app/blobs/uploads/0aE-1', 'oci/push-blob: write ghcr.io/acme/app'],
    [
      `POST https://ghcr.io/v2/acme/app/blobs/uploads/?mount=${sha256}&from=other/base`,
      `oci/mount: write ghcr.io/acme/app + read ghcr.io/other/base ${sha256}`,
    ],
    [
      `POST https://ghcr.io/v2/acme/app/blobs/uploads/?from=a/x&from=b/y&mount=${sha256}`,
      `oci/mount: write ghcr.io/acme/app + read ghcr.io/a/x ${sha256} + read ghcr.io/b/y ${sha256}`,
    ],
    [
      'GET https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/alpine:pull',
      'oci/token: read docker.io/library/alpine',
    ],
    [
      'GET https://ghcr.io/token?scope=repository:acme/app:pull,push&service=ghcr.io',
      'oci/token: write ghcr.io/acme/app',
    ],
    ['GET https://ghcr.io/token?scope=repository:acme/app:*', 'oci/token: admin ghcr.io/acme/app'],
    [
      'GET https://ghcr.io/token?scope=repository:acme/app:push&scope=repository%3Aother%2Fbase%3Apull',
      'oci/token: write ghcr.io/acme/app + read ghcr.io/other/base',
    ],
    ['GET https://auth.docker.io/token?service=registry.docker.io', 'oci/login: read account - at docker.io'],
    [
      'POST https://auth.docker.io/token',
      'oci/token: write docker.io/acme/app',
      { body: 'grant_type=password&scope=repository%3Aacme%2Fapp%3Apull%2Cpush' },
    ],
    ['POST https://auth.docker.io/token', 'oci/write: write publish - at docker.io (unknown)'],
    ['GET https://ghcr.io/token?scope=odd:thing', 'oci/token: write publish - at ghcr.io (unknown)'],
    ['GET https://ghcr.io/v2/Acme/App/manifests/latest', 'oci/read: read metadata - at ghcr.io (unknown)'],
    ['GET https://ghcr.io/v2/acme%2Fapp/manifests/latest', 'oci/pull: read ghcr.io/acme/app latest'],
    [`PUT https://ghcr.io/v2/acme/app/blobs/${sha256}`, 'oci/write: write publish - at ghcr.io (unknown)'],
    [
      'POST https://ghcr.io/v2/acme/app/blobs/uploads/?from=../../x',
      'oci/push-blob: write ghcr.io/acme/app + write publish - at ghcr.io (unknown)',
    ],
  ]);
});

t.test('hosts that are registries by themselves keep their own names', async (t) => {
  check(t, [
    ['GET https://eu.gcr.io/v2/acme/app/manifests/1', 'oci/pull: read eu.gcr.io/acme/app 1'],
    [
      'GET https://mirror.gcr.io/v2/library/alpine/manifests/3',
      'oci/pull: read mirror.gcr.io/library/alpine 3',
    ],
    ['GET https://acme.azurecr.io/v2/app/manifests/1', 'oci/pull: read acme.azurecr.io/app 1'],
    [
      'GET https://123456789012.dkr.ecr.eu-west-1.amazonaws.com/v2/app/manifests/1',
      'oci/pull: read 123456789012.dkr.ecr.eu-west-1.amazonaws.com/app 1',
    ],
    [
      'GET https://europe-docker.pkg.dev/v2/p/r/app/manifests/1',
      'oci/pull: read europe-docker.pkg.dev/p/r/app 1',
    ],
    [
      'GET https://a.b.dkr.ecr.eu-west-1.amazonaws.com/v2/app/manifests/1',
      'oci/pull: read a.b.dkr.ecr.eu-west-1.amazonaws.com/app 1 by shape',
    ],
  ]);
});

t.test('a registry of one’s own is known by configuration, with its prefix', async (t) => {
  const registries = [
    {
      ecosystem: 'npm',
      registry: 'nexus.corp.example',
      isPublic: false,
      hosts: [{ host: 'nexus.corp.example', pathPrefix: '/repository/npm' }],
    },
    {
      ecosystem: 'pypi',
      registry: 'nexus.corp.example',
      isPublic: false,
      hosts: [{ host: 'nexus.corp.example', pathPrefix: '/repository/pypi' }],
    },
  ] as const;
  check(t, [
    [
      'GET https://nexus.corp.example/repository/npm/react',
      'npm/metadata: read metadata pkg:npm/react at nexus.corp.example',
      { registries },
    ],
    [
      'PUT https://nexus.corp.example/repository/npm/@acme%2fapp',
      'npm/publish: write publish pkg:npm/%40acme/app at nexus.corp.example',
      { registries },
    ],
    [
      'GET https://nexus.corp.example/repository/pypi/simple/foo/',
      'pypi/metadata: read metadata pkg:pypi/foo at nexus.corp.example',
      { registries },
    ],
    [
      'POST https://nexus.corp.example/repository/pypi/',
      'pypi/publish: write publish pkg:pypi/foo@1 at nexus.corp.example',
      {
        registries,
        ...upload([
          [':action', 'file_upload'],
          ['name', 'foo'],
          ['version', '1'],
        ]),
      },
    ],
    ['GET https://nexus.corp.example/repository/npmx/react', 'nothing', { registries }],
    ['GET https://nexus.corp.example/other', 'nothing', { registries }],
    [
      `GET https://${npmHost}/react`,
      'npm/metadata: read metadata pkg:npm/react at npmjs.com',
      { registries: [{ ...registries[0], hosts: [{ host: npmHost, pathPrefix: '/acme' }] }] },
    ],
  ]);
});

t.test('mirrors that nobody configured are known by the shape of what is asked', async (t) => {
  const abbreviated = {
    headers: { accept: 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8' },
  };
  check(t, [
    [
      'GET https://m.example/npm/@acme/app/-/app-1.0.0.tgz',
      'npm/install: read install pkg:npm/%40acme/app@1.0.0 at m.example by shape',
    ],
    [
      'GET https://m.example/artifactory/api/npm/npm/react/-/react-1.0.0.tgz',
      'npm/install: read install pkg:npm/react@1.0.0 at m.example by shape',
    ],
    [
      'GET https://m.example/npm/react',
      'npm/metadata: read metadata pkg:npm/react at m.example by shape',
      abbreviated,
    ],
    [
      'GET https://m.example/npm/@acme%2fapp',
      'npm/metadata: read metadata pkg:npm/%40acme/app at m.example by shape',
      abbreviated,
    ],
    [
      'PUT https://m.example/npm/@acme%2fapp',
      'npm/publish: write publish pkg:npm/%40acme/app at m.example by shape',
      { headers: { 'user-agent': 'npm/10.8.2 node/v20' } },
    ],
    [
      'GET https://m.example/root/pypi/simple/foo/',
      'pypi/metadata: read metadata pkg:pypi/foo at m.example by shape',
    ],
    [
      'GET https://m.example/pypi/packages/foo/1.0/foo-1.0-py3-none-any.whl',
      'pypi/install: read install pkg:pypi/foo@1.0 at m.example by shape',
    ],
    [
      'GET https://m.example/v2/acme/app/manifests/latest',
      'oci/pull: read m.example/acme/app latest by shape',
    ],
    [
      'GET https://m.example/v2/token?service=m.example&scope=repository:acme/app:push',
      'oci/token: write m.example/acme/app by shape',
    ],
    ['GET https://m.example/a/-/b', 'nothing'],
    ['GET https://m.example/group/project/-/archive/main.tgz', 'nothing'],
    ['GET https://m.example/npm/react', 'nothing'],
    ['GET https://m.example/simple/', 'nothing'],
    ['GET https://m.example/v2/users/login', 'nothing'],
  ]);
});

t.test('anybody may publish to public registries, and to those that nobody knows', async (t) => {
  const own = { ecosystem: 'npm', registry: 'nexus.corp.example', isPublic: false, hosts: [] } as const;
  const rows = {
    'npmjs.com': true,
    'quay.io': true,
    'docker.io': true,
    'm.example': true,
    'nexus.corp.example': false,
  };
  const hosted = { 'acme.azurecr.io': false, 'pkgs.dev.azure.com/org/_packaging/feed/npm/registry': false };
  for (const [registry, isPublic] of Object.entries({ ...rows, ...hosted })) {
    t.equal(isPublicRegistry([own, ...publicRegistries], registry), isPublic, registry);
  }
});

t.test('bodies are held for hosts that are known, and for no others', async (t) => {
  const { mayHold } = createRegistryInterpreter({ registries: [] });
  t.ok(mayHold?.('upload.pypi.org'));
  t.ok(mayHold?.('auth.docker.io'));
  t.notOk(mayHold?.('m.example'));
  const line = 'PUT https://m.example/x/api/v1/crates/new';
  t.equal(tell(understand(line, { body: 'x' })), 'cargo/publish: write publish - at m.example by shape');
  t.equal(understand(line)?.hold, undefined);
});

t.test('look-alike hosts are no registry', async (t) => {
  for (const host of [
    `${npmHost}.evil.example`,
    npmHost.replace('npmjs', 'evilnpmjs'),
    'npmjs.org',
    `a.${npmHost}`,
    'xpypi.org',
    'pypi.org.evil.example',
    'pypi.com',
    'files-pythonhosted.org',
    'docker.io.evil.example',
    'xdocker.io',
    'ghcr.io.evil.example',
    'ghcr.com',
  ]) {
    t.equal(tell(understand(`GET https://${host}/requests`)), 'nothing', host);
  }
});
