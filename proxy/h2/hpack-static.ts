// The static table of HPACK (RFC 7541 appendix A), and the field that both tables are made of.

/** A header field of a table or of a block. `size` is by RFC 7541 section 4.1: both lengths and 32. */
export class HpackField {
  readonly name: string;
  readonly value: string;
  readonly size: number;
  /** Index of the static entry of this name, or 0. */
  readonly staticName: number;
  /** Number by which it was inserted into the upstream's table, for HpackMirror; -1: it never was. */
  upstreamNumber: number;
  /** Free for who reads the block: what it found out about this field, which may come again by its index. */
  mark: number;
  constructor(name: string, value: string, staticName: number) {
    this.name = name;
    this.value = value;
    this.size = name.length + value.length + 32;
    this.staticName = staticName;
    this.upstreamNumber = -1;
    this.mark = 0;
  }
}

const rows = [
  [':authority'],
  [':method', 'GET', 'POST'],
  [':path', '/', '/index.html'],
  [':scheme', 'http', 'https'],
  [':status', '200', '204', '206', '304', '400', '404', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
] as const;

/** Index of the first static entry of each name. */
export const staticNames = new Map<string, number>();
/** The static table; [0] is no entry. */
export const staticFields: readonly HpackField[] = makeStaticFields();

function makeStaticFields(): HpackField[] {
  const fields = [new HpackField('', '', 0)];
  for (const [name, ...values] of rows) {
    staticNames.set(name, fields.length);
    for (const value of values.length === 0 ? [''] : values) {
      fields.push(new HpackField(name, value, staticNames.get(name)!));
    }
  }
  return fields;
}
