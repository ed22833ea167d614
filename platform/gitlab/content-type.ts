// What a body says that it is (RFC 9110 §8.3): its type in lower case, and only where its text is UTF-8.

import type { AskedRequest } from '../../flow/asked-request.ts';

const otherCharset = /charset\s*=(?!\s*"?(?:utf-?8|us-ascii)"?\s*(?:[;,]|$))/i;

/** The media type without its parameters; empty: not said; null: in another charset than UTF-8. */
export function contentType(request: AskedRequest): string | null {
  const written = request.header('content-type') ?? '';
  if (otherCharset.test(written)) return null;
  return written.toLowerCase().split(';', 1)[0]!.trim();
}
