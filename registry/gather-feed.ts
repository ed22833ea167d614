// Takes advisories from wherever they come and makes one feed of them, counting what is none.

import { SallyportError } from '../flow/errors.ts';
import { FeedBuilder } from './malware-feed.ts';
import type { MalwareFeed } from './malware-feed.ts';
import { readAdvisory } from './osv.ts';

export interface FeedReading {
  readonly feed: MalwareFeed;
  /** Advisories read, and those of them that speak of no malware. */
  readonly advisories: number;
  readonly skipped: number;
  /** The first problems, with file and, of files of lines, line; the rest is counted alone. */
  readonly problems: readonly string[];
  readonly problemCount: number;
}

const maxProblems = 20;

/** One reading of a feed. */
export class FeedGathering {
  readonly #builder = new FeedBuilder();
  readonly #problems: string[] = [];
  #problemCount = 0;
  #advisories = 0;
  #skipped = 0;

  problem(text: string): void {
    this.#problemCount++;
    if (this.#problems.length < maxProblems) this.#problems.push(text);
  }

  /** Parses one advisory or a list of them; false when the text is no JSON. */
  parse(text: string, where: string): boolean {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      this.problem(`${where}: no JSON`);
      return false;
    }
    if (Array.isArray(value)) value.forEach((each, index) => this.#take(each, `${where}[${index}]`));
    else this.#take(value, where);
    return true;
  }

  #take(value: unknown, where: string): void {
    const affected = readAdvisory(value);
    if (affected === null) {
      this.problem(`${where}: no advisory in OSV's format`);
      return;
    }
    this.#advisories++;
    if (affected.length === 0) this.#skipped++;
    for (const each of affected) this.#builder.add(each);
  }

  /** What it came to. @throws SallyportError config-invalid when nothing was an advisory, or the feed is too large */
  finish(): FeedReading {
    const [problems, problemCount] = [this.#problems, this.#problemCount];
    const [advisories, skipped] = [this.#advisories, this.#skipped];
    if (advisories === 0 && problemCount > 0) {
      throw new SallyportError(
        'config-invalid',
        `the malware feed holds no advisory: ${problems.join('; ')}`,
      );
    }
    if (this.#builder.isFull)
      throw new SallyportError('config-invalid', 'the malware feed is larger than 256 MiB once it is read');
    return { feed: this.#builder.build(), advisories, skipped, problems, problemCount };
  }
}
