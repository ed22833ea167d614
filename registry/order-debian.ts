// The order of Debian versions (deb-version(7)): epoch, upstream version, revision.

/** Negative when `a` comes before `b`. */
export function compareDebian(a: string, b: string): number {
  const [left, right] = [split(a), split(b)];
  return (
    left.epoch - right.epoch ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  );
}

function split(text: string): { epoch: number; upstream: string; revision: string } {
  const colon = text.indexOf(':');
  const rest = text.slice(colon + 1);
  const dash = rest.lastIndexOf('-');
  return {
    epoch: colon < 0 ? 0 : Number(text.slice(0, colon)) || 0,
    upstream: dash < 0 ? rest : rest.slice(0, dash),
    revision: dash < 0 ? '' : rest.slice(dash + 1),
  };
}

function compareParts(a: string, b: string): number {
  const [left, right] = [a.match(/\D*\d*/g) ?? [], b.match(/\D*\d*/g) ?? []];
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const [, oneWord = '', oneNumber = ''] = /^(\D*)(\d*)$/.exec(left[i] ?? '') ?? [];
    const [, otherWord = '', otherNumber = ''] = /^(\D*)(\d*)$/.exec(right[i] ?? '') ?? [];
    const difference = compareWords(oneWord, otherWord) || Number(oneNumber) - Number(otherNumber);
    if (difference !== 0) return difference;
  }
  return 0;
}

// A tilde before the end, the end before letters, letters before anything else.
function compareWords(a: string, b: string): number {
  const weight = (character: string | undefined): number =>
    character === undefined
      ? 0
      : character === '~'
        ? -1
        : /[A-Za-z]/.test(character)
          ? character.charCodeAt(0)
          : character.charCodeAt(0) + 256;
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = weight(a[i]) - weight(b[i]);
    if (difference !== 0) return difference;
  }
  return 0;
}
