// The command list at the head of a push: pkt-lines up to the flush (git, "pack-protocol": reference update request).
// Whatever does not follow that form makes the list unknown, never shorter.

const maxCommands = 256;
const maxRefLength = 1_024;
const command = /^[0-9a-f]{40}(?:[0-9a-f]{24})? [0-9a-f]{40}(?:[0-9a-f]{24})? (refs\/[^\0\n ]+|HEAD)$/;
const shallow = /^shallow [0-9a-f]{40}(?:[0-9a-f]{24})?$/;

/** Refs that the push changes, in its order; null when they cannot be told. A bare flush, git's own probe, is none. */
export function readPushCommands(body: Buffer): readonly string[] | null {
  const refs: string[] = [];
  let at = 0;
  for (;;) {
    const length = readLength(body, at);
    if (length === 0) return refs;
    if (length === null || length < 5 || at + length > body.length) return null;
    const line = body.toString('utf8', at + 4, at + length);
    at += length;
    const text = (line.split('\0', 1)[0] ?? '').replace(/\n$/, '');
    if (shallow.test(text)) continue;
    const ref = command.exec(text)?.[1];
    if (ref === undefined || ref.length > maxRefLength || refs.length >= maxCommands) return null;
    refs.push(ref);
  }
}

/** The length that a pkt-line begins with; null where there is none. */
function readLength(body: Buffer, at: number): number | null {
  if (at + 4 > body.length) return null;
  const text = body.toString('latin1', at, at + 4);
  return /^[0-9a-f]{4}$/i.test(text) ? Number.parseInt(text, 16) : null;
}
