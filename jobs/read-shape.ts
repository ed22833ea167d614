// Readers of plain data that somebody else wrote: each takes what it knows, copies it, and refuses everything else.
// Unknown keys are left out, so that a newer program's file can be read as far as an older one understands it.

/** Reads a value. @throws ReadProblem when it is something else */
export type Read<T> = (value: unknown) => T;

/** The value is not of the form. */
export class ReadProblem extends Error {}

interface Optional<T> {
  readonly read: Read<T>;
}

/** A text of at most so many UTF-16 units. */
export function text(max: number): Read<string> {
  return (value) => {
    if (typeof value !== 'string' || value.length > max) throw new ReadProblem();
    return value;
  };
}

/** A safe integer within these bounds. */
export function integer(least: number, most: number): Read<number> {
  return (value) => {
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw new ReadProblem();
    if (value < least || value > most) throw new ReadProblem();
    return value;
  };
}

export function flag(value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ReadProblem();
  return value;
}

/** One of these very values. */
export function oneOf<const T extends readonly (string | number)[]>(...known: T): Read<T[number]> {
  return (value) => {
    const found = known.find((one) => one === value);
    if (found === undefined) throw new ReadProblem();
    return found;
  };
}

export function nullable<T>(read: Read<T>): Read<T | null> {
  return (value) => (value === null ? null : read(value));
}

/** The first of these that takes it. */
export function union<A, B, C>(a: Read<A>, b: Read<B>, c: Read<C>): Read<A | B | C> {
  return (value) => {
    for (const read of [a, b] as const) {
      try {
        return read(value);
      } catch (error) {
        if (!(error instanceof ReadProblem)) throw error;
      }
    }
    return c(value);
  };
}

/** At most so many items. */
export function list<T>(max: number, read: Read<T>): Read<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value) || value.length > max) throw new ReadProblem();
    return value.map((item: unknown) => read(item));
  };
}

/** At most so many keys, of any name that `key` takes. */
export function record<T>(max: number, key: Read<string>, read: Read<T>): Read<Readonly<Record<string, T>>> {
  return (value) => {
    const entries = Object.entries(plain(value));
    if (entries.length > max) throw new ReadProblem();
    return Object.fromEntries(entries.map(([name, item]) => [key(name), read(item)]));
  };
}

/** A key that may be missing. */
export function optional<T>(read: Read<T>): Optional<T> {
  return { read };
}

type Shape = Readonly<Record<string, Read<unknown>>>;
type Optionals = Readonly<Record<string, Optional<unknown>>>;
type Of<S extends Shape, O extends Optionals> = { readonly [K in keyof S]: ReturnType<S[K]> } & {
  readonly [K in keyof O]?: ReturnType<O[K]['read']>;
};

/** An object with these keys; others are left out. */
export function shape<const S extends Shape, const O extends Optionals = {}>(
  required: S,
  optionals?: O,
): Read<Of<S, O>> {
  const [all, some] = [Object.entries(required), Object.entries(optionals ?? {})];
  return (value) => {
    const found = plain(value);
    const read = all.map(([key, item]) => [key, item(found[key])]);
    for (const [key, item] of some) if (key in found) read.push([key, item.read(found[key])]);
    // Built from the very readers that the type names.
    return Object.fromEntries(read) as Of<S, O>;
  };
}

/** An object that is no list. */
function plain(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new ReadProblem();
  // Any object has keys; its values are not known.
  return value as Readonly<Record<string, unknown>>;
}
