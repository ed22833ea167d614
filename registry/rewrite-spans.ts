// What every rewriting of a JSON answer shares: the bytes are kept as they came, in the pieces in which they came, and
// given out again without the entries that are taken out. Nothing that stays is parsed and written anew.

/** A larger answer, or one of more entries, is refused: the largest packument known has some 50 MB. */
export const maxRewriteBytes = 134_217_728;
export const maxRewriteEntries = 250_000;

/** Bytes of an answer by their offset, without a copy. Beyond the limit they are no longer kept. */
export class KeptBytes {
  readonly #chunks: Buffer[] = [];
  readonly #starts: number[] = [];
  length = 0;

  get isOverLimit(): boolean {
    return this.length > maxRewriteBytes;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0 || this.isOverLimit) return;
    this.#chunks.push(chunk);
    this.#starts.push(this.length);
    this.length += chunk.length;
  }

  /** Forgets all bytes: the answer is refused. */
  release(): void {
    this.#chunks.length = 0;
  }

  /** Appends the bytes from `start` to `end` to a list of buffers. */
  copyTo(out: Buffer[], start: number, end: number): void {
    let index = this.#find(start);
    for (let at = start; at < end; index++) {
      const chunk = this.#chunks[index]!;
      const from = at - this.#starts[index]!;
      const piece = chunk.subarray(from, Math.min(chunk.length, from + end - at));
      out.push(piece);
      at += piece.length;
    }
  }

  #find(offset: number): number {
    let [low, high] = [0, this.#starts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#starts[middle]! <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/** An entry of an object or array: from its key, or value, to the end of its value. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** A container, from its bracket to its bracket, and the entries of it that stay. */
export interface Shortened extends Span {
  readonly brackets: '{}' | '[]';
  readonly kept: readonly Span[];
}

/** Something that stands in the place of a part of the answer. */
export type Edit = Shortened | (Span & { readonly text: string });

/** Gives out the kept bytes with the edits, which neither overlap nor are nested. */
export function applyEdits(bytes: KeptBytes, edits: readonly Edit[]): Buffer[] {
  const out: Buffer[] = [];
  let at = 0;
  for (const edit of edits.toSorted((a, b) => a.start - b.start)) {
    bytes.copyTo(out, at, edit.start);
    if ('text' in edit) out.push(Buffer.from(edit.text));
    else writeShortened(bytes, out, edit);
    at = edit.end;
  }
  bytes.copyTo(out, at, bytes.length);
  return out;
}

function writeShortened(bytes: KeptBytes, out: Buffer[], { brackets, kept }: Shortened): void {
  out.push(Buffer.from(brackets[0]!));
  kept.forEach((span, index) => {
    if (index > 0) out.push(Buffer.from(','));
    bytes.copyTo(out, span.start, span.end);
  });
  out.push(Buffer.from(brackets[1]!));
}
