// Builds an object from another one and a delta (git-scm.com/docs/pack-format, "Deltified representation").

/** @throws on a delta that does not fit, or builds more than `maxBytes` */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer {
  const from = readSize(delta, 0);
  const to = readSize(delta, from.end);
  if (from.size !== base.length || to.size > maxBytes) throw new Error('a delta for something else');
  const parts: Buffer[] = [];
  let [at, built] = [to.end, 0];
  while (at < delta.length) {
    const step = readStep(base, delta, at);
    at = step.end;
    built += step.piece.length;
    if (step.piece.length === 0 || built > to.size) throw new Error('a delta that is none');
    parts.push(step.piece);
  }
  if (built !== to.size) throw new Error('a delta that builds something else');
  return Buffer.concat(parts);
}

function readSize(bytes: Buffer, start: number): { size: number; end: number } {
  let [size, at, shift] = [0, start, 0];
  for (;;) {
    const byte = bytes[at++];
    if (byte === undefined || shift > 28) throw new Error('a size that is none');
    size += (byte & 127) * 2 ** shift;
    if (byte < 128) return { size, end: at };
    shift += 7;
  }
}

/** A piece of the base, or of the delta itself. */
function readStep(base: Buffer, delta: Buffer, start: number): { piece: Buffer; end: number } {
  const code = delta[start]!;
  let at = start + 1;
  if (code < 128) return { piece: delta.subarray(at, at + code), end: at + code };
  const read = (bits: readonly number[]): number =>
    bits.reduce((sum, bit, index) => ((code & bit) === 0 ? sum : sum + (delta[at++] ?? 0) * 256 ** index), 0);
  const offset = read([1, 2, 4, 8]);
  const size = read([16, 32, 64]) || 65_536;
  if (offset + size > base.length) throw new Error('a delta that reaches beyond its base');
  return { piece: base.subarray(offset, offset + size), end: at };
}
