// Tells a protocol by the first bytes that a client sent, on whatever port they came.

/** `h2` is HTTP/2 with prior knowledge on a plain connection (RFC 9113 §3.3). */
export type Classified = 'tls' | 'http' | 'h2' | 'ssh' | 'unknown' | 'incomplete';

const maxMethodBytes = 24;
const isMethodByte = (code: number) =>
  (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 45 || code === 95;

/** Looks at up to the first 24 bytes; `incomplete` while they could still become more than one protocol. */
export function classify(bytes: Buffer): Classified {
  if (bytes.length === 0) return 'incomplete';
  if (bytes[0] === 22) return bytes.length === 1 ? 'incomplete' : bytes[1] === 3 ? 'tls' : 'unknown';
  const start = bytes.toString('latin1', 0, maxMethodBytes);
  if (start.startsWith('SSH-')) return 'ssh';
  if ('SSH-'.startsWith(start) || 'PRI * HTTP/2.0'.startsWith(start)) return 'incomplete';
  if (start.startsWith('PRI * HTTP/2.0')) return 'h2';
  for (let i = 0; i < start.length; i++) {
    const code = start.charCodeAt(i);
    if (code === 32) return i === 0 ? 'unknown' : 'http';
    if (!isMethodByte(code)) return 'unknown';
  }
  return start.length < maxMethodBytes ? 'incomplete' : 'unknown';
}
