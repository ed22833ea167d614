// Lines of a stream, each no longer than a bound. A line ends with a line feed and nothing else: JSON may hold any other
// separator inside a text (RFC 8259 §7).

const lineFeed = 10;
const keptOfCut = 1024;

export interface Line {
  /** Of a line that is longer than the bound its first kilobyte. */
  readonly text: string;
  readonly isCut: boolean;
}

/** Every line; memory stays within the bound and one piece of the stream. */
export async function* readLines(
  input: AsyncIterable<Buffer | string>,
  maxBytes: number,
): AsyncGenerator<Line, void, undefined> {
  let [parts, size]: [Buffer[], number] = [[], 0];
  const take = (bytes: Buffer): void => {
    if (size <= maxBytes) parts.push(bytes);
    size += bytes.length;
  };
  const end = (): Line => {
    const isCut = size > maxBytes;
    const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    [parts, size] = [[], 0];
    return { text: (isCut ? bytes.subarray(0, keptOfCut) : bytes).toString('utf8'), isCut };
  };
  for await (const piece of input) {
    let rest = typeof piece === 'string' ? Buffer.from(piece) : piece;
    for (let at = rest.indexOf(lineFeed); at >= 0; at = rest.indexOf(lineFeed)) {
      take(rest.subarray(0, at));
      yield end();
      rest = rest.subarray(at + 1);
    }
    if (rest.length > 0) take(rest);
  }
  if (size > 0) yield end();
}
