// Advisories out of a zip archive on disk (APPNOTE.TXT 4.3), as OSV publishes those of an ecosystem: one `.json` an
// advisory. Read entry by entry by the central directory; bounded whatever the archive claims, checked by CRC-32.

import type { FileHandle } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32, inflateRawSync } from 'node:zlib';
import { SallyportError } from '../flow/errors.ts';
import type { FeedGathering } from './gather-feed.ts';

const maxEntries = 2_000_000;
const maxDirectoryBytes = 268_435_456;
const maxEntryBytes = 4_194_304;
/** Of all entries together, unpacked: entries may lie over one another. */
const maxUnpackedBytes = 4_294_967_296;
const windowBytes = 4_194_304;
const largestLocalHeader = 30 + 2 * 65_535;
const turnBytes = 2_097_152;
const zip64 = 0xffff_ffff;

interface Directory {
  readonly bytes: Buffer;
  readonly entries: number;
}

interface Entry {
  readonly name: string;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly offset: number;
}

/** Hands every advisory to `gathering`. @throws SallyportError config-invalid when the archive is cut or no zip */
export async function readFeedArchive(file: FileHandle, gathering: FeedGathering): Promise<void> {
  const { size } = await file.stat();
  const directory = await readDirectory(file, size);
  const window = new Window(file, size);
  let [unpacked, sinceTurn] = [0, 0];
  for (const entry of listEntries(directory)) {
    if (!entry.name.endsWith('.json')) continue;
    const text = await readEntry(window, entry);
    unpacked += entry.size;
    if (unpacked > maxUnpackedBytes) throw broken('it unpacks to more than 4 GiB');
    if (text === null) gathering.problem(`${entry.name.slice(0, 200)}: it cannot be unpacked`);
    else gathering.parse(text.toString('utf8'), entry.name.slice(0, 200));
    sinceTurn += entry.size + 1024;
    if (sinceTurn < turnBytes) continue;
    sinceTurn = 0;
    // Whoever reads this serves health checks as well.
    await nextTurn();
  }
}

const broken = (detail: string): SallyportError =>
  new SallyportError('config-invalid', `the archive of the malware feed is broken: ${detail}`);

async function readDirectory(file: FileHandle, size: number): Promise<Directory> {
  const tailStart = Math.max(0, size - 65_557);
  const tail = await readAt(file, tailStart, size - tailStart);
  const at = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (at < 0 || at + 22 > tail.length) throw broken('it has no end: perhaps it was cut');
  let [entries, length, start] = [
    tail.readUInt16LE(at + 10),
    tail.readUInt32LE(at + 12),
    tail.readUInt32LE(at + 16),
  ];
  if (entries === 0xffff || length === zip64 || start === zip64) {
    const large = await readLargeEnd(file, tail, at, size);
    [entries, length, start] = [large.entries, large.length, large.start];
  }
  if (entries > maxEntries || length > maxDirectoryBytes) throw broken('its list of files is too long');
  if (start + length > size) throw broken('its list of files lies outside');
  return { bytes: await readAt(file, start, length), entries };
}

/** The larger form of the end record, for 65,535 files and more. */
async function readLargeEnd(file: FileHandle, tail: Buffer, at: number, size: number) {
  if (at < 20 || tail.readUInt32LE(at - 20) !== 0x07064b50) throw broken('its end is of no known form');
  const place = Number(tail.readBigUInt64LE(at - 12));
  if (place + 56 > size) throw broken('its end lies outside');
  const record = await readAt(file, place, 56);
  if (record.readUInt32LE(0) !== 0x06064b50) throw broken('its end is of no known form');
  const [entries, length, start] = [32, 40, 48].map((field) => Number(record.readBigUInt64LE(field)));
  return { entries: entries!, length: length!, start: start! };
}

function* listEntries({ bytes, entries }: Directory): Generator<Entry> {
  let at = 0;
  for (let i = 0; i < entries; i++) {
    if (at + 46 > bytes.length || bytes.readUInt32LE(at) !== 0x02014b50)
      throw broken('its list of files is shorter than it says');
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28);
    yield {
      name: bytes.toString('utf8', at + 46, nameEnd),
      flags: bytes.readUInt16LE(at + 8),
      method: bytes.readUInt16LE(at + 10),
      crc: bytes.readUInt32LE(at + 16),
      packed: bytes.readUInt32LE(at + 20),
      size: bytes.readUInt32LE(at + 24),
      offset: bytes.readUInt32LE(at + 42),
    };
    at = nameEnd + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32);
  }
}

/** Null when it is encrypted, too large, of another method, cut or changed. */
async function readEntry(
  window: Window,
  { flags, method, crc, packed, size, offset }: Entry,
): Promise<Buffer | null> {
  if ((flags & 1) !== 0 || size > maxEntryBytes || packed > maxEntryBytes) return null;
  const head = await window.read(offset, 30);
  if (head === null || head.readUInt32LE(0) !== 0x04034b50) return null;
  const skipped = 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  const bytes = await window.read(offset + skipped, packed);
  const text = bytes === null ? null : unpack(bytes, method);
  return text !== null && text.length === size && crc32(text) === crc ? text : null;
}

function unpack(bytes: Buffer, method: number): Buffer | null {
  if (method === 0) return bytes;
  if (method !== 8) return null;
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxEntryBytes });
  } catch {
    return null;
  }
}

/** A part of the file in memory: entries lie one behind the other. */
class Window {
  readonly #file: FileHandle;
  readonly #size: number;
  #start = 0;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(file: FileHandle, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** Null beyond the end of the file; valid until the next call. */
  async read(at: number, length: number): Promise<Buffer | null> {
    if (at + length > this.#size) return null;
    const isInside = at >= this.#start && at + length <= this.#start + this.#bytes.length;
    if (!isInside) {
      const wanted = Math.max(windowBytes, length + largestLocalHeader);
      this.#bytes = await readAt(this.#file, at, Math.min(wanted, this.#size - at));
      this.#start = at;
    }
    return this.#bytes.subarray(at - this.#start, at - this.#start + length);
  }
}

/** @throws SallyportError when there is less */
async function readAt(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(bytes, done, length - done, at + done);
    if (bytesRead === 0) throw broken('it is shorter than it says');
    done += bytesRead;
  }
  return bytes;
}
