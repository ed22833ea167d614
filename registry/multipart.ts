// multipart/form-data of uploads (RFC 7578), only as far as uploads need it: the parts' names and where their bytes are.

export interface FormPart {
  readonly name: string;
  readonly fileName: string | null;
  readonly body: Buffer;
}

const maxParts = 512;
const maxHeadBytes = 8192;

/**
 * Reads all parts of a form; null when it is not whole and well-formed, or could be read in two ways: a server may take
 * lines that end in a bare line feed, and the first or the last of two names. Linear, and copies no body.
 */
export function readMultipart(contentType: string, body: Buffer): readonly FormPart[] | null {
  if (contentType.length > 1000) return null;
  const boundary =
    /^multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))\s*(?:;|$)/i.exec(
      contentType,
    );
  if (boundary === null) return null;
  const mark = Buffer.from(`--${boundary[1] ?? boundary[2]!}`, 'latin1');
  if (hasBareBoundary(body, mark)) return null;
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

/** True when a boundary stands behind a line feed alone. */
function hasBareBoundary(body: Buffer, mark: Buffer): boolean {
  const lenient = Buffer.concat([Buffer.from('\n'), mark]);
  for (let at = body.indexOf(lenient); at >= 0; at = body.indexOf(lenient, at + lenient.length))
    if (at === 0 || body[at - 1] !== 13) return true;
  return false;
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
  const all = head.split('\r\n');
  const lines = all.filter((line) => /^content-disposition/i.test(line));
  // Folded lines, and ends of lines that only some readers see.
  if (lines.length !== 1 || all.some((line) => /^[ \t]|[\r\n]/.test(line))) return null;
  const form =
    /^content-disposition:[ \t]*form-data((?:[ \t]*;[ \t]*[\w-]+\*?=(?:"[^"\\]{0,500}"|[^\s;"\\]{1,500}))+)[ \t]*;?[ \t]*$/i.exec(
      lines[0]!,
    );
  if (form === null) return null;
  const parameters = [...form[1]!.matchAll(/;[ \t]*([\w-]+\*?)=(?:"([^"]*)"|([^\s;"]+))/g)];
  const values = (wanted: RegExp): string[] =>
    parameters.filter((found) => wanted.test(found[1]!)).map((found) => found[2] ?? found[3]!);
  const [names, files] = [values(/^name$/i), values(/^filename$/i)];
  // `name*` is another spelling of the same (RFC 7578 §4.2 forbids it).
  if (names.length !== 1 || names[0]!.length > 200 || files.length > 1 || values(/^name\*$/i).length > 0)
    return null;
  return { name: names[0]!, fileName: files[0] ?? null };
}
