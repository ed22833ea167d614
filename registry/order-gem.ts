// The order of gem versions (guides.rubygems.org/specification-reference, Gem::Version).

const pattern = /^\s*(\d+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?\s*$/;

/** Negative when `a` comes before `b`; null when one of them is no version. Words make a version one before its release. */
export function compareGem(a: string, b: string): number | null {
  const [left, right] = [parse(a), parse(b)];
  if (left === null || right === null) return null;
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [one, other] = [left[i] ?? 0, right[i] ?? 0];
    if (one === other) continue;
    if (typeof one !== typeof other) return typeof one === 'string' ? -1 : 1;
    return one < other ? -1 : 1;
  }
  return 0;
}

function parse(text: string): (number | string)[] | null {
  const match = pattern.exec(text);
  if (match === null) return null;
  const parts = (match[1] ?? '0').replaceAll('-', '.pre.').match(/\d+|[A-Za-z]+/g) ?? [];
  const segments = parts.map((part) => (/^\d/.test(part) ? Number(part) : part));
  // Zeros at the end of the numbers, and in front of the first word, say nothing.
  const word = segments.findIndex((segment) => typeof segment === 'string');
  const numbers = word < 0 ? segments : segments.slice(0, word);
  const rest = word < 0 ? [] : segments.slice(word);
  const trimmed = trimZeros(numbers);
  return [...trimmed, ...trimZeros(rest)];
}

function trimZeros(segments: readonly (number | string)[]): (number | string)[] {
  const out = [...segments];
  while (out.at(-1) === 0) out.pop();
  return out;
}
