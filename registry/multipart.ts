// multipart/form-data of uploads (RFC 7578), only as far as uploads need it: the parts' names and where their bytes are.

export interface FormPart {
  readonly name: string;
  readonly fileName: string | null;
  readonly body: Buffer;
}

const maxParts = 512;
const maxHeadBytes = 8192;

/** Reads all parts of a form; null when it is not whole and well-formed. Linear, and copies no body. */
export function readMultipart(contentType: string, body: Buffer): readonly FormPart[] | null {
  if (contentType.length > 1000) return null;
  const boundary =
    /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(
      contentType,
    );
  if (boundary === null) return null;
  const mark = Buffer.from(`--${boundary[1] ?? boundary[2]!}`, 'latin1');
  const parts: FormPart[] = [];
  let at = body.indexOf(mark);
  if (at !== 0 && (at < 2 || body[at - 1] !== 10)) return null;
  while (parts.length <= maxParts) {
    at += mark.length;
    if (body[at] === 45 && body[at + 1] === 45) return parts;
    const part = readPart(body, at, mark);
    if (part === null) return null;
    parts.push(part.part);
    at = part.next;
  }
  return null;
}

function readPart(body: Buffer, from: number, mark: Buffer): { part: FormPart; next: number } | null {
  const lineEnd = body.indexOf('\r\n', from, 'latin1');
  // Spaces behind a boundary are padding; anything else is no boundary.
  if (lineEnd < 0 || lineEnd - from > 64 || body.toString('latin1', from, lineEnd).trim() !== '') return null;
  const head = lineEnd + 2;
  const headEnd = body.indexOf('\r\n\r\n', lineEnd, 'latin1');
  if (headEnd < 0 || headEnd - head > maxHeadBytes) return null;
  const next = body.indexOf(Buffer.concat([Buffer.from('\r\n'), mark]), headEnd + 2);
  if (next < 0) return null;
  const named = readDisposition(body.toString('latin1', head, Math.max(head, headEnd)));
  if (named === null) return null;
  return {
    part: { ...named, body: body.subarray(headEnd + 4, Math.max(next, headEnd + 4)) },
    next: next + 2,
  };
}

function readDisposition(head: string): { name: string; fileName: string | null } | null {
  const lines = head.split('\r\n').filter((line) => /^content-disposition\s*:/i.test(line));
  if (lines.length !== 1) return null;
  const name = /;\s*name=(?:"([^"\\]{0,200})"|([^\s;"]{1,200}))/i.exec(lines[0]!);
  if (name === null) return null;
  const file = /;\s*filename=(?:"([^"\\]{0,500})"|([^\s;"]{1,500}))/i.exec(lines[0]!);
  return { name: name[1] ?? name[2]!, fileName: file === null ? null : (file[1] ?? file[2]!) };
}
