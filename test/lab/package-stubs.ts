// Registries of Maven, cargo, Go, RubyGems and NuGet with the real protocols and paths, as answers of a lab's web server.
// All have the same releases, and tell when they were published as each protocol does.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zipOf } from './archives.ts';

export interface Release {
  readonly name: string;
  readonly version: string;
  /** Hours since it was published; null: the registry does not say. */
  readonly hours: number | null;
}

/** An answer of 200. */
export interface StubAnswer {
  readonly body: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a GET; null: not found. The path is without its query, percent-encoding undone. */
export type Stub = (path: string, host: string) => StubAnswer | null;

export const releases: readonly Release[] = [
  { name: 'mature', version: '1.0.0', hours: 2000 },
  { name: 'moving', version: '1.0.0', hours: 2000 },
  { name: 'moving', version: '1.1.0', hours: 2 },
  { name: 'poisoned', version: '1.0.0', hours: 2000 },
  { name: 'poisoned', version: '1.0.1', hours: 1900 },
  { name: 'ageless', version: '1.0.0', hours: null },
  { name: 'acme-lib', version: '1.0.0', hours: 2000 },
];

const findRelease = (name = '', version = ''): Release | undefined =>
  releases.find((release) => release.name === name && release.version === version);
const versionsOf = (name = ''): readonly Release[] => releases.filter((release) => release.name === name);
const timeOf = (hours: number): Date => new Date(Date.now() - hours * 3_600_000);
/** Without parts of a second, as most registries write it. */
const isoOf = (hours: number): string => `${timeOf(hours).toISOString().slice(0, 19)}Z`;
const json = (value: unknown): StubAnswer => ({
  body: JSON.stringify(value),
  headers: { 'content-type': 'application/json' },
});

/** The group of a release: one of one's own, or anybody's. */
export const groupOf = (name: string): string => (name.startsWith('acme') ? 'com.acme' : 'com.example');

/** A repository at `/maven2`; files say by Last-Modified when they came. */
export const mavenStub: Stub = (path) => {
  const [, name, version, type, isSum] =
    /^\/maven2\/com\/(?:acme|example)\/([^/]+)\/([^/]+)\/[^/]+\.(pom|jar)(\.sha1)?$/.exec(path) ?? [];
  const release = findRelease(name, version);
  if (release === undefined) return null;
  const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>${groupOf(release.name)}</groupId><artifactId>${name}</artifactId><version>${version}</version></project>`;
  const file =
    type === 'pom' ? Buffer.from(pom) : zipOf([['META-INF/MANIFEST.MF', 'Manifest-Version: 1.0\n\n']]);
  if (isSum !== undefined) return { body: createHash('sha1').update(file).digest('hex') };
  const time = release.hours === null ? {} : { 'last-modified': timeOf(release.hours).toUTCString() };
  return { body: file, headers: time };
};

/** Host of the crate registry of one's own: index, files and API lie side by side. */
export const ownCrates = 'cargo.example.com';

/** The sparse index, files and what `cargo publish` asks; crates are made below the directory. */
export function cargoStub(directory: string): Stub {
  const files = new Map(
    releases.map((release) => [`${release.name}-${release.version}`, makeCrate(directory, release)]),
  );
  return (path, host) => {
    if (path.endsWith('/config.json')) {
      return host === ownCrates
        ? json({ dl: `https://${host}/files/{prefix}/{crate}-{version}.crate`, api: `https://${host}` })
        : json({ dl: 'https://static.crates.io/crates', api: 'https://crates.io' });
    }
    const asked = /\/([a-z-]+)-(\d[^/]*)\.crate$/.exec(path) ?? /\/([^/]+)\/(\d[^/]*)\/download$/.exec(path);
    const file = asked === null ? undefined : files.get(`${asked[1]}-${asked[2]}`);
    if (file !== undefined) return { body: file };
    const name = /^(?:\/index)?\/[a-z]{2}\/[a-z-]{2}\/([a-z-]+)$/.exec(path)?.[1];
    const lines = versionsOf(name).map(({ version, hours }) => {
      const cksum = createHash('sha256')
        .update(files.get(`${name}-${version}`)!)
        .digest('hex');
      const told = hours === null ? {} : { pubtime: isoOf(hours) };
      return `${JSON.stringify({ name, vers: version, deps: [], cksum, features: {}, yanked: false, ...told })}\n`;
    });
    return lines.length === 0 ? null : { body: lines.join('') };
  };
}

function makeCrate(directory: string, { name, version }: Release): Buffer {
  const folder = `${name}-${version}`;
  mkdirSync(join(directory, folder, 'src'), { recursive: true });
  writeFileSync(join(directory, folder, 'Cargo.toml'), crateManifest(name, version));
  writeFileSync(join(directory, folder, 'src/lib.rs'), '');
  execFileSync('tar', [
    '--mtime=2020-01-01',
    '-C',
    directory,
    '-czf',
    join(directory, `${folder}.crate`),
    folder,
  ]);
  return readFileSync(join(directory, `${folder}.crate`));
}

/** Cargo.toml of a crate. */
export const crateManifest = (name: string, version: string, dependencies = ''): string =>
  `[package]\nname = "${name}"\nversion = "${version}"\nedition = "2018"\ndescription = "x"\nlicense = "MIT"\n${dependencies}`;

/** The path of a module. */
export const moduleOf = (name: string): string =>
  `${name.startsWith('acme') ? 'corp.example' : 'github.com/example'}/${name}`;

/** A module proxy. */
export const goStub: Stub = (path) => {
  const [, place, name, file = ''] =
    /^\/(github\.com\/example|corp\.example)\/([a-z-]+)\/(@.*)$/.exec(path) ?? [];
  if (name === undefined || versionsOf(name).length === 0) return null;
  if (file === '@v/list')
    return {
      body: versionsOf(name)
        .map(({ version }) => `v${version}\n`)
        .join(''),
    };
  const [, asked, type] = /^@v\/v(.*)\.(info|mod|zip)$/.exec(file) ?? [];
  const release = file === '@latest' ? versionsOf(name).at(-1) : findRelease(name, asked);
  if (release === undefined) return null;
  const module = `${place}/${name}`;
  const mod = `module ${module}\n`;
  if (type === 'mod') return { body: mod };
  if (type === 'zip') return { body: zipOf([[`${module}@v${release.version}/go.mod`, mod]]) };
  return json({
    Version: `v${release.version}`,
    ...(release.hours === null ? {} : { Time: isoOf(release.hours) }),
  });
};

const makeGems = `
require "rubygems/package"
require "json"
JSON.parse(ARGV[0]).each do |name, version|
  spec = Gem::Specification.new(name, version) { |s| s.summary = "x"; s.author = "l"; s.homepage = "https://example.com"; s.license = "MIT" }
  file = Gem::Package.build(spec, true)
  File.binwrite("#{name}-#{version}.gemspec.rz", Zlib::Deflate.deflate(Marshal.dump(spec)))
end
`;

/** The compact index, specifications and files; gems are made below the directory by the system's Ruby. */
export function gemStub(directory: string): Stub {
  mkdirSync(directory, { recursive: true });
  const all = JSON.stringify(releases.map(({ name, version }) => [name, version]));
  execFileSync('ruby', ['-rrubygems', '-rzlib', '-e', makeGems, all], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const read = (name: string): Buffer => readFileSync(join(directory, name));
  return (path) => {
    if (path === '/') return { body: 'gems\n' };
    const [, file] =
      /^\/(?:gems|quick\/Marshal\.4\.8)\/([a-z-]+-\d[\d.]*\.(?:gem|gemspec\.rz))$/.exec(path) ?? [];
    if (file !== undefined) return { body: read(file) };
    const name = /^\/info\/([a-z-]+)$/.exec(path)?.[1];
    const lines = versionsOf(name).map(({ version, hours }) => {
      const checksum = createHash('sha256')
        .update(read(`${name}-${version}.gem`))
        .digest('hex');
      return `${version} |checksum:${checksum}${hours === null ? '' : `,created_at:${isoOf(hours)}`}\n`;
    });
    return lines.length === 0
      ? null
      : { body: `---\n${lines.join('')}`, headers: { 'content-type': 'text/plain' } };
  };
}

/** A package with its nuspec. */
export const nupkgOf = (name: string, version: string): Buffer =>
  zipOf([
    [
      `${name}.nuspec`,
      `<package><metadata><id>${name}</id><version>${version}</version></metadata></package>`,
    ],
  ]);

/** The service index, registrations and the flat container. */
export const nugetStub: Stub = (path, host) => {
  if (path === '/v3/index.json') return json(nugetIndex(host));
  const [, name = '', rest] =
    /^\/v3(?:-flatcontainer|\/registration5-semver1)\/([a-z-]+)\/(.*)$/.exec(path) ?? [];
  const all = versionsOf(name);
  const [, version] = /^([^/]+)\/[^/]+\.nupkg$/.exec(rest ?? '') ?? [];
  if (version !== undefined)
    return findRelease(name, version) === undefined ? null : { body: nupkgOf(name, version) };
  if (rest !== 'index.json' || all.length === 0) return null;
  if (path.startsWith('/v3-flat')) return json({ versions: all.map(({ version }) => version) });
  const items = all.map(({ version, hours }) => ({
    catalogEntry: { id: name, version, ...(hours === null ? {} : { published: isoOf(hours) }) },
  }));
  return json({ count: 1, items: [{ count: items.length, items }] });
};

function nugetIndex(host: string) {
  const resources = [
    ['PackageBaseAddress/3.0.0', 'v3-flatcontainer/'],
    ['RegistrationsBaseUrl/3.6.0', 'v3/registration5-semver1/'],
    ['PackagePublish/2.0.0', 'api/v2/package'],
  ].map(([type, place]) => ({ '@type': type, '@id': `https://${host}/${place}` }));
  return { version: '3.0.0', resources };
}
