// The order of Maven versions (maven.apache.org/pom.html, "Version Order Specification").

/** A word or number, and whether a hyphen (or a change between digits and letters) stands before it. */
interface Token {
  readonly value: number | string;
  readonly isHyphened: boolean;
}

const qualifiers = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp'];
const aliases: Readonly<Record<string, string>> = { cr: 'rc', ga: '', final: '', release: '' };
const shortened: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' };

function tokenise(text: string): Token[] {
  const tokens: Token[] = [];
  for (const match of text.toLowerCase().matchAll(/([.\-_]?)(\d+|[^\d.\-_]+|(?=[.\-_]|$))/g)) {
    const [whole, separator = '', word = ''] = match;
    if (whole === '' && tokens.length > 0) continue;
    const before = text[match.index - 1] ?? '';
    const isTransition = separator === '' && match.index > 0 && /[^.\-_]/.test(before);
    const isHyphened = separator === '-' || isTransition;
    tokens.push({ value: readWord(word, text[match.index + whole.length] ?? ''), isHyphened });
  }
  return trim(tokens);
}

function readWord(word: string, next: string): number | string {
  if (/^\d/.test(word)) return Number(word);
  // `1.0a1` is alpha 1; `1.0-a` is the word itself.
  const long = /\d/.test(next) ? (shortened[word] ?? word) : word;
  return aliases[long] ?? (long === '' ? 0 : long);
}

/** Nothing-saying parts go: at the end, and in front of every hyphen. */
function trim(tokens: readonly Token[]): Token[] {
  const out: Token[] = [];
  const trimEmpty = (): void => {
    while (out.length > 1 && isEmpty(out.at(-1)!)) out.pop();
  };
  for (const token of tokens) {
    if (token.isHyphened) trimEmpty();
    out.push(token);
  }
  trimEmpty();
  return out;
}

function isEmpty({ value }: Token): boolean {
  return value === 0 || value === '';
}

/** Negative when `a` comes before `b`. Everything is a version to Maven. */
export function compareMaven(a: string, b: string): number {
  const [left, right] = [tokenise(a), tokenise(b)];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = compareTokens(left[i] ?? padFor(right[i]!), right[i] ?? padFor(left[i]!));
    if (difference !== 0) return difference;
  }
  return 0;
}

function padFor(token: Token): Token {
  return { value: typeof token.value === 'number' ? 0 : '', isHyphened: token.isHyphened };
}

// `.word` before `-word` before `-number` before `.number`.
function compareTokens(a: Token, b: Token): number {
  const rank = ({ value, isHyphened }: Token): number =>
    typeof value === 'number' ? (isHyphened ? 2 : 3) : isHyphened ? 1 : 0;
  if (typeof a.value === 'number' && typeof b.value === 'number') {
    return a.isHyphened === b.isHyphened ? a.value - b.value : rank(a) - rank(b);
  }
  if (typeof a.value === 'number' || typeof b.value === 'number') return rank(a) - rank(b);
  return compareQualifiers(a.value, b.value);
}

function compareQualifiers(a: string, b: string): number {
  const [left, right] = [qualifiers.indexOf(a), qualifiers.indexOf(b)];
  if (left >= 0 || right >= 0)
    return (left < 0 ? qualifiers.length : left) - (right < 0 ? qualifiers.length : right);
  return a < b ? -1 : a > b ? 1 : 0;
}
