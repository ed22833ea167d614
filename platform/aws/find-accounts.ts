// Accounts that a call names besides the one whose key signs it: in resource names (ARNs), in addresses of queues, and
// by themselves. What a body only carries along (messages, values) is not looked at.

/** More than these are told as `null`: nobody says whose they are. */
const maxAccounts = 8;
const resource = /^arn:aws[a-z-]{0,10}:[a-z0-9-]{0,40}:[a-z0-9-]{0,30}:(\d{12}):/;
const queue = /^https?:\/\/[a-z0-9.-]{1,120}\/(\d{12})\//i;
const plain = /^\d{12}$/;
const partial = /^(\d{12}):/;
/** Fields whose values are data of the caller's own. */
const carried: ReadonlySet<string> = new Set([
  'S',
  'SS',
  'N',
  'NS',
  'Value',
  'StringValue',
  'Data',
  'Detail',
  'Message',
  'MessageBody',
  'message',
  'Description',
]);

/** Collects accounts; what is too much makes `isWhole` false. */
export class Accounts {
  readonly all = new Set<string>();
  isWhole = true;

  /** The value of a field, by the field's name; null where it has none. */
  see(field: string | null, value: string): void {
    if (field !== null && carried.has(field)) return;
    const found =
      resource.exec(value)?.[1] ??
      queue.exec(value)?.[1] ??
      partial.exec(value)?.[1] ??
      plain.exec(value)?.[0];
    if (found === undefined || this.all.has(found)) return;
    if (this.all.size >= maxAccounts) this.isWhole = false;
    else this.all.add(found);
  }

  /** Segments of a path. */
  seePath(path: string): void {
    for (const segment of path.split('/')) this.see(null, decode(segment));
  }

  seeForm(values: URLSearchParams): void {
    for (const [name, value] of values) this.see(fieldOf(name), value);
  }

  /**
   * Every text of a JSON document, keys among them: with its escapes, and where a key is there twice, both. Whether it
   * is well-formed is not asked.
   */
  seeJson(text: string): void {
    let key: string | null = null;
    for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
      const end = endOfText(text, at);
      const value = unescape(text.slice(at + 1, end));
      at = end + 1;
      if (isKey(text, at)) {
        key = value;
        this.see(null, value);
      } else this.see(key, value);
    }
  }

  /** Texts inside bytes of CBOR (RFC 8949), which lie there as they are unless they come in pieces. */
  seeCbor(body: Buffer): void {
    const inPieces = 0x7f;
    if (body.includes(inPieces)) this.isWhole = false;
    const text = body.toString('latin1');
    for (const [name] of text.matchAll(/arn:aws[a-z-]{0,10}:[a-z0-9-]{0,40}:[a-z0-9-]{0,30}:\d{12}:/g))
      this.see(null, name);
    for (const [url] of text.matchAll(/https?:\/\/[a-z0-9.-]{1,120}\/\d{12}\//g)) this.see(null, url);
  }
}

/** `CreateVolumePermission.Add.1.UserId` is about a UserId; members of lists have numbers. */
function fieldOf(name: string): string {
  const parts = name.split('.').filter((part) => !/^(?:\d+|member|entry)$/.test(part));
  return parts.at(-1) ?? name;
}

function endOfText(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let back = end;
    while (text[back - 1] === '\\' && back - 1 > start) back--;
    if ((end - back) % 2 === 0) return end;
  }
  return text.length;
}

function unescape(text: string): string {
  if (!text.includes('\\')) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}

function isKey(text: string, from: number): boolean {
  let at = from;
  while (at < text.length && ' \t\r\n'.includes(text[at]!)) at++;
  return text[at] === ':';
}

function decode(segment: string): string {
  if (!segment.includes('%')) return segment;
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
