// A project's page of a Python index in JSON (PEP 691, PEP 700) without the files that policy refuses, and without the
// versions that have no file left.

import type { AnswerTransform, KeepVersion } from '../flow/asked-request.ts';
import { JsonScanner } from './json-scanner.ts';
import { versionOfFile } from './learn-pypi.ts';
import { normalisePypiVersion } from './pypi-names.ts';
import { mergeRuns } from './rewrite-npm.ts';
import type { KnownTime } from './rewrite-npm.ts';
import { applyEdits, KeptBytes, maxRewriteEntries } from './rewrite-spans.ts';
import type { Edit, Span } from './rewrite-spans.ts';
import { readTime } from './times.ts';

interface FileEntry extends Span {
  readonly file: string | null;
  readonly timeMs: number | null;
}

export class PypiJsonRewrite implements AnswerTransform {
  readonly #bytes = new KeptBytes();
  readonly #scanner: JsonScanner;
  readonly #keep: KeepVersion;
  readonly #knownTime: KnownTime;
  readonly #purl: string;
  readonly #files: FileEntry[] = [];
  readonly #versions: (Span & { readonly text: string | null })[] = [];
  readonly #spans = new Map<string, Span>();
  #isTwice = false;
  #file: string | null = null;
  #timeMs: number | null = null;

  constructor(purl: string, keep: KeepVersion, knownTime: KnownTime) {
    this.#purl = purl;
    this.#keep = keep;
    this.#knownTime = knownTime;
    this.#scanner = new JsonScanner(3, (path, kind, text, entry, start, end) => {
      const [section, , field] = path;
      if (section !== 'files' && section !== 'versions') return;
      if (path.length === 1 && kind === 'array') this.#addSpan(section, { start, end });
      if (section === 'versions' && path.length === 2) this.#versions.push({ start: entry, end, text });
      if (section !== 'files') return;
      if (path.length === 3 && field === 'filename') this.#file = text;
      else if (path.length === 3 && field === 'upload-time') this.#timeMs = readTime(text);
      else if (path.length === 2) this.#addFile({ start: entry, end });
    });
  }

  get heldBytes(): number {
    return this.#isTooLarge ? 0 : this.#bytes.length;
  }

  get #isTooLarge(): boolean {
    const entries = this.#files.length + this.#versions.length;
    return this.#bytes.isOverLimit || entries > maxRewriteEntries;
  }

  push(chunk: Buffer): readonly Buffer[] {
    if (this.#isTooLarge) return [];
    this.#bytes.push(chunk);
    this.#scanner.push(chunk);
    if (this.#isTooLarge) this.#bytes.release();
    return [];
  }

  end(): ReturnType<AnswerTransform['end']> {
    if (this.#isTooLarge)
      return { kind: 'refused', detail: 'the list of files is too large to be shortened' };
    if (!this.#scanner.end()) return { kind: 'refused', detail: 'the list of files is no JSON' };
    if (this.#isTwice) return { kind: 'refused', detail: 'the list of files holds a part of itself twice' };
    const kept = new Set(this.#files.filter((entry) => this.#isKept(entry)));
    if (kept.size === this.#files.length) {
      return { kind: 'whole', rest: applyEdits(this.#bytes, []), removed: [] };
    }
    const removed = this.#files.filter((entry) => !kept.has(entry)).map(({ file }) => file ?? '');
    return { kind: 'whole', rest: applyEdits(this.#bytes, this.#edits(kept)), removed };
  }

  #addSpan(section: string, span: Span): void {
    if (this.#spans.has(section)) this.#isTwice = true;
    this.#spans.set(section, span);
  }

  #addFile(span: Span): void {
    this.#files.push({ ...span, file: this.#file, timeMs: this.#timeMs });
    this.#file = null;
    this.#timeMs = null;
  }

  #isKept({ file, timeMs }: FileEntry): boolean {
    const version = file === null ? '' : (versionOfFile(this.#purl, file) ?? '');
    return this.#keep(version, timeMs ?? this.#knownTime(version, file), file);
  }

  #edits(kept: ReadonlySet<FileEntry>): Edit[] {
    const edits: Edit[] = [];
    const files = this.#spans.get('files');
    if (files !== undefined) {
      edits.push({ ...files, brackets: '[]', kept: mergeRuns(this.#files, (entry) => kept.has(entry)) });
    }
    const gone = this.#versionsOf((entry) => !kept.has(entry));
    const left = this.#versionsOf((entry) => kept.has(entry));
    const versions = this.#spans.get('versions');
    if (versions !== undefined) {
      const stays = ({ text }: { text: string | null }): boolean => {
        const version = text === null ? '' : normalisePypiVersion(text);
        return left.has(version) || !gone.has(version);
      };
      edits.push({ ...versions, brackets: '[]', kept: mergeRuns(this.#versions, stays) });
    }
    return edits;
  }

  #versionsOf(isMeant: (entry: FileEntry) => boolean): Set<string> {
    const files = this.#files.filter((entry) => isMeant(entry) && entry.file !== null);
    return new Set(files.map(({ file }) => versionOfFile(this.#purl, file!) ?? ''));
  }
}
