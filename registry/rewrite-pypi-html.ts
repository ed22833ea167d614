// A project's page of a Python index in HTML (PEP 503) without the links to files that policy refuses. It passes as it
// comes, one link held at a time; a page of HTML says no times, so only what was learnt elsewhere counts.

import type { AnswerTransform, KeepVersion } from '../flow/asked-request.ts';
import { versionOfFile } from './learn-pypi.ts';
import type { KnownTime } from './rewrite-npm.ts';

const maxLinkChars = 65_536;
/** Names of files that are told; more are taken out all the same. */
const maxRemoved = 10_000;
const link = /<a(?=[\s>/])[^>]*>[\s\S]*?<\/a\s*>(?:\s*<br\s*\/?>)?/i;

export class PypiHtmlRewrite implements AnswerTransform {
  readonly #purl: string;
  readonly #keep: KeepVersion;
  readonly #knownTime: KnownTime;
  readonly #removed: string[] = [];
  /** Latin1, so that every byte is one character and comes out as it went in. */
  #held = '';
  #isRefused = false;

  constructor(purl: string, keep: KeepVersion, knownTime: KnownTime) {
    this.#purl = purl;
    this.#keep = keep;
    this.#knownTime = knownTime;
  }

  get heldBytes(): number {
    return this.#held.length;
  }

  push(chunk: Buffer): readonly Buffer[] {
    if (this.#isRefused) return [];
    this.#held += chunk.toString('latin1');
    const out = this.#takeLinks(false);
    this.#isRefused = this.#held.length > maxLinkChars;
    return out === '' ? [] : [Buffer.from(out, 'latin1')];
  }

  end(): ReturnType<AnswerTransform['end']> {
    if (this.#isRefused) return { kind: 'refused', detail: 'a link that does not end' };
    const out = this.#takeLinks(true) + this.#held;
    // A link that the page cuts off is one to lenient readers.
    if (/<a[\s/>]/i.test(this.#held)) return { kind: 'refused', detail: 'a link that does not end' };
    return { kind: 'whole', rest: [Buffer.from(out, 'latin1')], removed: this.#removed };
  }

  /** What can go out: everything before the last link that has not ended. */
  #takeLinks(isLast: boolean): string {
    let out = '';
    while (true) {
      const start = this.#held.search(/<a(?=[\s>/])|<a?$/i);
      if (start < 0) {
        out += this.#held;
        this.#held = '';
        return out;
      }
      out += this.#held.slice(0, start);
      this.#held = this.#held.slice(start);
      // A `<br>` may follow in the next piece.
      const end = /<\/a\s*>/i.exec(this.#held);
      if (end === null || (!isLast && this.#held.length < end.index + end[0].length + 8)) return out;
      const found = link.exec(this.#held);
      if (found?.index !== 0) return out;
      if (this.#isKept(found[0])) out += found[0];
      this.#held = this.#held.slice(found[0].length);
    }
  }

  // Where one link does not end before the next begins, all of them go with the one that is refused.
  #isKept(text: string): boolean {
    const refused = readLinkFiles(text).filter((file) => {
      const version = file === null ? '' : (versionOfFile(this.#purl, file) ?? '');
      return !this.#keep(version, this.#knownTime(version, file), file);
    });
    if (this.#removed.length < maxRemoved) this.#removed.push(...refused.map((file) => file ?? ''));
    return refused.length === 0;
  }
}

/** The last segment of each address in a link, decoded; null for one that is no file. */
function readLinkFiles(text: string): (string | null)[] {
  const addresses = [...text.matchAll(/\shref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi)];
  const files = addresses.map((match) => readFile(match[1] ?? match[2] ?? match[3] ?? ''));
  return files.length === 0 ? [null] : files;
}

function readFile(address: string): string | null {
  const path = address.replace(/[?#].*$/s, '');
  const file = path.slice(path.lastIndexOf('/') + 1).replaceAll('&amp;', '&');
  if (file === '' || file.length > 512) return null;
  try {
    return decodeURIComponent(file);
  } catch {
    return null;
  }
}
