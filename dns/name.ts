// Domain names on the wire (RFC 1035 3.1, 4.1.4): reading, comparing, and their one canonical text.
// Owns no policy; what a name means is decided elsewhere.

export const maxNameBytes = 255;
const maxPointerHops = 127;
const scratch = Buffer.alloc(256);

/** ASCII-only lower case of one byte; never Unicode folding (U+212A would fold to k). */
export function lowerByte(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte;
}

/** Where the name at `at` ends, a pointer counting as its end; -1 when it is malformed. Constant memory. */
export function skipName(message: Uint8Array, at: number): number {
  const first = at;
  while (at < message.length) {
    const length = message[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= message.length ? at + 2 : -1;
    if (length >= 0x40) return -1;
    at += length + 1;
    if (at - first >= maxNameBytes) return -1;
  }
  return -1;
}

/**
 * The expanded name at `at` as a latin1 string of its wire bytes (case kept), or null when it is malformed:
 * pointers lead strictly backwards and at most 127 times, the name is at most 255 octets.
 */
export function readName(message: Uint8Array, at: number): string | null {
  let size = 0;
  for (let hops = 0; hops <= maxPointerHops;) {
    const length = message[at];
    if (length === undefined) return null;
    if (length >= 0xc0) {
      const low = message[at + 1];
      if (low === undefined) return null;
      const target = ((length & 0x3f) << 8) | low;
      if (target >= at || target < 12) return null;
      at = target;
      hops++;
      continue;
    }
    const end = at + length + 1;
    if (length >= 0x40 || end > message.length || size + length + 1 > maxNameBytes) return null;
    while (at < end) scratch[size++] = message[at++]!;
    if (length === 0) return scratch.toString('latin1', 0, size);
  }
  return null;
}

/** The same wire name with ASCII letters lowered: the form in which names are compared. */
export function foldName(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) | 0x20));
}

/** Bytes of a wire name held as a latin1 string. */
export function nameBytes(name: string): Buffer {
  return Buffer.from(name, 'latin1');
}

/** Labels of a wire name as latin1 strings, without the root. */
export function nameLabels(name: string): string[] {
  const labels: string[] = [];
  for (let at = 0; name.charCodeAt(at) > 0; at += name.charCodeAt(at) + 1) {
    labels.push(name.slice(at + 1, at + 1 + name.charCodeAt(at)));
  }
  return labels;
}

/**
 * Canonical text of a folded wire name (`www.example.com`, `.` for the root), or null when a label holds a byte
 * that text could not show in one way only: a control, a space, a dot, a backslash, or anything beyond ASCII.
 */
export function nameText(name: string): string | null {
  const labels = nameLabels(name);
  for (const label of labels) {
    for (let i = 0; i < label.length; i++) {
      const code = label.charCodeAt(i);
      if (code <= 0x20 || code >= 0x7f || code === 0x2e || code === 0x5c) return null;
    }
  }
  return labels.length === 0 ? '.' : labels.join('.');
}

/** Text for people and records: odd bytes as `\ddd` (RFC 1035 5.1). */
export function displayName(name: string): string {
  const escape = (text: string) => `\\${text.charCodeAt(0).toString().padStart(3, '0')}`;
  // Everything but printable ASCII without dot and backslash.
  const labels = nameLabels(name).map((label) => label.replace(/[^!-\-/-[\]-~]/g, escape));
  return labels.length === 0 ? '.' : labels.join('.');
}

/** Folded wire name of a host text, or null when a label is empty or too long or the text is not ASCII. */
export function nameFromText(text: string): string | null {
  const bare = text.endsWith('.') ? text.slice(0, -1) : text;
  if (bare === '') return '\0';
  let name = '';
  for (const label of bare.split('.')) {
    if (label.length === 0 || label.length > 63 || /[^!-~]/.test(label)) return null;
    name += String.fromCharCode(label.length) + label;
  }
  return name.length + 1 > maxNameBytes ? null : foldName(`${name}\0`);
}

/** True when `name` is `zone` or lies under it; both folded wire names, compared label by label. */
export function isWithin(name: string, zone: string): boolean {
  for (let at = 0; at < name.length; at += name.charCodeAt(at) + 1) {
    if (name.length - at === zone.length) return name.endsWith(zone);
    if (name.length - at < zone.length) return false;
  }
  return false;
}
