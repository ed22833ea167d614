// What the first bytes of a protocol that is not known look like, for records: their kind and number, never their content.

const printable = (byte: number) => (byte >= 32 && byte < 127) || byte === 9;

/** Protocols that are told by how they begin. */
const beginnings: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['an SSH banner', /^SSH-\d/],
  ['HTTP/2 with prior knowledge', /^PRI \* HTTP/],
  ['a PostgreSQL start', /^\0\0[^][^](?:\0\x03\0\0|\x04\xd2\x16[\x2e-\x30])/],
  ['a git request', /^[0-9a-f]{4}(?:$|git-(?:upload|receive)-)/],
  ['a Redis command', /^\*\d{1,5}\r\n\$/],
  ['an AMQP header', /^AMQP[\0-\x03]/],
  ['a SOCKS greeting', /^\x05[\x01-\x08][\0-\x09]|^\x04\x01/],
  ['a TLS record', /^[\x14-\x17]\x03[\0-\x04]/],
];

/** A short description such as `text line, 14 bytes`; `bytes` is what came before the decision. */
export function describeFirstBytes(bytes: Buffer): string {
  if (bytes.length === 0) return 'nothing: the client waits for the server';
  const start = bytes.toString('latin1', 0, 64);
  const known = beginnings.find(([, pattern]) => pattern.test(start))?.[0];
  return `${known ?? (isText(bytes) ? textShape(bytes) : binaryShape(bytes))}, ${bytes.length} bytes`;
}

function isText(bytes: Buffer): boolean {
  return bytes.every((byte) => printable(byte) || byte === 10 || byte === 13);
}

function textShape(bytes: Buffer): string {
  const lines = bytes.toString('latin1').split('\n').length - 1;
  const isEnded = bytes[bytes.length - 1] === 10;
  if (lines === 0) return 'text without a line end';
  return lines === 1 && isEnded ? 'text line' : 'text lines';
}

/** A number at the start that is the length of the rest, or of all of it, in one of the usual forms. */
function binaryShape(bytes: Buffer): string {
  const { length } = bytes;
  const isLength = (value: number, size: number) => value === length || value === length - size;
  if (length > 4 && (isLength(bytes.readUInt32BE(0), 4) || isLength(bytes.readUInt32LE(0), 4)))
    return 'binary, length-prefixed (4 bytes)';
  if (length > 2 && (isLength(bytes.readUInt16BE(0), 2) || isLength(bytes.readUInt16LE(0), 2)))
    return 'binary, length-prefixed (2 bytes)';
  return length > 1 && isLength(bytes[0]!, 1) ? 'binary, length-prefixed (1 byte)' : 'binary';
}
