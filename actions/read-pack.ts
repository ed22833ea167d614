// Which commits a pack holds (git-scm.com/docs/pack-format): the names of its objects, of which only commits and tags
// were asked for. Bounded in bytes before and after decompression; gives way to others between objects.

import { createHash } from 'node:crypto';
import { setImmediate as giveWay } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import { applyDelta } from './apply-delta.ts';

const maxObjectBytes = 1_048_576;
const maxDecodedBytes = 33_554_432;
/** What each object costs besides its bytes: a pack of a million empty ones is too long, too. */
const objectBytes = 256;
const objectsPerTurn = 256;
const bytesPerTurn = 1_048_576;
const [commitType, treeType, blobType, tagType, offsetDelta, referenceDelta] = [1, 2, 3, 4, 6, 7];
const kinds: ReadonlyMap<number, string> = new Map([
  [commitType, 'commit'],
  [treeType, 'tree'],
  [blobType, 'blob'],
  [tagType, 'tag'],
]);

interface Packed {
  readonly kind: string;
  readonly content: Buffer;
}

interface Delta {
  readonly base: string;
  readonly content: Buffer;
}

/** Those of the wanted commits that the pack holds; a text says why it cannot be read. Never rejects. */
export async function findCommits(
  pack: Buffer,
  wanted: ReadonlySet<string>,
): Promise<ReadonlySet<string> | string> {
  try {
    return await new PackReader(pack, wanted).read();
  } catch {
    return 'the pack of its repository cannot be read';
  }
}

class PackReader {
  readonly #pack: Buffer;
  readonly #wanted: ReadonlySet<string>;
  readonly #algorithm: 'sha1' | 'sha256';
  readonly #idBytes: number;
  readonly #found = new Set<string>();
  readonly #objects = new Map<string, Packed>();
  /** By the object that they build on, which may come later. */
  readonly #waiting = new Map<string, Delta[]>();
  #decodedBytes = 0;
  #at = 12;

  constructor(pack: Buffer, wanted: ReadonlySet<string>) {
    this.#pack = pack;
    this.#wanted = wanted;
    const isLong = [...wanted].some((id) => id.length === 64);
    this.#algorithm = isLong ? 'sha256' : 'sha1';
    this.#idBytes = isLong ? 32 : 20;
  }

  /** @throws on what is no pack */
  async read(): Promise<ReadonlySet<string> | string> {
    const pack = this.#pack;
    if (pack.length < 32 || pack.toString('latin1', 0, 4) !== 'PACK' || pack.readUInt32BE(4) !== 2)
      return 'its repository sends no pack';
    const count = pack.readUInt32BE(8);
    let turnEnd = bytesPerTurn;
    for (let at = 0; at < count; at++) {
      if (this.#found.size === this.#wanted.size) break;
      if (at % objectsPerTurn === objectsPerTurn - 1 || this.#decodedBytes > turnEnd) {
        await giveWay();
        turnEnd = this.#decodedBytes + bytesPerTurn;
      }
      if (this.#decodedBytes > maxDecodedBytes) return 'the history of its repository is too long to be read';
      this.#readObject();
    }
    return this.#found;
  }

  #readObject(): void {
    let byte = this.#pack[this.#at++]!;
    const type = (byte >> 4) & 7;
    let [size, shift] = [byte & 15, 4];
    while (byte >= 128 && shift < 32) {
      byte = this.#pack[this.#at++]!;
      size += (byte & 127) * 2 ** shift;
      shift += 7;
    }
    if (size > maxObjectBytes || type === offsetDelta) throw new Error('an object of another form');
    const base = type === referenceDelta ? this.#readId() : null;
    const content = this.#inflate(size);
    const kind = kinds.get(type);
    if (base !== null) this.#build({ base, content });
    else if (kind === undefined) throw new Error('an object of no known kind');
    else this.#keep({ kind, content });
  }

  #readId(): string {
    const from = this.#at;
    this.#at += this.#idBytes;
    return this.#pack.toString('hex', from, this.#at);
  }

  #inflate(size: number): Buffer {
    // With `info` the decoder comes along, which says how much it took; the types do not know.
    const { buffer, engine } = inflateSync(this.#pack.subarray(this.#at), {
      info: true,
      maxOutputLength: Math.max(size, 1),
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    if (buffer.length !== size) throw new Error('an object of another size');
    this.#at += engine.bytesWritten;
    this.#decodedBytes += size + objectBytes;
    return buffer;
  }

  #build(delta: Delta): void {
    const base = this.#objects.get(delta.base);
    if (base !== undefined) return this.#keep(this.#apply(base, delta));
    const others = this.#waiting.get(delta.base) ?? [];
    others.push(delta);
    this.#waiting.set(delta.base, others);
  }

  #apply({ kind, content }: Packed, delta: Delta): Packed {
    const built = applyDelta(content, delta.content, maxObjectBytes);
    this.#decodedBytes += built.length;
    return { kind, content: built };
  }

  /** Keeps an object, and builds those that waited for it. */
  #keep(first: Packed): void {
    const ready = [first];
    for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
      if (this.#decodedBytes > maxDecodedBytes) return;
      const id = this.#nameOf(next);
      this.#objects.set(id, next);
      if (next.kind === 'commit' && this.#wanted.has(id)) this.#found.add(id);
      const waiting = this.#waiting.get(id) ?? [];
      this.#waiting.delete(id);
      for (const delta of waiting) ready.push(this.#apply(next, delta));
    }
  }

  #nameOf({ kind, content }: Packed): string {
    return createHash(this.#algorithm).update(`${kind} ${content.length}\0`).update(content).digest('hex');
  }
}
