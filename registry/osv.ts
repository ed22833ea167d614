// Advisories in OSV's format (ossf.github.io/osv-schema): which versions of which packages they name as malicious.

import type { Ecosystem } from '../flow/operation.ts';
import {
  cargoPurl,
  debPurl,
  gemPurl,
  golangPurl,
  imageKey,
  mavenPurl,
  npmPurl,
  nugetPurl,
  packageKey,
  pypiPurl,
} from './purl.ts';
import { normalisePypiVersion, trimPypiVersion } from './pypi-names.ts';
import { compareVersions, normaliseNugetVersion } from './version-order.ts';

/** What one advisory says of one package. */
export interface AffectedPackage {
  readonly id: string;
  /** The package as `packageKey` writes it. */
  readonly key: string;
  /** Null: all of them. */
  readonly affected: {
    readonly versions: readonly string[];
    readonly ranges: readonly VersionRange[];
  } | null;
}

/** From `introduced` (`0`: the first) to `end`, which belongs to it only when `isEndAffected`; null: no end. */
export interface VersionRange {
  readonly introduced: string;
  readonly end: string | null;
  readonly isEndAffected: boolean;
}

const ecosystems: Readonly<Record<string, Ecosystem>> = {
  npm: 'npm',
  PyPI: 'pypi',
  Maven: 'maven',
  NuGet: 'nuget',
  'crates.io': 'cargo',
  Go: 'golang',
  RubyGems: 'gem',
  Debian: 'deb',
  Ubuntu: 'deb',
};

/** Databases of vulnerabilities: theirs count only when marked as malware. Any other name is a feed of malware. */
const vulnerabilities =
  /^(?:CVE|GHSA|PYSEC|RUSTSEC|GO|OSV|DSA|DLA|DTSA|USN|GSD|RHSA|ASB|PSF|HSEC|BIT|CGA|MGASA|UBUNTU)-/;
const maxPackages = 10_000;
const maxVersions = 20_000;

/** Reads one advisory; empty when it names no malware, null when it is none. */
export function readAdvisory(value: unknown): readonly AffectedPackage[] | null {
  if (!isRecord(value) || typeof value['id'] !== 'string' || !/^[\x21-\x7e]{1,120}$/.test(value['id']))
    return null;
  const all = value['affected'];
  if (!Array.isArray(all)) return null;
  if (typeof value['withdrawn'] === 'string' || !isMalware(value, all)) return [];
  const id = value['id'];
  return all.slice(0, maxPackages).flatMap((each: unknown) => readAffected(id, each));
}

function isMalware(advisory: Readonly<Record<string, unknown>>, affected: readonly unknown[]): boolean {
  if (!vulnerabilities.test(String(advisory['id']))) return true;
  const aliases = Array.isArray(advisory['aliases']) ? advisory['aliases'] : [];
  if (aliases.some((alias) => typeof alias === 'string' && alias.startsWith('MAL-'))) return true;
  // CWE-506: embedded malicious code.
  return [advisory, ...affected].some(
    (part) =>
      isRecord(part) &&
      /"CWE-506"|"malicious-packages-origins"/.test(JSON.stringify(part['database_specific'] ?? null)),
  );
}

function readAffected(id: string, value: unknown): AffectedPackage[] {
  const named = isRecord(value) ? value['package'] : null;
  if (!isRecord(value) || !isRecord(named)) return [];
  const image = imageOf(named['purl']);
  if (image !== null) return [readImage(id, image, value['versions'])];
  if (typeof named['name'] !== 'string') return [];
  const ecosystem = ecosystems[String(named['ecosystem']).replace(/:.*$/, '')];
  const purl = ecosystem === undefined ? null : purlOf(ecosystem, named['name'], String(named['ecosystem']));
  if (ecosystem === undefined || purl === null) return [];
  const listed = Array.isArray(value['versions']) ? value['versions'] : [];
  const versions = listed.filter(isVersion);
  const ranges = readRanges(ecosystem, value['ranges']);
  const isAll =
    (versions.length === 0 && ranges.length === 0) ||
    versions.length > maxVersions ||
    ranges.some(({ introduced, end }) => introduced === '0' && end === null);
  const normalised = versions.map((version) => normaliseVersion(ecosystem, version));
  return [{ id, key: packageKey(purl), affected: isAll ? null : { versions: normalised, ranges } }];
}

/** `pkg:oci/app?repository_url=ghcr.io/acme/app` and `pkg:docker/acme/app?repository_url=ghcr.io`: OSV has no ecosystem for images. */
function imageOf(value: unknown): string | null {
  const form =
    typeof value === 'string'
      ? /^pkg:(oci|docker)\/([^?#@]{1,255})(?:@[^?#]*)?(?:\?([^#]*))?/.exec(value)
      : null;
  if (form === null) return null;
  const url = new URLSearchParams(form[3] ?? '').get('repository_url')?.replace(/^https?:\/\//, '') ?? null;
  const image =
    form[1] === 'oci' ? url : `${url ?? 'docker.io'}/${form[2]!.includes('/') ? '' : 'library/'}${form[2]!}`;
  const slash = image?.indexOf('/') ?? -1;
  if (image === null || slash <= 0 || !/^[\x21-\x7e]{1,512}$/.test(image)) return null;
  return imageKey(image.slice(0, slash), `pkg:oci/${image.slice(slash + 1).toLowerCase()}`);
}

/** Tags and digests have no order: those that are listed, or all. */
function readImage(id: string, key: string, listed: unknown): AffectedPackage {
  const versions = Array.isArray(listed) ? listed.filter(isVersion) : [];
  const isAll = versions.length === 0 || versions.length > maxVersions;
  return { id, key, affected: isAll ? null : { versions, ranges: [] } };
}

function isVersion(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 256 && !/[\n\t]/.test(value);
}

function purlOf(ecosystem: Ecosystem, name: string, osv: string): string | null {
  if (name === '' || name.length > 512) return null;
  if (ecosystem === 'maven') {
    const [group, artifact] = name.split(':');
    return group === undefined || artifact === undefined ? null : mavenPurl(group, artifact);
  }
  if (ecosystem === 'deb') return debPurl(osv.startsWith('Ubuntu') ? 'ubuntu' : 'debian', name);
  return purlWriters[ecosystem]?.(name) ?? null;
}

const purlWriters: Partial<Record<Ecosystem, (name: string) => string>> = {
  npm: npmPurl,
  pypi: pypiPurl,
  nuget: nugetPurl,
  cargo: cargoPurl,
  golang: golangPurl,
  gem: gemPurl,
};

/** One spelling for the versions of each ecosystem, as the readers of requests write them. */
export function normaliseVersion(ecosystem: Ecosystem, version: string): string {
  // The files of one release may spell its number with more zeros or fewer.
  if (ecosystem === 'pypi') return trimPypiVersion(normalisePypiVersion(version));
  if (ecosystem === 'nuget') return normaliseNugetVersion(version);
  if (ecosystem === 'golang') return version.startsWith('v') ? version : `v${version}`;
  return version;
}

function readRanges(ecosystem: Ecosystem, value: unknown): VersionRange[] {
  if (!Array.isArray(value)) return [];
  return value.slice(0, 200).flatMap((range: unknown) => {
    if (!isRecord(range) || (range['type'] !== 'SEMVER' && range['type'] !== 'ECOSYSTEM')) return [];
    return Array.isArray(range['events']) ? readEvents(ecosystem, range['events']) : [];
  });
}

interface RangeEvent {
  readonly kind: 'introduced' | 'fixed' | 'last_affected' | 'limit';
  readonly version: string;
}

function readEvents(ecosystem: Ecosystem, value: readonly unknown[]): VersionRange[] {
  const events = value.slice(0, 2000).flatMap((event: unknown): RangeEvent[] => {
    if (!isRecord(event)) return [];
    for (const kind of ['introduced', 'fixed', 'last_affected', 'limit'] as const) {
      const version = event[kind];
      if (isVersion(version)) return [{ kind, version }];
    }
    return [];
  });
  events.sort((a, b) => compareEvents(ecosystem, a, b));
  const ranges: VersionRange[] = [];
  let introduced: string | null = null;
  for (const { kind, version } of events) {
    if (kind === 'introduced') introduced ??= version;
    else if (introduced !== null) {
      ranges.push({ introduced, end: version, isEndAffected: kind === 'last_affected' });
      introduced = null;
    }
  }
  return introduced === null ? ranges : [...ranges, { introduced, end: null, isEndAffected: false }];
}

function compareEvents(ecosystem: Ecosystem, a: RangeEvent, b: RangeEvent): number {
  if (a.version === b.version) return 0;
  if (a.version === '0' || b.version === '0') return a.version === '0' ? -1 : 1;
  return compareVersions(ecosystem, a.version, b.version) ?? 0;
}

/** Whether a range holds a version; one that cannot be ordered counts as held. */
export function isInRange(
  ecosystem: Ecosystem,
  version: string,
  { introduced, end, isEndAffected }: VersionRange,
): boolean {
  if (introduced !== '0' && (compareVersions(ecosystem, version, introduced) ?? 0) < 0) return false;
  if (end === null) return true;
  const order = compareVersions(ecosystem, version, end) ?? -1;
  return isEndAffected ? order <= 0 : order < 0;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
