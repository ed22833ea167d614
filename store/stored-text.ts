// Texts as both databases can keep them: PostgreSQL knows no NUL, and no key of an index is longer than a third of a page.

import { createHash } from 'node:crypto';

const longestKeyBytes = 600;

/** A text that stands in an index: a longer one is cut, and told from others by a digest at its end. */
export function keyText(text: string): string {
  if (text.length * 3 <= longestKeyBytes) return wellFormed(text);
  const clean = wellFormed(text);
  if (Buffer.byteLength(clean) <= longestKeyBytes) return clean;
  const digest = createHash('sha256').update(clean).digest('hex').slice(0, 16);
  // A character that was cut in two is left out.
  const start = Buffer.from(clean)
    .subarray(0, longestKeyBytes - 20)
    .toString()
    .replace(/\ufffd$/, '');
  return `${start}…${digest}`;
}

/** Any other text: without NUL, and in whole characters of at most so many units. */
export function shownText(text: string, most = 4_096): string {
  return wellFormed(text.length > most ? text.slice(0, most) : text);
}

// Half a surrogate would come back as another text.
const wellFormed = (text: string): string =>
  text.isWellFormed() && !text.includes('\0') ? text : text.replaceAll('\0', '\ufffd').toWellFormed();

/** Milliseconds or another count that a column of 64 bits holds; null for what is none. */
export function wholeOrNull(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) && Math.abs(value) <= Number.MAX_SAFE_INTEGER
    ? Math.trunc(value)
    : null;
}

/** The same for a column of 32 bits. */
export function smallOrNull(value: number | null | undefined): number | null {
  const whole = wholeOrNull(value);
  return whole === null || Math.abs(whole) > 0x7fff_ffff ? null : whole;
}
