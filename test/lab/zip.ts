// Zip archives for tests (APPNOTE.TXT 4.3), also such as no program writes.

import { crc32, deflateRawSync } from 'node:zlib';

export interface ZipOptions {
  /** 8: packed (the default), 0: as they are. */
  readonly method?: 0 | 8;
  /** With the larger form of the end, as for 65,535 files and more. */
  readonly isLarge?: boolean;
  /** How many files its end speaks of. */
  readonly claims?: number;
}

/** Packs files, in their order. */
export function zipOf(
  files: readonly (readonly [name: string, content: string | Buffer])[],
  options: ZipOptions = {},
): Buffer {
  const { method = 8, isLarge = false, claims = files.length } = options;
  const [bodies, list]: [Buffer[], Buffer[]] = [[], []];
  let offset = 0;
  for (const [name, content] of files) {
    const raw = Buffer.from(content as string);
    const packed = method === 8 ? deflateRawSync(raw) : raw;
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(method, 4);
    fields.writeUInt32LE(crc32(raw), 10);
    fields.writeUInt32LE(packed.length, 14);
    fields.writeUInt32LE(raw.length, 18);
    fields.writeUInt16LE(Buffer.byteLength(name), 22);
    const body = [Buffer.from([0x50, 0x4b, 3, 4]), fields, Buffer.from(name), packed];
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    list.push(Buffer.from([0x50, 0x4b, 1, 2, 20, 0]), fields, tail, Buffer.from(name));
    bodies.push(...body);
    offset += body.reduce((sum, { length }) => sum + length, 0);
  }
  const directory = Buffer.concat(list);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(isLarge ? 0xffff : claims, 8);
  end.writeUInt16LE(isLarge ? 0xffff : claims, 10);
  end.writeUInt32LE(isLarge ? 0xffffffff : directory.length, 12);
  end.writeUInt32LE(isLarge ? 0xffffffff : offset, 16);
  return Buffer.concat([
    ...bodies,
    directory,
    ...(isLarge ? largeEnd(claims, directory.length, offset) : []),
    end,
  ]);
}

function largeEnd(entries: number, length: number, start: number): Buffer[] {
  const record = Buffer.alloc(56);
  record.writeUInt32LE(0x06064b50, 0);
  record.writeBigUInt64LE(44n, 4);
  for (const at of [24, 32]) record.writeBigUInt64LE(BigInt(entries), at);
  record.writeBigUInt64LE(BigInt(length), 40);
  record.writeBigUInt64LE(BigInt(start), 48);
  const locator = Buffer.alloc(20);
  locator.writeUInt32LE(0x07064b50, 0);
  locator.writeBigUInt64LE(BigInt(start + length), 8);
  locator.writeUInt32LE(1, 16);
  return [record, locator];
}
