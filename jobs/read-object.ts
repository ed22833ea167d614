// Reads single fields of a document of an API: of whatever shape it is, a field that is not of its type is null.

const maxTextBytes = 1024;

/** The value behind a path of keys; undefined where there is none. */
export function valueAt(value: unknown, ...path: readonly string[]): unknown {
  let at: unknown = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    // An object with that key of its own.
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

/** A text of at most 1 KiB that is not empty, or null. */
export function textAt(value: unknown, ...path: readonly string[]): string | null {
  const found = valueAt(value, ...path);
  return typeof found === 'string' && found !== '' && Buffer.byteLength(found) <= maxTextBytes ? found : null;
}

/** A number without fraction above 0 as its digits, or null. */
export function idAt(value: unknown, ...path: readonly string[]): string | null {
  const found = valueAt(value, ...path);
  return typeof found === 'number' && Number.isSafeInteger(found) && found > 0 ? String(found) : null;
}

/** The items of a list, or none. */
export function itemsAt(value: unknown, ...path: readonly string[]): readonly unknown[] {
  const found = valueAt(value, ...path);
  return Array.isArray(found) ? found : [];
}

/** A time of RFC 3339 in milliseconds since 1970, or null. */
export function timeAt(value: unknown, ...path: readonly string[]): number | null {
  const ms = Date.parse(textAt(value, ...path) ?? '');
  return Number.isFinite(ms) ? ms : null;
}
