// The content of a chunked body that a framer has followed to its end (RFC 9112 §7.1): for what is held to be read.

/** Content of the chunks; the form was checked by the framer, and what is not of it ends the content. */
export function dechunk(body: Buffer): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  while (at < body.length) {
    const lineEnd = body.indexOf('\r\n', at);
    if (lineEnd < 0) break;
    const digits = /^[0-9a-f]{1,12}/i.exec(body.toString('latin1', at, Math.min(lineEnd, at + 12)));
    const size = digits === null ? 0 : Number.parseInt(digits[0], 16);
    if (size === 0) break;
    const start = lineEnd + 2;
    parts.push(body.subarray(start, start + size));
    at = start + size + 2;
  }
  return Buffer.concat(parts);
}
