// Real clients of package registries, one shape for all: what a job runs to install some releases and to publish one,
// each against the public registry or one's own.

import { mkdirSync, existsSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Lab } from './lab.ts';
import { versionOf, without } from './client-labs.ts';
import { crateManifest, groupOf, moduleOf, nupkgOf, ownCrates } from './package-stubs.ts';

export interface PackageClient {
  /** As package URLs call it. */
  readonly ecosystem: string;
  readonly skip: string | false;
  readonly version: string;
  readonly publicHosts: readonly string[];
  readonly ownHost: string;
  /** Installs each `name@version`: what became of it, with ok or refused in front. */
  install(specs: readonly string[], isOwn?: boolean): Promise<readonly string[]>;
  /** Publishes `released` 1.0.0 from this runner. */
  publish(runner: number): Promise<string>;
  /** Package URL without a version. */
  purl(name: string): string;
}

type Make = (lab: Lab, directory: string) => PackageClient;

/** Runs a script on a runner: its output, with ok or refused in front. */
async function shell(
  lab: Lab,
  script: string,
  env: Readonly<Record<string, string>>,
  runner = 0,
): Promise<string> {
  const { code, stdout, stderr } = await lab.run(['sh', '-c', script], { runner, env, timeoutMs: 60_000 });
  return `${code === 0 ? 'ok' : 'refused'} ${stdout}${stderr}`;
}

const split = (spec: string): [name: string, version: string] => {
  const at = spec.lastIndexOf('@');
  return [spec.slice(0, at), spec.slice(at + 1)];
};

async function eachOf(
  specs: readonly string[],
  install: (name: string, version: string, index: number) => Promise<string>,
): Promise<readonly string[]> {
  const outcomes: string[] = [];
  for (const spec of specs) outcomes.push(await install(...split(spec), outcomes.length));
  return outcomes;
}

/** Maven resolves build extensions by itself, jar and all: no plugin is needed, and one run tries several projects. */
const maven: Make = (lab, directory) => {
  const publicHost = 'repo.maven.apache.org';
  const ownHost = 'maven.example.com';
  const repository = join(directory, 'repository');
  let runs = 0;
  const install: PackageClient['install'] = async (specs, isOwn = false) => {
    const work = join(directory, `run${runs++}`);
    const url = `https://${isOwn ? ownHost : publicHost}/maven2`;
    writeReactor(work, specs.map(split), url);
    const output = await shell(
      lab,
      `cd ${work} && mvn -B -q -fae -s settings.xml -Dmaven.repo.local=${repository} validate 2>&1`,
      {},
    );
    return specs.map((spec) => {
      const [name, version] = split(spec);
      const folder = join(repository, groupOf(name).replace('.', '/'), name, version);
      const told = output
        .split('\n')
        .filter((line) => line.includes(`/${name}/${version}/`) || line.includes(`:${name}:`));
      return existsSync(join(folder, `${name}-${version}.jar`)) ? 'ok' : `refused ${told.join('\n')}`;
    });
  };
  const target = `https://${publicHost}/maven2/com/example/released/1.0.0/released-1.0.0.jar`;
  return {
    ecosystem: 'maven',
    skip: without('mvn'),
    version: versionOf('mvn', '-B', '--version'),
    publicHosts: [publicHost],
    ownHost,
    install,
    // What maven-deploy-plugin sends first.
    publish: (runner) => shell(lab, `echo x | curl -sS --fail-with-body -T - ${target}`, {}, runner),
    purl: (name) => `pkg:maven/${groupOf(name)}/${name}`,
  };
};

function writeReactor(directory: string, specs: readonly (readonly [string, string])[], url: string): void {
  const project = (artifact: string, rest: string): string =>
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>job</groupId><artifactId>${artifact}</artifactId><version>1</version><packaging>pom</packaging>${rest}</project>`;
  const repositories = `<pluginRepositories><pluginRepository><id>central</id><url>${url}</url></pluginRepository></pluginRepositories>`;
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'settings.xml'), '<settings/>');
  const modules = specs.map((_, index) => `<module>m${index}</module>`).join('');
  writeFileSync(join(directory, 'pom.xml'), project('all', `<modules>${modules}</modules>`));
  for (const [index, [name, version]] of specs.entries()) {
    const extension = `<extension><groupId>${groupOf(name)}</groupId><artifactId>${name}</artifactId><version>${version}</version></extension>`;
    mkdirSync(join(directory, `m${index}`));
    writeFileSync(
      join(directory, `m${index}/pom.xml`),
      project(`m${index}`, `${repositories}<build><extensions>${extension}</extensions></build>`),
    );
  }
}

/** Sparse indexes are read since 1.68. */
function cargoSkip(): string | false {
  const missing = without('cargo');
  if (missing !== false) return missing;
  const [, minor = '0'] = /cargo 1\.(\d+)/.exec(versionOf('cargo', '--version')) ?? [];
  return Number(minor) < 68 && `cargo 1.${minor} knows no sparse index`;
}

const cargo: Make = (lab, directory) => {
  const rustup = process.env['RUSTUP_HOME'] ?? join(homedir(), '.rustup');
  const env = {
    CARGO_HOME: join(directory, 'home'),
    CARGO_NET_RETRY: '0',
    CARGO_REGISTRIES_OWN_INDEX: `sparse+https://${ownCrates}/index/`,
    CARGO_TERM_COLOR: 'never',
    ...(existsSync(rustup) ? { RUSTUP_HOME: rustup } : {}),
  };
  let runs = 0;
  const makeJob = (manifest: string): string => {
    const work = join(directory, `job${runs++}`);
    mkdirSync(join(work, 'src'), { recursive: true });
    writeFileSync(join(work, 'src/lib.rs'), '');
    writeFileSync(join(work, 'Cargo.toml'), manifest);
    return work;
  };
  return {
    ecosystem: 'cargo',
    skip: cargoSkip(),
    version: versionOf('cargo', '--version'),
    publicHosts: ['index.crates.io', 'static.crates.io', 'crates.io'],
    ownHost: ownCrates,
    install: (specs, isOwn = false) =>
      eachOf(specs, (name, version) => {
        const from = isOwn ? ', registry = "own"' : '';
        const needs = `[dependencies]\n${name} = { version = "=${version}"${from} }\n`;
        return shell(lab, `cd ${makeJob(crateManifest('job', '0.1.0', needs))} && cargo fetch -q 2>&1`, env);
      }),
    publish: (runner) =>
      shell(
        lab,
        `cd ${makeJob(crateManifest('released', '1.0.0'))} && cargo publish -q --no-verify --allow-dirty --token none 2>&1`,
        env,
        runner,
      ),
    purl: (name) => `pkg:cargo/${name}`,
  };
};

const go: Make = (lab, directory) => {
  const publicHost = 'proxy.golang.org';
  const ownHost = 'go.example.com';
  const env = {
    GOPATH: join(directory, 'path'),
    GOCACHE: join(directory, 'cache'),
    GOSUMDB: 'off',
    GOFLAGS: '-modcacherw',
    GOTOOLCHAIN: 'local',
  };
  mkdirSync(directory, { recursive: true });
  return {
    ecosystem: 'golang',
    skip: without('go'),
    version: versionOf('go', 'version'),
    publicHosts: [publicHost],
    ownHost,
    install: (specs, isOwn = false) =>
      eachOf(specs, (name, version) =>
        shell(lab, `cd ${directory} && go mod download ${moduleOf(name)}@v${version} 2>&1`, {
          ...env,
          GOPROXY: `https://${isOwn ? ownHost : publicHost}`,
        }),
      ),
    // Nobody publishes to a proxy, but somebody may try.
    publish: (runner) =>
      shell(
        lab,
        `echo x | curl -sS --fail-with-body -T - https://${publicHost}/${moduleOf('released')}/@v/v1.0.0.zip`,
        {},
        runner,
      ),
    purl: (name) => `pkg:golang/${moduleOf(name)}`,
  };
};

const gem: Make = (lab, directory) => {
  const publicHost = 'rubygems.org';
  const ownHost = 'gems.example.com';
  const env = {
    GEM_HOME: join(directory, 'home'),
    GEM_SPEC_CACHE: join(directory, 'specs'),
    GEM_HOST_API_KEY: 'none',
  };
  return {
    ecosystem: 'gem',
    skip: without('gem', 'ruby'),
    version: `${versionOf('gem', '--version')} (gem)`,
    publicHosts: [publicHost, `index.${publicHost}`],
    ownHost,
    install: (specs, isOwn = false) =>
      eachOf(specs, (name, version) =>
        shell(
          lab,
          `gem install ${name} -v ${version} --clear-sources --source https://${isOwn ? ownHost : publicHost}/ --no-document --no-user-install 2>&1`,
          env,
        ),
      ),
    publish: (runner) =>
      shell(
        lab,
        `cd ${directory} && printf 'Gem::Specification.new("released", "1.0.0") { |s| s.summary = "x"; s.author = "l"; s.homepage = "https://example.com"; s.license = "MIT" }' > released.gemspec &&
         gem build -q released.gemspec >/dev/null 2>&1 && gem push released-1.0.0.gem --host https://${publicHost} 2>&1`,
        env,
        runner,
      ),
    purl: (name) => `pkg:gem/${name}`,
  };
};

/** No client in Debian: the requests that a client makes, by curl. */
const nuget: Make = (lab, directory) => {
  const [publicHost, pushHost] = ['api.nuget.org', 'www.nuget.org'] as const;
  const ownHost = 'nuget.example.com';
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'released.nupkg'), nupkgOf('released', '1.0.0'));
  return {
    ecosystem: 'nuget',
    skip: false,
    version: `${versionOf('curl', '--version').split(' ').slice(0, 3).join(' ')} (NuGet V3)`,
    publicHosts: [publicHost, pushHost],
    ownHost,
    install: (specs, isOwn = false) =>
      eachOf(specs, (name, version) => {
        const base = `https://${isOwn ? ownHost : publicHost}`;
        const get = 'curl -sS --fail-with-body';
        const urls = [
          `${base}/v3/index.json`,
          `${base}/v3/registration5-semver1/${name}/index.json`,
          `${base}/v3-flatcontainer/${name}/index.json`,
          `${base}/v3-flatcontainer/${name}/${version}/${name}.${version}.nupkg`,
        ];
        return shell(lab, urls.map((url) => `${get} -i ${url}`).join(' && '), {});
      }),
    publish: (runner) =>
      shell(
        lab,
        `curl -sS --fail-with-body -X PUT -F package=@${directory}/released.nupkg https://${pushHost}/api/v2/package`,
        {},
        runner,
      ),
    purl: (name) => `pkg:nuget/${name}`,
  };
};

/** One of each; their work lies below the lab's directory. */
export function packageClients(lab: Lab): readonly PackageClient[] {
  const makers = { maven, cargo, go, gem, nuget };
  return Object.entries(makers).map(([name, make]) => make(lab, join(lab.directory, name)));
}
