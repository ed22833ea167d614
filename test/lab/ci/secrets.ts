// Secrets of a lab: every one contains a word that nothing else does, so that one search finds whichever got out.

import { Seeded } from './seeded.ts';

export class Secrets {
  /** In every secret of this lab. */
  readonly word: string;
  readonly #random: Seeded;

  constructor(seed: number) {
    this.#random = new Seeded(seed ^ 0x5ec2e7);
    this.word = `Kq9${this.#random.word(13)}`;
  }

  /** A token of an installation, as GitHub makes them. */
  jobToken(): string {
    return `ghs_${this.word}${this.#random.word(20)}`;
  }

  /** A JSON Web Token with these claims. */
  runtimeToken(claims: Readonly<Record<string, unknown>>): string {
    const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    return `${part({ typ: 'JWT', alg: 'RS256' })}.${part(claims)}.${this.word}${this.#random.word(60)}`;
  }

  gitlabToken(): string {
    return `glcbt-64_${this.word}${this.#random.word(8)}`;
  }

  /** Of no known form. */
  any(): string {
    return `${this.#random.word(4)}${this.word}${this.#random.word(6)}`;
  }

  /** The word in the forms in which it may lie on a disk. */
  forms(): Buffer[] {
    const bytes = Buffer.from(this.word);
    // Three ways in which base64 may cut it; the outermost letters depend on what stands beside.
    const base64 = [0, 1, 2].map((pad) => {
      const text = Buffer.concat([Buffer.alloc(pad), bytes])
        .toString('base64')
        .replace(/=+$/, '');
      return text.slice(pad === 0 ? 0 : 4, -2);
    });
    return [
      bytes,
      Buffer.from(bytes.toString('hex')),
      Buffer.from(this.word, 'utf16le'),
      ...base64.map((text) => Buffer.from(text)),
    ];
  }
}
