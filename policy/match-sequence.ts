// Patterns over sequences of parts (labels of a host, segments of a path or ref): `*` stands for one part or for a
// piece of one, `**` for any number of parts. Matching is linear with one backtrack point: no pattern can blow up.

export type Token =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'glob'; readonly pieces: readonly string[] }
  | { readonly kind: 'one' }
  | { readonly kind: 'any' }
  | { readonly kind: 'many' };

/** `one` is a part that is not empty, `any` may be empty, `many` is zero or more parts; null when `**` is glued. */
export function readToken(part: string): Token | null {
  if (part === '**') return { kind: 'many' };
  if (part.includes('**')) return null;
  if (part === '*') return { kind: 'one' };
  return part.includes('*') ? { kind: 'glob', pieces: part.split('*') } : { kind: 'literal', text: part };
}

/** True when the whole sequence of the first `count` parts fits the tokens. */
export function matchesSequence(tokens: readonly Token[], parts: readonly string[], count: number): boolean {
  let token = 0;
  let part = 0;
  let resumeToken = -1;
  let resumePart = 0;
  while (part < count) {
    const current = tokens[token];
    if (current?.kind === 'many') {
      resumeToken = ++token;
      resumePart = part;
    } else if (current !== undefined && matchesPart(current, parts[part]!)) {
      token++;
      part++;
    } else if (resumeToken >= 0) {
      token = resumeToken;
      part = ++resumePart;
    } else return false;
  }
  while (tokens[token]?.kind === 'many') token++;
  return token === tokens.length;
}

function matchesPart(token: Token, part: string): boolean {
  if (token.kind === 'literal') return token.text === part;
  if (token.kind === 'glob') return matchesGlob(token.pieces, part);
  return token.kind !== 'one' || part !== '';
}

function matchesGlob(pieces: readonly string[], part: string): boolean {
  const first = pieces[0]!;
  const last = pieces.at(-1)!;
  if (part.length < first.length + last.length) return false;
  if (!part.startsWith(first) || !part.endsWith(last)) return false;
  const end = part.length - last.length;
  let at = first.length;
  for (let i = 1; i < pieces.length - 1; i++) {
    const found = part.indexOf(pieces[i]!, at);
    if (found < 0 || found + pieces[i]!.length > end) return false;
    at = found + pieces[i]!.length;
  }
  return true;
}
