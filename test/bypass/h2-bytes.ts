// The first bytes of HTTP/2 by prior knowledge (RFC 9113 section 3.4): preface, SETTINGS and one request whose fields
// are plain literals, so that a capture finds its path.

const u24 = (value: number): Buffer => Buffer.of(value >> 16, (value >> 8) & 255, value & 255);

/** A frame (section 4.1). */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  return Buffer.concat([u24(payload.length), Buffer.of(type, flags, 0), u24(stream), payload]);
}

export const preface = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  frame(4, 0, 0, Buffer.alloc(0)),
]);

/** A GET on stream 1 (RFC 7541 section 6.2.2: literals without indexing, names of the static table). */
export function headersFrame(path: string, authority: string): Buffer {
  const literal = (index: number, value: string) =>
    Buffer.concat([Buffer.of(index, value.length), Buffer.from(value)]);
  const block = Buffer.concat([Buffer.of(0x82, 0x86), literal(4, path), literal(1, authority)]);
  return frame(1, 5, 1, block);
}

/** A header block of literals without indexing (RFC 7541 section 6.2.2). */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value, 'latin1');
    // Lengths of 127 and more take a second byte; these texts are shorter than 255.
    const size = bytes.length < 127 ? Buffer.of(bytes.length) : Buffer.of(127, bytes.length - 127);
    return Buffer.concat([size, bytes]);
  };
  return Buffer.concat(fields.map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])));
}
