// An npm packument without the versions that policy refuses: their entries go out of `versions` and `time`, and
// `dist-tags` never point at them. All other bytes stay as they came, integrity values with them.

import type { AnswerTransform, KeepVersion } from '../flow/asked-request.ts';
import { JsonScanner } from './json-scanner.ts';
import { compareSemver, parseSemver } from './order-npm.ts';
import type { Semver } from './order-npm.ts';
import { applyEdits, KeptBytes, maxRewriteEntries } from './rewrite-spans.ts';
import type { Edit, Span } from './rewrite-spans.ts';
import { readTime } from './times.ts';

/** What is known of a version's time without the packument: when it was learnt before, in milliseconds, or null. */
export type KnownTime = (version: string, file: string | null) => number | null;

const sections = ['versions', 'time', 'dist-tags'] as const;
type Section = (typeof sections)[number];

interface Entry extends Span {
  readonly key: string;
  readonly text: string | null;
}

export class NpmRewrite implements AnswerTransform {
  readonly #bytes = new KeptBytes();
  readonly #scanner: JsonScanner;
  readonly #keep: KeepVersion;
  readonly #knownTime: KnownTime;
  readonly #entries: Record<Section, Entry[]> = { versions: [], time: [], 'dist-tags': [] };
  readonly #spans = new Map<Section, Span>();
  #count = 0;
  #isTwice = false;
  #isObject = false;

  constructor(keep: KeepVersion, knownTime: KnownTime) {
    this.#keep = keep;
    this.#knownTime = knownTime;
    this.#scanner = new JsonScanner(2, (path, kind, text, entry, start, end) => {
      if (path.length === 0) this.#isObject = kind === 'object';
      const section = sections.find((name) => name === path[0]);
      if (section === undefined) return;
      if (path.length === 2) this.#addEntry(section, { key: String(path[1]), text, start: entry, end });
      else if (kind === 'object') this.#addSpan(section, { start, end });
    });
  }

  get heldBytes(): number {
    return this.#isTooLarge ? 0 : this.#bytes.length;
  }

  get #isTooLarge(): boolean {
    return this.#bytes.isOverLimit || this.#count > maxRewriteEntries;
  }

  push(chunk: Buffer): readonly Buffer[] {
    if (this.#isTooLarge) return [];
    this.#bytes.push(chunk);
    this.#scanner.push(chunk);
    if (this.#isTooLarge) this.#bytes.release();
    return [];
  }

  end(): ReturnType<AnswerTransform['end']> {
    if (this.#isTooLarge) return refused('the list of versions is too large to be shortened');
    if (!this.#scanner.end() || !this.#isObject) return refused('the list of versions is no JSON object');
    // Which of two is meant is the reader's own choice: none of ours.
    if (this.#isTwice) return refused('the list of versions holds a part of itself twice');
    const removed = this.#judge();
    if (removed.size === 0) return { kind: 'whole', rest: applyEdits(this.#bytes, []), removed: [] };
    return { kind: 'whole', rest: applyEdits(this.#bytes, this.#edits(removed)), removed: [...removed] };
  }

  #addEntry(section: Section, entry: Entry): void {
    this.#count++;
    if (this.#count <= maxRewriteEntries) this.#entries[section].push(entry);
  }

  #addSpan(section: Section, span: Span): void {
    if (this.#spans.has(section)) this.#isTwice = true;
    this.#spans.set(section, span);
  }

  #judge(): Set<string> {
    const times = new Map<string, number>();
    for (const { key, text } of this.#entries.time) {
      const timeMs = readTime(text);
      if (timeMs !== null) times.set(key, Math.max(timeMs, times.get(key) ?? 0));
    }
    const refusedVersions = this.#entries.versions.filter(
      ({ key }) => !this.#keep(key, times.get(key) ?? this.#knownTime(key, null), null),
    );
    return new Set(refusedVersions.map(({ key }) => key));
  }

  #edits(removed: ReadonlySet<string>): Edit[] {
    const edits: Edit[] = [];
    for (const section of ['versions', 'time'] as const) {
      const span = this.#spans.get(section);
      const entries = this.#entries[section];
      if (span === undefined || !entries.some(({ key }) => removed.has(key))) continue;
      edits.push({ ...span, brackets: '{}', kept: mergeRuns(entries, ({ key }) => !removed.has(key)) });
    }
    const tags = this.#spans.get('dist-tags');
    if (tags !== undefined) edits.push({ ...tags, text: this.#writeTags(removed) });
    return edits;
  }

  /** Tags of what is gone go too, but for `latest`, which is what most clients ask for. */
  #writeTags(removed: ReadonlySet<string>): string {
    const tags: [string, string][] = [];
    for (const { key, text } of this.#entries['dist-tags']) {
      if (text === null) continue;
      const version = removed.has(text)
        ? key === 'latest'
          ? this.#newestBefore(text, removed)
          : null
        : text;
      if (version !== null) tags.push([key, version]);
    }
    return `{${tags.map(([tag, version]) => `${JSON.stringify(tag)}:${JSON.stringify(version)}`).join(',')}}`;
  }

  // A later version that its authors did not make `latest` stays so, unless there is no other.
  #newestBefore(version: string, removed: ReadonlySet<string>): string | null {
    const limit = parseSemver(version);
    const all = this.#entries.versions.flatMap(({ key }) => {
      const parsed = removed.has(key) ? null : parseSemver(key);
      return parsed === null ? [] : [{ key, parsed }];
    });
    const isStable = ({ parsed }: { parsed: Semver }): boolean => parsed.pre.length === 0;
    const isBefore = ({ parsed }: { parsed: Semver }): boolean =>
      limit === null || compareSemver(parsed, limit) < 0;
    const choices = [all.filter((each) => isStable(each) && isBefore(each)), all.filter(isStable), all];
    const choice = choices.find((list) => list.length > 0) ?? [];
    return choice.toSorted((a, b) => compareSemver(b.parsed, a.parsed))[0]?.key ?? null;
  }
}

function refused(detail: string): { readonly kind: 'refused'; readonly detail: string } {
  return { kind: 'refused', detail };
}

/** Neighbours that stay are one span: what lies between them stays as well. */
export function mergeRuns<T extends Span>(entries: readonly T[], isKept: (entry: T) => boolean): Span[] {
  const runs: { start: number; end: number }[] = [];
  let isOpen = false;
  for (const entry of entries) {
    const stays = isKept(entry);
    if (stays && isOpen) runs.at(-1)!.end = entry.end;
    else if (stays) runs.push({ start: entry.start, end: entry.end });
    isOpen = stays;
  }
  return runs;
}
