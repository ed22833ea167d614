// A ClientHello by hand (RFC 8446 section 4.1.2) with an encrypted_client_hello extension (RFC 9849), which no client
// on the machine sends.

const u8 = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(bytes.length), bytes]);
const u16 = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
const u24 = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.of(0), u16(bytes)]);
const extension = (type: number, body: Uint8Array): Buffer =>
  Buffer.concat([Buffer.of(type >> 8, type & 255), u16(body)]);

/** A whole record; `mark` (at most 32 bytes) is the session id, so that a capture finds it. */
export function echHello(
  publicName: string,
  mark: string,
  keyShare: Uint8Array = Buffer.alloc(32, 9),
): Buffer {
  const name = Buffer.concat([Buffer.of(0), u16(Buffer.from(publicName))]);
  // Outer, HKDF-SHA256 with AES-128-GCM, a key of X25519's size, and a payload that nobody here can open.
  const ech = Buffer.concat([
    Buffer.of(0, 0, 1, 0, 1, 7),
    u16(Buffer.alloc(32, 9)),
    u16(Buffer.alloc(160, 0xa5)),
  ]);
  const extensions = Buffer.concat([
    extension(0, u16(name)),
    extension(10, u16(Buffer.of(0, 29))),
    extension(13, u16(Buffer.of(4, 3, 8, 4, 4, 1))),
    extension(43, u8(Buffer.of(3, 4))),
    extension(51, u16(Buffer.concat([Buffer.of(0, 29), u16(keyShare)]))),
    extension(0xfe0d, ech),
  ]);
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 0x5a),
    u8(Buffer.from(mark.slice(0, 32))),
    u16(Buffer.of(0x13, 1, 0x13, 2)),
    Buffer.of(1, 0),
    u16(extensions),
  ]);
  return Buffer.concat([Buffer.of(22, 3, 1), u16(Buffer.concat([Buffer.of(1), u24(body)]))]);
}
