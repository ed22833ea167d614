// What requests to Maven, NuGet, crate, Go, gem and Debian servers mean: tables of URLs, uploads, and times told.

import { deflateRawSync, gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { packageEvidence } from '../../registry/evidence.ts';
import { createRegistryInterpreter } from '../../registry/interpreter.ts';
import { PackageTimes } from '../../registry/times.ts';
import { askedRequest, tell, understand } from './ask.ts';
import type { AskOptions } from './ask.ts';

type Row = readonly [line: string, told: string, options?: AskOptions];

function check(t: Test, rows: readonly Row[]): void {
  for (const [line, told, options] of rows) t.equal(tell(understand(line, options)), told, line);
}

t.test('requests to Maven repositories are understood', async (t) => {
  const central = 'https://repo1.maven.org/maven2';
  const at = 'at repo.maven.apache.org';
  const lang = 'pkg:maven/org.apache.commons/commons-lang3';
  check(t, [
    [
      `GET ${central}/org/apache/commons/commons-lang3/maven-metadata.xml`,
      `maven/metadata: read metadata ${lang} ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/maven-metadata.xml.sha1`,
      `maven/metadata: read metadata ${lang} ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar`,
      `maven/install: read install ${lang}@3.14.0 ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0-sources.jar`,
      `maven/install: read install ${lang}@3.14.0 ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.pom`,
      `maven/metadata: read metadata ${lang}@3.14.0 ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.module`,
      `maven/metadata: read metadata ${lang}@3.14.0 ${at}`,
    ],
    [
      `GET ${central}/org/apache/commons/commons-lang3/3.14.0/commons-lang3-3.14.0.jar.sha1`,
      `maven/metadata: read metadata ${lang}@3.14.0 ${at}`,
    ],
    [
      `GET https://repo.maven.apache.org/maven2/junit/junit/4.13/junit-4.13.jar`,
      `maven/install: read install pkg:maven/junit/junit@4.13 ${at}`,
    ],
    [
      `GET ${central}/com/acme/app/1.0-SNAPSHOT/app-1.0-20260101.120000-3.jar`,
      `maven/install: read install pkg:maven/com.acme/app@1.0-SNAPSHOT ${at}`,
    ],
    [
      `GET ${central}/com/acme/app/1.0-SNAPSHOT/maven-metadata.xml`,
      `maven/metadata: read metadata pkg:maven/com.acme/app@1.0-SNAPSHOT ${at}`,
    ],
    // Whatever lies in the folder of a version is had with it.
    [
      `GET ${central}/com/acme/app/1.0/other-1.0.jar`,
      `maven/install: read install pkg:maven/com.acme/app@1.0 ${at} (unknown)`,
    ],
    [
      `GET ${central}/com/acme/app/1.0/app-1.01.jar`,
      `maven/install: read install pkg:maven/com.acme/app@1.0 ${at} (unknown)`,
    ],
    [
      `GET ${central}/com/acme/app/1.0/app-1.0.jar/`,
      `maven/install: read install pkg:maven/com.acme/app@1.0 ${at}`,
    ],
    [
      `GET ${central}/com%2Facme%2Fapp/1.0/app-1.0.jar`,
      `maven/install: read install pkg:maven/com.acme/app@1.0 ${at}`,
    ],
    [
      `GET https://repo1.maven.org/maven2%2Fcom/acme/app/1.0%2Fapp-1.0.jar`,
      `maven/install: read install pkg:maven/com.acme/app@1.0 ${at}`,
    ],
    [`GET ${central}/.meta/prefixes.txt`, `maven/list: read metadata - ${at}`],
    [`GET ${central}/odd.txt`, `maven/read: read metadata - ${at} (unknown)`],
    [`GET ${central}/com/acme/app/`, `maven/list: read metadata - ${at}`],
    [
      `PUT https://maven.pkg.github.com/acme/app/com/acme/app/1.0/app-1.0.jar`,
      'maven/publish: write publish pkg:maven/com.acme/app@1.0 at maven.pkg.github.com',
    ],
    [
      `PUT https://oss.sonatype.org/service/local/staging/deployByRepositoryId/acme-1/com/acme/app/1.0/app-1.0.jar`,
      'maven/publish: write publish pkg:maven/com.acme/app@1.0 at oss.sonatype.org',
    ],
    [
      `POST https://central.sonatype.com/api/v1/publisher/upload?name=x`,
      `maven/publish: write publish - ${at}`,
      { body: 'PK' },
    ],
    [
      `DELETE ${central}/com/acme/app/1.0/app-1.0.jar`,
      `maven/delete: admin publish pkg:maven/com.acme/app@1.0 ${at}`,
    ],
    [
      `POST ${central}/com/acme/app/1.0/app-1.0.jar`,
      `maven/write: write publish pkg:maven/com.acme/app ${at} (unknown)`,
    ],
    [
      'GET https://dl.google.com/dl/android/maven2/androidx/core/core/1.0/core-1.0.aar',
      'maven/install: read install pkg:maven/androidx.core/core@1.0 at maven.google.com',
    ],
    ['GET https://dl.google.com/go/go1.22.linux-amd64.tar.gz', 'nothing'],
    [
      'GET https://m.example/repository/maven-public/com/acme/app/1.0/app-1.0.jar',
      'maven/install: read install pkg:maven/com.acme/app@1.0 at m.example by shape',
    ],
    [
      'GET https://m.example/artifactory/libs-release/com/acme/app/1.0/app-1.0.jar',
      'maven/install: read install pkg:maven/com.acme/app@1.0 at m.example by shape',
    ],
    [
      'GET https://m.example/odd/folder/com/acme/app/1.0/app-1.0.jar',
      'maven/install: read install pkg:maven/com.acme/app@1.0 at m.example by shape',
    ],
    ['GET https://m.example/downloads/tool.jar', 'nothing'],
  ]);
});

t.test('requests to NuGet servers are understood', async (t) => {
  const at = 'at nuget.org';
  check(t, [
    [
      'GET https://api.nuget.org/v3/registration5-semver1/download/index.json',
      `nuget/metadata: read metadata pkg:nuget/download ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3-flatcontainer/registration/1.0.0/registration.1.0.0.nupkg',
      `nuget/install: read install pkg:nuget/registration@1.0.0 ${at}`,
    ],
    ['GET https://api.nuget.org/v3/index.json', `nuget/index: read metadata - ${at}`],
    [
      'GET https://api.nuget.org/v3-flatcontainer/Newtonsoft.Json/index.json',
      `nuget/metadata: read metadata pkg:nuget/newtonsoft.json ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3-flatcontainer/newtonsoft.json/13.0.3/newtonsoft.json.13.0.3.nupkg',
      `nuget/install: read install pkg:nuget/newtonsoft.json@13.0.3 ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3-flatcontainer/acme.lib/1.0.0.0/acme.lib.1.0.0.0.nupkg',
      `nuget/install: read install pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3-flatcontainer/acme.lib/1.0.0-Beta/acme.lib.nuspec',
      `nuget/metadata: read metadata pkg:nuget/acme.lib@1.0.0-beta ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3/registration5-gz-semver2/acme.lib/index.json',
      `nuget/metadata: read metadata pkg:nuget/acme.lib ${at}`,
    ],
    [
      'GET https://api.nuget.org/v3/registration5-gz-semver2/acme.lib/1.2.3.json',
      `nuget/metadata: read metadata pkg:nuget/acme.lib@1.2.3 ${at}`,
    ],
    ['GET https://azuresearch-usnc.nuget.org/query?q=json', `nuget/search: read search - ${at}`],
    [
      'GET https://www.nuget.org/api/v2/package/Acme.Lib/1.0.0',
      `nuget/install: read install pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    [
      'GET https://www.nuget.org/api/v2/package/Acme.Lib',
      `nuget/install: read install pkg:nuget/acme.lib ${at} (unknown)`,
    ],
    [
      "GET https://www.nuget.org/api/v2/Packages(Id='Acme.Lib',Version='1.0')",
      `nuget/metadata: read metadata pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    [
      "GET https://www.nuget.org/api/v2/FindPackagesById()?id='Acme.Lib'",
      `nuget/metadata: read metadata pkg:nuget/acme.lib ${at}`,
    ],
    [
      'DELETE https://www.nuget.org/api/v2/package/Acme.Lib/1.0.0',
      `nuget/unlist: admin publish pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    [
      'POST https://www.nuget.org/api/v2/package/Acme.Lib/1.0.0',
      `nuget/relist: write publish pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    ['PUT https://www.nuget.org/api/v2/package/', `nuget/publish: write publish - ${at}`],
    [
      'GET https://globalcdn.nuget.org/packages/acme.lib.1.0.0.nupkg',
      `nuget/install: read install pkg:nuget/acme.lib@1.0.0 ${at}`,
    ],
    [
      'GET https://globalcdn.nuget.org/packages/acme.2.1.0.0.nupkg',
      `nuget/install: read install pkg:nuget/acme@2.1.0 ${at} + read install pkg:nuget/acme.2@1.0.0 ${at} (ambiguous)`,
    ],
    ['GET https://globalcdn.nuget.org/packages/acme.nupkg', `nuget/read: read metadata - ${at} (unknown)`],
    [
      'GET https://nuget.pkg.github.com/acme/download/acme.lib/1.0.0/acme.lib.1.0.0.nupkg',
      'nuget/install: read install pkg:nuget/acme.lib@1.0.0 at nuget.pkg.github.com',
    ],
    ['POST https://api.nuget.org/v3/index.json', `nuget/write: write publish - ${at} (unknown)`],
    [
      'GET https://m.example/feed/flat/acme.lib/1.0.0/acme.lib.1.0.0.nupkg',
      'nuget/install: read install pkg:nuget/acme.lib@1.0.0 at m.example by shape',
    ],
    ['GET https://m.example/acme.lib/1.0.0/other.1.0.0.nupkg', 'nothing'],
  ]);
});

t.test('requests to crate registries are understood', async (t) => {
  const at = 'at crates.io';
  const hosts = [{ host: 'cargo.example', pathPrefix: '' }];
  const own: AskOptions = {
    registries: [{ ecosystem: 'cargo', registry: null, isPublic: false, hosts }],
  };
  const atOwn = 'at cargo.example';
  check(t, [
    ['GET https://cargo.example/index/config.json', `cargo/index: read metadata - ${atOwn}`, own],
    [
      'GET https://cargo.example/index/se/rd/serde',
      `cargo/metadata: read metadata pkg:cargo/serde ${atOwn}`,
      own,
    ],
    ['GET https://cargo.example/index/3/l/log', `cargo/metadata: read metadata pkg:cargo/log ${atOwn}`, own],
    ['GET https://cargo.example/index/se/rd/other', `cargo/read: read metadata - ${atOwn} (unknown)`, own],
    // Where files are a registry says in `dl`: {crate}, {version}, {prefix}, {lowerprefix}, {sha256-checksum}.
    [
      'GET https://cargo.example/files/se/rd/serde-1.0.1.crate',
      `cargo/install: read install pkg:cargo/serde@1.0.1 ${atOwn}`,
      own,
    ],
    [
      'GET https://cargo.example/dl/ab12/serde-2-1.0.1-rc.1.crate',
      `cargo/install: read install pkg:cargo/serde-2@1.0.1-rc.1 ${atOwn}`,
      own,
    ],
    [
      'GET https://cargo.example/dl/serde/1.0.1/download',
      `cargo/install: read install pkg:cargo/serde@1.0.1 ${atOwn}`,
      own,
    ],
    [
      'GET https://cargo.example/dl/serde/newest/download',
      `cargo/read: read metadata - ${atOwn} (unknown)`,
      own,
    ],
    [
      'GET https://static.crates.io/crates/evil/serde-1.0.1.crate',
      `cargo/read: read metadata pkg:cargo/evil ${at} (unknown)`,
    ],
    ['GET https://index.crates.io/config.json', `cargo/index: read metadata - ${at}`],
    ['GET https://index.crates.io/se/rd/serde', `cargo/metadata: read metadata pkg:cargo/serde ${at}`],
    ['GET https://index.crates.io/1/a', `cargo/metadata: read metadata pkg:cargo/a ${at}`],
    ['GET https://index.crates.io/2/cc', `cargo/metadata: read metadata pkg:cargo/cc ${at}`],
    ['GET https://index.crates.io/3/l/log', `cargo/metadata: read metadata pkg:cargo/log ${at}`],
    ['GET https://index.crates.io/se/rd/other', `cargo/read: read metadata - ${at} (unknown)`],
    [
      'GET https://static.crates.io/crates/serde_json/serde_json-1.0.100.crate',
      `cargo/install: read install pkg:cargo/serde_json@1.0.100 ${at}`,
    ],
    [
      'GET https://static.crates.io/crates/serde/1.0.1/download',
      `cargo/install: read install pkg:cargo/serde@1.0.1 ${at}`,
    ],
    [
      'GET https://crates.io/api/v1/crates/serde/1.0.1/download',
      `cargo/install: read install pkg:cargo/serde@1.0.1 ${at}`,
    ],
    ['GET https://crates.io/api/v1/crates/serde', `cargo/metadata: read metadata pkg:cargo/serde ${at}`],
    ['GET https://crates.io/api/v1/crates?q=serde', `cargo/search: read search - ${at}`],
    ['PUT https://crates.io/api/v1/crates/new', `cargo/publish: write publish - ${at}`],
    [
      'DELETE https://crates.io/api/v1/crates/serde/1.0.1/yank',
      `cargo/yank: write publish pkg:cargo/serde@1.0.1 ${at}`,
    ],
    [
      'PUT https://crates.io/api/v1/crates/serde/1.0.1/unyank',
      `cargo/unyank: write publish pkg:cargo/serde@1.0.1 ${at}`,
    ],
    ['PUT https://crates.io/api/v1/crates/serde/owners', `cargo/owners: admin publish pkg:cargo/serde ${at}`],
    ['DELETE https://crates.io/api/v1/crates/serde', `cargo/delete: admin publish pkg:cargo/serde ${at}`],
    ['PUT https://crates.io/api/v1/me/tokens', `cargo/token: admin account - ${at}`],
    ['POST https://crates.io/api/v1/trusted_publishing/tokens', `cargo/token: write account - ${at}`],
    [
      'POST https://crates.io/api/v1/crates/serde/1.0.1/other',
      `cargo/write: write publish pkg:cargo/serde ${at} (unknown)`,
    ],
    [
      'GET https://m.example/dl/serde/serde-1.0.1.crate',
      'cargo/install: read install pkg:cargo/serde@1.0.1 at m.example by shape',
    ],
    ['PUT https://m.example/x/api/v1/crates/new', 'cargo/publish: write publish - at m.example by shape'],
  ]);
});

t.test('requests to module proxies and checksum databases are understood', async (t) => {
  const at = 'at proxy.golang.org';
  check(t, [
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/list',
      `golang/metadata: read metadata pkg:golang/golang.org/x/text ${at}`,
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.info',
      `golang/metadata: read metadata pkg:golang/golang.org/x/text@v0.14.0 ${at}`,
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.mod',
      `golang/metadata: read metadata pkg:golang/golang.org/x/text@v0.14.0 ${at}`,
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.zip',
      `golang/install: read install pkg:golang/golang.org/x/text@v0.14.0 ${at}`,
    ],
    [
      'GET https://proxy.golang.org/github.com/!burnt!sushi/toml/@v/v1.3.2.zip',
      `golang/install: read install pkg:golang/github.com/burntsushi/toml@v1.3.2 ${at}`,
    ],
    [
      'GET https://proxy.golang.org/github.com/docker/docker/@v/v24.0.7+incompatible.zip',
      `golang/install: read install pkg:golang/github.com/docker/docker@v24.0.7+incompatible ${at}`,
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@latest',
      `golang/metadata: read metadata pkg:golang/golang.org/x/text ${at}`,
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/master.info',
      `golang/metadata: read metadata pkg:golang/golang.org/x/text ${at}`,
    ],
    [
      'GET https://proxy.golang.org/github.com%2Fevil/mod/@v%2Fv1.0.0.zip',
      'golang/install: read install pkg:golang/github.com/evil/mod@v1.0.0 at proxy.golang.org',
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/master.zip',
      `golang/read: read metadata pkg:golang/golang.org/x/text ${at} (unknown)`,
    ],
    [
      'GET https://proxy.golang.org/github.com/BurntSushi/toml/@v/list',
      `golang/read: read metadata - ${at} (unknown)`,
    ],
    [
      'GET https://sum.golang.org/lookup/golang.org/x/text@v0.14.0',
      `golang/checksum: read metadata pkg:golang/golang.org/x/text@v0.14.0 ${at}`,
    ],
    [
      'GET https://proxy.golang.org/sumdb/sum.golang.org/lookup/github.com/!azure/x@v1.0.0',
      `golang/checksum: read metadata pkg:golang/github.com/azure/x@v1.0.0 ${at}`,
    ],
    ['GET https://sum.golang.org/tile/8/0/x001/000', `golang/checksum: read metadata - ${at}`],
    [
      'PUT https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.zip',
      `golang/write: write publish - ${at} (unknown)`,
    ],
    [
      'GET https://m.example/athens/github.com/acme/mod/@v/v1.0.0.zip',
      'golang/install: read install pkg:golang/github.com/acme/mod@v1.0.0 at m.example by shape',
    ],
  ]);
});

t.test('requests to gem servers are understood', async (t) => {
  const at = 'at rubygems.org';
  check(t, [
    ['GET https://index.rubygems.org/versions', `gem/index: read metadata - ${at}`],
    ['GET https://index.rubygems.org/info/rails', `gem/metadata: read metadata pkg:gem/rails ${at}`],
    ['GET https://rubygems.org/gems/rails-7.1.2.gem', `gem/install: read install pkg:gem/rails@7.1.2 ${at}`],
    [
      'GET https://rubygems.org/gems/nokogiri-1.16.0-arm64-darwin-22.gem',
      `gem/install: read install pkg:gem/nokogiri@1.16.0 ${at} + read install pkg:gem/nokogiri-1.16.0-arm64-darwin@22 ${at} (ambiguous)`,
    ],
    [
      'GET https://rubygems.org/gems/nokogiri-1.16.0-java.gem',
      `gem/install: read install pkg:gem/nokogiri@1.16.0 ${at}`,
    ],
    [
      'GET https://rubygems.org/gems/google-protobuf-3.25.1-x86_64-linux.gem',
      `gem/install: read install pkg:gem/google-protobuf@3.25.1 ${at}`,
    ],
    // Whoever makes a gem may call its platform anything.
    [
      'GET https://rubygems.org/gems/base-64-1.0.gem',
      `gem/install: read install pkg:gem/base-64@1.0 ${at} + read install pkg:gem/base@64 ${at} (ambiguous)`,
    ],
    [
      'GET https://rubygems.org/gems/evil-1.0-odd-2.gem',
      `gem/install: read install pkg:gem/evil-1.0-odd@2 ${at} + read install pkg:gem/evil@1.0 ${at} (ambiguous)`,
    ],
    ['GET https://rubygems.org/gems/evil-1.0-odd.gem', `gem/install: read install pkg:gem/evil@1.0 ${at}`],
    ['GET https://rubygems.org/gems/rails.gem', `gem/install: read install - ${at} (unknown)`],
    [
      'GET https://rubygems.org/quick/Marshal.4.8/rails-7.1.2.gemspec.rz',
      `gem/metadata: read metadata pkg:gem/rails@7.1.2 ${at}`,
    ],
    [
      'GET https://rubygems.org/api/v1/versions/rails.json',
      `gem/metadata: read metadata pkg:gem/rails ${at}`,
    ],
    [
      'GET https://rubygems.org/api/v2/rubygems/rails/versions/7.1.2.json',
      `gem/metadata: read metadata pkg:gem/rails@7.1.2 ${at}`,
    ],
    [
      'GET https://rubygems.org/api/v1/dependencies?gems=rails,rake',
      `gem/metadata: read metadata pkg:gem/rails ${at} + read metadata pkg:gem/rake ${at}`,
    ],
    ['GET https://rubygems.org/api/v1/search.json?query=x', `gem/search: read search - ${at}`],
    ['POST https://rubygems.org/api/v1/gems', `gem/publish: write publish - ${at}`],
    [
      'DELETE https://rubygems.org/api/v1/gems/yank?gem_name=app&version=1.0',
      `gem/yank: admin publish pkg:gem/app@1.0 ${at}`,
    ],
    [
      'DELETE https://rubygems.org/api/v1/gems/yank',
      `gem/yank: admin publish pkg:gem/app@1.0 ${at}`,
      { body: 'gem_name=app&version=1.0' },
    ],
    [
      'DELETE https://rubygems.org/api/v1/gems/yank',
      `gem/write: write publish - ${at} (unknown)`,
      { body: 'gem_name=app&gem_name=other' },
    ],
    ['POST https://rubygems.org/api/v1/gems/app/owners', `gem/owners: admin publish pkg:gem/app ${at}`],
    ['POST https://rubygems.org/api/v1/api_key', `gem/account: admin account - ${at}`],
    ['PUT https://rubygems.org/gems/rails-7.1.2.gem', `gem/write: write publish - ${at} (unknown)`],
    [
      'GET https://rubygems.pkg.github.com/acme/gems/app-1.0.gem',
      'gem/install: read install pkg:gem/app@1.0 at rubygems.pkg.github.com',
    ],
    [
      'GET https://m.example/repo/gems/app-1.0.gem',
      'gem/install: read install pkg:gem/app@1.0 at m.example by shape',
    ],
  ]);
});

t.test('requests to Debian archives are understood', async (t) => {
  check(t, [
    ['GET http://x.debian.org/debian/dists/stable/InRelease', 'deb/metadata: read metadata - at debian.org'],
    [
      'GET http://x.debian.org/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb',
      'deb/install: read install pkg:deb/debian/curl@8.14.1-2 at debian.org',
    ],
    [
      'GET http://ftp.de.debian.org/debian/pool/main/libc/libc++/libc++_1.0-1_all.deb',
      'deb/install: read install pkg:deb/debian/libc%2B%2B@1.0-1 at debian.org',
    ],
    [
      'GET http://de.archive.ubuntu.com/ubuntu/pool/main/c/curl/curl_8.5.0-2ubuntu10_amd64.deb',
      'deb/install: read install pkg:deb/ubuntu/curl@8.5.0-2ubuntu10 at ubuntu.com',
    ],
    [
      'GET http://x.debian.org/debian/pool/main/c/curl/curl_8.14.1.orig.tar.gz',
      'deb/install: read install pkg:deb/debian/curl@8.14.1 at debian.org',
    ],
    ['GET http://x.debian.org/debian/something', 'deb/read: read metadata - at debian.org (unknown)'],
    [
      'POST http://x.debian.org/debian/dists/stable/InRelease',
      'deb/write: write publish - at debian.org (unknown)',
    ],
    [
      'GET http://m.example/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb',
      'deb/install: read install pkg:deb/debian/curl@8.14.1-2 at m.example by shape',
    ],
  ]);
});

function tar(entries: readonly (readonly [string, Buffer])[]): Buffer {
  const blocks = entries.flatMap(([name, body]) => {
    const head = Buffer.alloc(512);
    head.write(name, 0);
    head.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
    return [head, body, Buffer.alloc((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

function zip(entries: readonly (readonly [string, string])[]): Buffer {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of entries) {
    const packed = deflateRawSync(text);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(8, 10);
    central.writeUInt32LE(packed.length, 20);
    central.writeUInt32LE(text.length, 24);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    files.push(local, Buffer.from(name), packed);
    directory.push(central, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...files, ...directory, end]);
}

const specification = (name: string): Buffer =>
  Buffer.from(
    `--- !ruby/object:Gem::Specification\nname: ${name}\nversion: !ruby/object:Gem::Version\n  version: 1.2.0\nplatform: ruby\ndependencies:\n- !ruby/object:Gem::Dependency\n  name: other\n  version: 9\n`,
  );
const nuspec = (id: string): string =>
  `<?xml version="1.0"?><package><metadata minClientVersion="2.12"><id>${id}</id><version>1.2.0</version><dependencies><dependency id="Other" version="9.0" /></dependencies></metadata></package>`;
const gem = (name: string): Buffer =>
  tar([
    ['metadata.gz', gzipSync(specification(name))],
    ['data.tar.gz', Buffer.from('x')],
  ]);
const crate = (json: string): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(Buffer.byteLength(json));
  return Buffer.concat([length, Buffer.from(json), Buffer.from([4, 0, 0, 0, 1, 2, 3, 4])]);
};
const form = (body: Buffer): AskOptions => ({
  headers: { 'content-type': 'multipart/form-data; boundary="b"' },
  body: Buffer.concat([
    Buffer.from('--b\r\nContent-Disposition: form-data; name="package"; filename="package.nupkg"\r\n\r\n'),
    body,
    Buffer.from('\r\n--b--\r\n'),
  ]),
});

t.test('an upload says inside which package it publishes', async (t) => {
  const [push, publish, nuget] = [
    'POST https://rubygems.org/api/v1/gems',
    'PUT https://crates.io/api/v1/crates/new',
    'PUT https://www.nuget.org/api/v2/package/',
  ];
  const unsure = (type: string, registry: string): string =>
    `${type}/publish: write publish - at ${registry} (unknown)`;
  check(t, [
    [push, 'gem/publish: write publish pkg:gem/acme-app@1.2.0 at rubygems.org', { body: gem('acme-app') }],
    [push, unsure('gem', 'rubygems.org'), { body: gem('a\nname: b') }],
    [
      push,
      unsure('gem', 'rubygems.org'),
      {
        body: Buffer.concat([
          tar([['metadata.gz', gzipSync(specification('a'))]]).subarray(0, -1024),
          gem('b'),
        ]),
      },
    ],
    [push, unsure('gem', 'rubygems.org'), { body: 'no archive' }],
    // A server reads this one too, and the one behind many others.
    ...[
      tar([
        ['metadata.gz', gzipSync(specification('a'))],
        ['metadata', specification('b')],
      ]),
      tar([
        ['metadata.gz', gzipSync(specification('a'))],
        ['x/metadata.gz', gzipSync(specification('b'))],
      ]),
      tar([
        ['metadata.gz', gzipSync(specification('a'))],
        ...Array.from({ length: 80 }, (_, i): [string, Buffer] => [`f${i}`, Buffer.from('x')]),
        ['metadata.gz', gzipSync(specification('b'))],
      ]),
    ].map((body): Row => [push, unsure('gem', 'rubygems.org'), { body }]),
    [
      publish,
      'cargo/publish: write publish pkg:cargo/acme_app@1.2.0 at crates.io',
      { body: crate('{"name":"acme_app","vers":"1.2.0","deps":[]}') },
    ],
    [publish, unsure('cargo', 'crates.io'), { body: crate('{"name":7}') }],
    [publish, unsure('cargo', 'crates.io'), { body: '\xff\xff\xff\xff' }],
    [
      nuget,
      'nuget/publish: write publish pkg:nuget/acme.lib@1.2.0 at nuget.org',
      form(
        zip([
          ['Acme.Lib.nuspec', nuspec('Acme.Lib')],
          ['lib/a.dll', 'x'],
        ]),
      ),
    ],
    // The id that counts stands where comments, text or a prefix hide it from who does not read closely.
    ...[
      'A</id><d><![CDATA[<!--]]></d><n:id xmlns:n="u">B</n:id><e><![CDATA[-->]]></e><id2>',
      'A</id><n:id xmlns:n="u">B</n:id><id2>',
      'A</id><id><![CDATA[B]]></id><id2>',
    ].map((id): Row => [nuget, unsure('nuget', 'nuget.org'), form(zip([['a.nuspec', nuspec(id)]]))]),
    [
      nuget,
      'nuget/publish: write publish pkg:nuget/a@1.2.0 at nuget.org',
      form(zip([['a.nuspec', nuspec('A').replace('<id>', '<!-- x --><id>')]])),
    ],
    [
      nuget,
      unsure('nuget', 'nuget.org'),
      form(
        zip([
          ['a.nuspec', nuspec('A')],
          ['b.nuspec', nuspec('B')],
        ]),
      ),
    ],
    [nuget, unsure('nuget', 'nuget.org'), form(zip([['a.nuspec', nuspec('A</id><id>B')]]))],
    [nuget, unsure('nuget', 'nuget.org'), { body: 'PK' }],
  ]);
});

const nowMs = Date.parse('2026-06-15T00:00:00Z');

t.test('answers of each ecosystem tell ages, and who says so', async (t) => {
  const rows: readonly (readonly [
    asked: string,
    body: string,
    touched: string,
    hours: number | null,
    timeClass: string,
    headers?: Record<string, string>,
  ])[] = [
    [
      'GET https://crates.io/api/v1/crates/serde',
      '{"crate":{"id":"serde","created_at":"2020-01-01T00:00:00Z"},"versions":[{"num":"1.0.1","created_at":"2026-06-14T00:00:00.123456+00:00"}]}',
      'GET https://static.crates.io/crates/serde/serde-1.0.1.crate',
      24,
      'registry-stated',
    ],
    [
      'GET https://crates.io/api/v1/crates/serde/1.0.1',
      '{"version":{"num":"1.0.1","created_at":"2026-06-14T00:00:00Z","crate":"serde"}}',
      'GET https://static.crates.io/crates/serde/serde-1.0.1.crate',
      24,
      'registry-stated',
    ],
    [
      'GET https://index.crates.io/se/rd/serde',
      '{"name":"serde","vers":"1.0.0"}\n{"name":"serde","vers":"1.0.1","deps":[{"name":"x"}],"pubtime":"2026-06-14T00:00:00Z"}\n',
      'GET https://static.crates.io/crates/serde/serde-1.0.1.crate',
      24,
      'registry-stated',
      { 'content-type': 'text/plain' },
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.info',
      '{"Version":"v0.14.0","Time":"2026-06-14T00:00:00Z"}',
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.zip',
      24,
      'author-stated',
    ],
    [
      'GET https://proxy.golang.org/golang.org/x/text/@latest',
      '{"Version":"v0.14.0","Time":"2026-06-14T00:00:00Z"}',
      'GET https://proxy.golang.org/golang.org/x/text/@v/v0.14.0.zip',
      24,
      'author-stated',
    ],
    [
      'GET https://rubygems.org/api/v1/versions/rails.json',
      '[{"number":"7.1.2","created_at":"2026-06-14T00:00:00.000Z","platform":"ruby","metadata":{"created_at":"x"}}]',
      'GET https://rubygems.org/gems/rails-7.1.2.gem',
      24,
      'registry-stated',
    ],
    [
      'GET https://index.rubygems.org/info/rails',
      '---\n7.1.2 rake:>= 1&< 3|checksum:ab,ruby:>= 2.7,created_at:2026-06-14T00:00:00Z\n',
      'GET https://rubygems.org/gems/rails-7.1.2.gem',
      24,
      'registry-stated',
      { 'content-type': 'text/plain' },
    ],
    [
      'GET https://api.nuget.org/v3/registration5-gz-semver2/acme.lib/index.json',
      '{"items":[{"items":[{"catalogEntry":{"id":"Acme.Lib","published":"2026-06-14T00:00:00+00:00","version":"1.0.0.0"},"packageContent":"x"}]}]}',
      'GET https://api.nuget.org/v3-flatcontainer/acme.lib/1.0.0/acme.lib.1.0.0.nupkg',
      24,
      'registry-stated',
    ],
    [
      'GET https://api.nuget.org/v3/registration5-gz-semver2/acme.lib/1.0.0.json',
      '{"catalogEntry":"https://x/y.json","published":"1900-01-01T00:00:00+00:00"}',
      'GET https://api.nuget.org/v3-flatcontainer/acme.lib/1.0.0/acme.lib.1.0.0.nupkg',
      null,
      'unknown',
    ],
    [
      'GET https://repo1.maven.org/maven2/com/acme/app/1.0/app-1.0.pom',
      '<project/>',
      'GET https://repo1.maven.org/maven2/com/acme/app/1.0/app-1.0.jar',
      24,
      'mirror-stated',
      { 'last-modified': 'Sun, 14 Jun 2026 00:00:00 GMT' },
    ],
    // Lists below a package that are of other packages, and what was pushed beside an old version.
    [
      'GET https://crates.io/api/v1/crates/evil/reverse_dependencies',
      '{"versions":[{"num":"1.0.0","crate":"other","created_at":"2019-01-01T00:00:00Z"}]}',
      'GET https://static.crates.io/crates/evil/evil-1.0.0.crate',
      null,
      'unknown',
    ],
    [
      'GET https://crates.io/api/v1/crates/evil/versions',
      '{"versions":[{"num":"1.0.0","crate":"other","created_at":"2019-01-01T00:00:00Z"}]}',
      'GET https://static.crates.io/crates/evil/evil-1.0.0.crate',
      null,
      'unknown',
    ],
    [
      'GET https://api.nuget.org/v3/registration5/evil/index.json',
      '{"items":[{"items":[{"catalogEntry":{"id":"Other","published":"2019-01-01T00:00:00Z","version":"1.0.0"}}]}]}',
      'GET https://api.nuget.org/v3-flatcontainer/evil/1.0.0/evil.1.0.0.nupkg',
      null,
      'unknown',
    ],
    [
      'GET https://rubygems.org/api/v1/versions/rails.json',
      '[{"number":"7.1.2","created_at":"2019-01-01T00:00:00Z","platform":"ruby"}]',
      'GET https://rubygems.org/gems/rails-7.1.2-java.gem',
      null,
      'unknown',
    ],
  ];
  for (const [asked, body, touched, hours, timeClass, headers] of rows) {
    const times = new PackageTimes();
    const interpreter = createRegistryInterpreter({ registries: [], times, now: () => nowMs });
    const all: Record<string, string> = { 'content-type': 'application/json', ...headers };
    const stream = interpreter
      .understand(askedRequest(asked))
      ?.answer?.stream?.({ status: 200, header: (name) => all[name] ?? null });
    for (const piece of body.match(/[\s\S]{1,9}/g) ?? []) stream?.push(Buffer.from(piece));
    stream?.end();
    const touch = interpreter.understand(askedRequest(touched))!.operation!.touches[0]!;
    const evidence = packageEvidence(touch, times, null, nowMs);
    t.same(
      [evidence.ageMs === null ? null : Math.round(evidence.ageMs / 3_600_000), evidence.timeClass],
      [hours, timeClass],
      asked,
    );
  }
});
