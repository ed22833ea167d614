// When versions were published, as registries said it in answers that passed: bounded, in memory, for each registry by
// itself, so that no mirror can say that another registry's package is old.

import { LRUCache } from 'lru-cache';
import { packageKey } from './purl.ts';

/**
 * Who says so: the registry when it was published there; the author (a commit's or an image's own time, which anybody can
 * set); a mirror that nobody configured, or a file's Last-Modified; nobody.
 */
export type TimeClass = 'registry-stated' | 'author-stated' | 'mirror-stated' | 'unknown';

export interface PublishTime {
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly timeClass: TimeClass;
}

/** Best first; the place in this list is kept in the lowest bits of a time. */
const classes = ['registry-stated', 'author-stated', 'mirror-stated', 'unknown'] as const;

/**
 * Times of one package: by version; behind a slash by file; behind a `>` the time at which a version was there already.
 */
class PackageRecord extends Map<string, number> {
  /** In units of a plain version: what is long counts for several. */
  weight = 0;

  override set(key: string, code: number): this {
    if (!this.has(key)) this.weight += 1 + (key.length >> 6);
    return super.set(key, code);
  }
}

const maxVersionsOfPackage = 60_000;
/** Before 1995 no registry was there; NuGet says 1900 of what is not listed. */
const earliestMs = Date.UTC(1995, 0, 1);
const latestMs = Date.UTC(2200, 0, 1);

export class PackageTimes {
  readonly #packages: LRUCache<string, PackageRecord>;

  /** Keeps at most about `maxVersions` versions and files in all; the packages that nobody asked about go first. */
  constructor(maxVersions = 400_000) {
    this.#packages = new LRUCache({ maxSize: maxVersions, sizeCalculation: ({ weight }) => weight + 1 });
  }

  /** Keeps what was said of a version or one file of it. A better source wins, then the later time. */
  learn(
    registry: string,
    purl: string,
    version: string,
    time: PublishTime,
    file: string | null = null,
  ): void {
    if (!isPlausible(time.timeMs) || version.length > 256 || (file?.length ?? 0) > 512) return;
    this.#change(registry, purl, (record) => {
      const code = encode(time);
      keep(record, version, code);
      if (file !== null) keep(record, `/${file}`, code);
    });
  }

  /** Keeps that a version is no younger than a time: a list that named it changed last then. The earliest counts. */
  learnAtLatest(registry: string, purl: string, version: string, time: PublishTime): void {
    if (!isPlausible(time.timeMs) || version.length > 256) return;
    this.#change(registry, purl, (record) => {
      const [key, code] = [`>${version}`, encode(time)];
      const before = record.get(key);
      if (before === undefined ? record.size < maxVersionsOfPackage : code < before) record.set(key, code);
    });
  }

  #change(registry: string, purl: string, change: (record: PackageRecord) => void): void {
    const key = recordKey(registry, purl);
    const record = this.#packages.get(key) ?? new PackageRecord();
    const before = record.size;
    change(record);
    if (record.size === before) return;
    // The cache measures what it did not hold before.
    this.#packages.delete(key);
    this.#packages.set(key, record);
  }

  /**
   * When a version was published, or one file of it where files are published one by one: then a file that was not
   * listed is as good as unknown, since it may have been added to an old version. Null: nobody said it.
   */
  find(registry: string, purl: string, version: string, file: string | null = null): PublishTime | null {
    const record = this.#packages.get(recordKey(registry, purl));
    const isByFile = file !== null && /^pkg:(?:pypi|gem)\//.test(purl);
    const code = record?.get(isByFile ? `/${file}` : version);
    return code === undefined ? null : decode(code);
  }

  /** The time at which a version was there already, or null. */
  findAtLatest(registry: string, purl: string, version: string): PublishTime | null {
    const code = this.#packages.get(recordKey(registry, purl))?.get(`>${version}`);
    return code === undefined ? null : decode(code);
  }

  /** Whether a file was listed with a package. */
  hasFile(registry: string, purl: string, file: string): boolean {
    return this.#packages.get(recordKey(registry, purl))?.has(`/${file}`) ?? false;
  }

  /** Versions and files that are kept, and one for each package; those of more than 64 characters count for several. */
  get size(): number {
    return this.#packages.calculatedSize;
  }
}

function recordKey(registry: string, purl: string): string {
  return `${registry} ${packageKey(purl)}`;
}

function isPlausible(timeMs: number): boolean {
  return timeMs >= earliestMs && timeMs <= latestMs;
}

function encode({ timeMs, timeClass }: PublishTime): number {
  return Math.trunc(timeMs) * 4 + classes.indexOf(timeClass);
}

function decode(code: number): PublishTime {
  return { timeMs: Math.floor(code / 4), timeClass: classes[code % 4]! };
}

function keep(times: Map<string, number>, key: string, code: number): void {
  const before = times.get(key);
  if (before === undefined) {
    if (times.size < maxVersionsOfPackage) times.set(key, code);
    return;
  }
  const [oldClass, newClass] = [before % 4, code % 4];
  if (newClass < oldClass || (newClass === oldClass && code > before)) times.set(key, code);
}

/** Reads a time in ISO 8601 with a date and a time of day; null for anything else. */
export function readTime(text: string | null): number | null {
  if (text === null || text.length > 40 || !/^\d{4}-\d\d-\d\d[T ]\d\d:\d\d/.test(text)) return null;
  // Without an offset UTC is meant: the JSON API of Python's index leaves it out.
  const timeMs = Date.parse(/(?:Z|[+-]\d\d:?\d\d)$/i.test(text) ? text : `${text}Z`);
  return Number.isNaN(timeMs) ? null : timeMs;
}
