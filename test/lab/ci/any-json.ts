// JSON as a service may write it whose source nobody has: keys in any order and in either case, fields that nobody
// knows, letters escaped or not, spaces or none.

import type { Seeded } from './seeded.ts';

export type Json =
  null | boolean | number | bigint | string | Names | readonly Json[] | { readonly [key: string]: Json };

/** An object whose keys are names that users gave: they stay as they are. */
export class Names {
  readonly entries: Readonly<Record<string, Json>>;

  constructor(entries: Readonly<Record<string, Json>>) {
    this.entries = entries;
  }
}

/** How one text is written. */
export interface Form {
  readonly isPascal: boolean;
  readonly isSpaced: boolean;
  readonly hasEscapes: boolean;
  readonly hasExtras: boolean;
}

export function drawForm(random: Seeded): Form {
  return {
    isPascal: random.chance(0.25),
    isSpaced: random.chance(0.25),
    hasEscapes: random.chance(0.25),
    hasExtras: random.chance(0.75),
  };
}

/** camelCase, in the order given, nothing more. */
export const plainForm: Form = { isPascal: false, isSpaced: false, hasEscapes: false, hasExtras: false };

export function writeJson(value: Json, random: Seeded, form: Form = drawForm(random)): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return writeText(value, random, form);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const gap = (): string =>
    form.isSpaced && random.chance(0.3) ? random.pick([' ', '\n', '\r\n\t', '  ']) : '';
  if (Array.isArray(value)) {
    const items = (value as readonly Json[]).map(
      (item) => `${gap()}${writeJson(item, random, form)}${gap()}`,
    );
    return `[${items.join(',')}]`;
  }
  const isNames = value instanceof Names;
  // What is neither a list nor has names is an object with fields.
  const fields = Object.entries(isNames ? value.entries : (value as Readonly<Record<string, Json>>));
  const known = isNames || !form.hasExtras || random.chance(0.7) ? fields : [...fields, extra(random)];
  const written = (form === plainForm ? known : random.shuffled(known)).map(([key, item]) => {
    const name = !isNames && form.isPascal ? key.charAt(0).toUpperCase() + key.slice(1) : key;
    return `${gap()}${JSON.stringify(name)}${gap()}:${gap()}${writeJson(item, random, form)}`;
  });
  return `{${written.join(',')}${gap()}}`;
}

/** A field of a later version; it repeats, further in, names that are known elsewhere. */
function extra(random: Seeded): [string, Json] {
  const decoys: readonly Json[] = [
    null,
    random.below(1e9),
    random.word(12),
    `{"jobId":"${random.guid()}","k":"repository","v":"evil/decoy"}`,
    [],
    {},
    {
      jobId: random.guid(),
      planId: 'decoy',
      contextData: { github: { t: 2, d: [{ k: 'repository', v: 'evil/decoy' }] } },
    },
    [
      { k: 'repository', v: 'evil/decoy' },
      { k: 'ref', v: 'refs/heads/decoy' },
    ],
    { variables: { 'system.github.job': { value: 'decoy' } }, steps: [{ id: random.guid() }] },
    [[[[[[{ steps: [] }]]]]]],
  ];
  return [`x${random.word(6)}`, random.pick(decoys)];
}

function writeText(text: string, random: Seeded, form: Form): string {
  const plain = JSON.stringify(text);
  if (!form.hasEscapes || !random.chance(0.3)) return plain;
  const at = 1 + random.below(Math.max(1, plain.length - 2));
  const letter = plain[at] ?? '';
  if (!/[A-Za-z0-9/_-]/.test(letter) || /\\[^"]{0,4}$/.test(plain.slice(0, at))) return plain;
  return `${plain.slice(0, at)}\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}${plain.slice(at + 1)}`;
}
