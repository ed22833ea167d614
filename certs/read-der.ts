// Strict reading of DER (X.690 clause 10): one element at a time, definite minimal lengths, one-byte tags.
// Never throws and never reads outside its bounds; what DER forbids is null.

export interface DerElement {
  readonly tag: number;
  /** Where the element, its contents and the next element begin, as offsets into the bytes read. */
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

/** The element at `offset`, which must end at or before `limit`; null when it is not DER. */
export function readElement(bytes: Uint8Array, offset: number, limit: number): DerElement | null {
  if (offset + 2 > limit) return null;
  const tag = bytes[offset]!;
  if ((tag & 0x1f) === 0x1f) return null;
  let length = bytes[offset + 1]!;
  let content = offset + 2;
  if (length > 127) {
    const count = length & 127;
    if (count === 0 || count > 3 || content + count > limit || bytes[content] === 0) return null;
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + bytes[content + i]!;
    if (length < 128) return null;
    content += count;
  }
  const end = content + length;
  return end > limit ? null : { tag, start: offset, content, end };
}

/** All elements between two offsets, at most `max` of them; null when one is malformed or bytes are left. */
export function readElements(bytes: Uint8Array, from: number, to: number, max = 32): DerElement[] | null {
  const elements: DerElement[] = [];
  let offset = from;
  while (offset < to) {
    const element = elements.length < max ? readElement(bytes, offset, to) : null;
    if (element === null) return null;
    elements.push(element);
    offset = element.end;
  }
  return elements;
}

/** The parts of a constructed element with this tag; null when it is another one or malformed. */
export function readParts(
  bytes: Uint8Array,
  element: DerElement | null | undefined,
  tag: number,
): DerElement[] | null {
  return element?.tag === tag ? readElements(bytes, element.content, element.end) : null;
}

/** Milliseconds of a UTCTime or GeneralizedTime in the only forms that RFC 5280 4.1.2.5 allows; null otherwise. */
export function readTime(bytes: Uint8Array, element: DerElement | null | undefined): number | null {
  if (!element) return null;
  const text = Buffer.from(bytes.subarray(element.content, element.end)).toString('latin1');
  const isUtc = element.tag === 23 && /^\d{12}Z$/.test(text);
  if (!isUtc && !(element.tag === 24 && /^\d{14}Z$/.test(text))) return null;
  const digits = isUtc ? (text < '50' ? '20' : '19') + text : text;
  const year = digits.slice(0, 4);
  // Each time has one form only: a GeneralizedTime before 2050 is not DER for a certificate.
  if (!isUtc && year < '2050') return null;
  const iso = `${year}-${digits.slice(4, 6)}-${digits.slice(6, 8)}T${digits.slice(8, 10)}:${digits.slice(10, 12)}:${digits.slice(12, 14)}.000Z`;
  const timeMs = Date.parse(iso);
  // Date.parse takes 30 February for 1 March; the round trip does not.
  return Number.isNaN(timeMs) || new Date(timeMs).toISOString() !== iso ? null : timeMs;
}
