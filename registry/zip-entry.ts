// One small file out of a zip archive that is held in memory (APPNOTE.TXT 4.3): by the central directory, bounded.

import { inflateRawSync } from 'node:zlib';

const maxEntries = 65_535;
const maxEntryBytes = 1_048_576;

/** Reads the only entry whose name matches; null when there is none or more than one, or the archive is no whole zip. */
export function readZipEntry(archive: Buffer, isMeant: (name: string) => boolean): Buffer | null {
  const directory = findDirectory(archive);
  if (directory === null) return null;
  let [at, found] = [
    directory.start,
    null as { offset: number; method: number; packed: number; size: number } | null,
  ];
  for (let i = 0; i < directory.entries; i++) {
    if (at + 46 > archive.length || archive.readUInt32LE(at) !== 0x02014b50) return null;
    const nameEnd = at + 46 + archive.readUInt16LE(at + 28);
    if (isMeant(archive.toString('utf8', at + 46, nameEnd))) {
      if (found !== null) return null;
      found = {
        method: archive.readUInt16LE(at + 10),
        packed: archive.readUInt32LE(at + 20),
        size: archive.readUInt32LE(at + 24),
        offset: archive.readUInt32LE(at + 42),
      };
    }
    at = nameEnd + archive.readUInt16LE(at + 30) + archive.readUInt16LE(at + 32);
  }
  return found === null ? null : unpack(archive, found);
}

function findDirectory(archive: Buffer): { start: number; entries: number } | null {
  const from = Math.max(0, archive.length - 65_557);
  const at = archive.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (at < from || at + 22 > archive.length) return null;
  const entries = archive.readUInt16LE(at + 10);
  const start = archive.readUInt32LE(at + 16);
  // 0xffff and 0xffffffff stand for the larger form, which no package of this size needs.
  return entries >= maxEntries || start > archive.length ? null : { start, entries };
}

function unpack(
  archive: Buffer,
  { offset, method, packed, size }: { offset: number; method: number; packed: number; size: number },
): Buffer | null {
  if (size > maxEntryBytes || offset + 30 > archive.length || archive.readUInt32LE(offset) !== 0x04034b50)
    return null;
  const start = offset + 30 + archive.readUInt16LE(offset + 26) + archive.readUInt16LE(offset + 28);
  if (start + packed > archive.length) return null;
  const bytes = archive.subarray(start, start + packed);
  if (method === 0) return bytes;
  if (method !== 8) return null;
  try {
    return inflateRawSync(bytes, { maxOutputLength: maxEntryBytes });
  } catch {
    return null;
  }
}
