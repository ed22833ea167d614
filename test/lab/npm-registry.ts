// A stand-in for npm's public registry: packages made here, with files, scripts and times of their own, and lock files
// that lead to them.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface NpmVersion {
  /** Hours since it was published. */
  readonly ageHours: number;
  readonly scripts?: Readonly<Record<string, string>>;
  /** Further files by their names. */
  readonly files?: Readonly<Record<string, string>>;
}

interface Made extends NpmVersion {
  readonly tarball: Buffer;
  readonly integrity: string;
}

export class NpmRegistry {
  readonly host: string;
  readonly #directory: string;
  readonly #packages = new Map<string, Map<string, Made>>();

  constructor(directory: string, host: string) {
    this.#directory = directory;
    this.host = host;
  }

  add(name: string, version: string, about: NpmVersion): void {
    const folder = join(this.#directory, `${name.replace('/', '-')}-${version}`);
    mkdirSync(join(folder, 'package'), { recursive: true });
    const manifest = { name, version, ...(about.scripts === undefined ? {} : { scripts: about.scripts }) };
    const files = { 'package.json': JSON.stringify(manifest), ...about.files };
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, 'package', file), text);
    execFileSync('tar', ['-C', folder, '-czf', `${folder}.tgz`, 'package']);
    const tarball = readFileSync(`${folder}.tgz`);
    const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
    const versions = this.#packages.get(name) ?? new Map<string, Made>();
    this.#packages.set(name, versions.set(version, { ...about, tarball, integrity }));
  }

  /** The packument or file of a path without query; null where there is none. */
  answer(path: string): string | Buffer | null {
    const [name = '', file] = decodeURIComponent(path.slice(1)).split('/-/') as [string?, string?]; // one or two parts
    const versions = this.#packages.get(name);
    if (versions === undefined) return null;
    if (file === undefined) return this.#packument(name, versions);
    return versions.get(file.replace(/^.*?-(\d+\.\d.*)\.tgz$/, '$1'))?.tarball ?? null;
  }

  /** Where a version's file is. */
  urlOf(name: string, version: string): string {
    return `https://${this.host}/${name}/-/${name.split('/').at(-1)!}-${version}.tgz`;
  }

  /** Writes a project that depends on these packages, with its lock file. */
  writeProject(folder: string, dependencies: Readonly<Record<string, string>>): void {
    mkdirSync(folder, { recursive: true });
    const project = { name: 'project', version: '1.0.0', dependencies };
    const packages = Object.entries(dependencies).map(([name, version]) => {
      const { integrity, scripts } = this.#packages.get(name)!.get(version)!; // made before
      const entry = { version, resolved: this.urlOf(name, version), integrity };
      return [`node_modules/${name}`, scripts === undefined ? entry : { ...entry, hasInstallScript: true }];
    });
    const lock = {
      ...project,
      lockfileVersion: 3,
      packages: { '': project, ...Object.fromEntries(packages) },
    };
    writeFileSync(join(folder, 'package.json'), JSON.stringify(project));
    writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  }

  #packument(name: string, versions: ReadonlyMap<string, Made>): string {
    const all = [...versions];
    const entries = all.map(([version, { integrity, scripts }]) => [
      version,
      { name, version, scripts, dist: { tarball: this.urlOf(name, version), integrity } },
    ]);
    const times = all.map(([version, { ageHours }]) => [
      version,
      new Date(Date.now() - ageHours * 3_600_000).toISOString(),
    ]);
    const latest = all.at(-1)?.[0];
    return JSON.stringify({
      name,
      'dist-tags': { latest },
      versions: Object.fromEntries(entries),
      time: Object.fromEntries(times),
    });
  }
}
