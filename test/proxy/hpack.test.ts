import { connect as connectHttp2 } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import t from 'tap';
import { HpackDecoder } from '../../proxy/h2/hpack.ts';
import type { HpackBlock, HpackProblem } from '../../proxy/h2/hpack.ts';
import { encodeAnswer, encodeTableSize } from '../../proxy/h2/hpack-encode.ts';
import { HpackMirror } from '../../proxy/h2/hpack-mirror.ts';
import { encodeInteger, huffmanCodes, NaiveDecoder, NaiveEncoder } from './naive-hpack.ts';
import type { Field, Form, Random } from './naive-hpack.ts';

const cases = Number(process.env['FUZZ_CASES'] ?? 2000);
const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const fieldsOf = (block: HpackBlock | HpackProblem): Field[] | HpackProblem =>
  typeof block === 'string'
    ? block
    : block.fields.slice(0, block.count).map(({ name, value }) => [name, value] as const);
const formsOf = (block: HpackBlock): Form[] => Array.from({ length: block.count }, (_, i) => block.kind(i));
const decodeHex = (decoder: HpackDecoder, hex: string) => {
  const bytes = bytesOf(hex);
  return decoder.decode(bytes, 0, bytes.length);
};
/** Size of the table after what was decoded so far; reading it takes one block without fields. */
const tableOf = (decoder: HpackDecoder) => {
  decoder.decode(Buffer.alloc(0), 0, 0);
  return decoder.tableBefore().entries;
};

const host = ':authority: www.example.com';
const get = [':method: GET', ':scheme: http', ':path: /', host];
const custom = 'custom-key: custom-value';
const index = [':method: GET', ':scheme: https', ':path: /index.html', host, custom];
const found = [
  ':status: 302',
  'cache-control: private',
  'date: Mon, 21 Oct 2013 20:13:21 GMT',
  'location: https://www.example.com',
];
const cookie = 'set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1';
const ok = [
  ':status: 200',
  'cache-control: private',
  'date: Mon, 21 Oct 2013 20:13:22 GMT',
  'location: https://www.example.com',
  'content-encoding: gzip',
  cookie,
];
/** RFC 7541 appendix C: blocks in their order, the fields of each, and the size of the table behind it. */
const vectors: readonly [
  title: string,
  max: number,
  ...blocks: (readonly [string, readonly string[], number])[],
][] = [
  [
    'C.2.1',
    4096,
    ['400a637573746f6d2d6b65790d637573746f6d2d686561646572', ['custom-key: custom-header'], 55],
  ],
  ['C.2.2', 4096, ['040c2f73616d706c652f70617468', [':path: /sample/path'], 0]],
  ['C.2.3', 4096, ['100870617373776f726406736563726574', ['password: secret'], 0]],
  ['C.2.4', 4096, ['82', [':method: GET'], 0]],
  [
    'C.3',
    4096,
    ['828684410f7777772e6578616d706c652e636f6d', get, 57],
    ['828684be58086e6f2d6361636865', [...get, 'cache-control: no-cache'], 110],
    ['828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565', index, 164],
  ],
  [
    'C.4',
    4096,
    ['828684418cf1e3c2e5f23a6ba0ab90f4ff', get, 57],
    ['828684be5886a8eb10649cbf', [...get, 'cache-control: no-cache'], 110],
    ['828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf', index, 164],
  ],
  [
    'C.5',
    256,
    [
      '4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d54' +
        '6e1768747470733a2f2f7777772e6578616d706c652e636f6d',
      found,
      222,
    ],
    ['4803333037c1c0bf', [':status: 307', ...found.slice(1)], 222],
    [
      '88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d' +
        '4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31',
      ok,
      215,
    ],
  ],
  [
    'C.6',
    256,
    [
      '488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3',
      found,
      222,
    ],
    ['4883640effc1c0bf', [':status: 307', ...found.slice(1)], 222],
    [
      '88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960' +
        'd5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007',
      ok,
      215,
    ],
  ],
];

t.test(
  'the examples of RFC 7541 appendix C decode to their fields and leave tables of their sizes',
  async (t) => {
    for (const [title, max, ...blocks] of vectors) {
      const decoder = new HpackDecoder(max);
      for (const [hex, expected, size] of blocks) {
        const fields = fieldsOf(decodeHex(decoder, hex));
        t.strictSame(
          typeof fields === 'string' ? fields : fields.map((field) => field.join(': ')),
          expected,
          title,
        );
        t.equal(
          tableOf(decoder).reduce((sum, entry) => sum + entry.size, 0),
          size,
          title,
        );
      }
    }
  },
);

t.test('a block says of each field how it stands there', async (t) => {
  const decoder = new HpackDecoder(4096);
  const block = decodeHex(decoder, '82 4101 61 0f0d 0131 1f08 0162 be 0101 62') as HpackBlock;
  t.strictSame(fieldsOf(block), [
    [':method', 'GET'],
    [':authority', 'a'],
    ['content-length', '1'],
    ['authorization', 'b'],
    [':authority', 'a'],
    [':authority', 'b'],
  ]);
  t.strictSame(formsOf(block), ['indexed', 'incremental', 'without', 'never', 'indexed', 'without']);
  t.equal(block.changesTable, true);
  t.equal((decodeHex(decoder, '82 be 0101 62') as HpackBlock).changesTable, false, 'nothing was added');
  t.equal((decodeHex(decoder, '20 82') as HpackBlock).changesTable, true, 'a table size');
});

const huffmanHex = (symbols: readonly number[], padding: string) => {
  const bits = symbols.map((symbol) => huffmanCodes[symbol]!).join('') + padding;
  const bytes = Buffer.from(bits.match(/.{8}/g)!.map((byte) => Number.parseInt(byte, 2)));
  return Buffer.from([4, ...encodeInteger(0x80, 7, bytes.length), ...bytes]).toString('hex');
};
const longHex = (first: string, size: number, fill: number) =>
  first + Buffer.from([...encodeInteger(0, 7, size), ...Buffer.alloc(size, fill)]).toString('hex');
const hostile: readonly [title: string, hex: string, expected: HpackProblem][] = [
  ['index 0', '80', 'index of no entry'],
  ['an index behind the static table', 'be', 'index of no entry'],
  ['a name of no entry', '7e0161', 'index of no entry'],
  ['an index of two bytes that is cut off', 'ff', 'cut short'],
  ['an integer that never ends', 'ff80808080808080808080', 'integer too large'],
  ['an integer of 2^28', 'ff81ffffff7f', 'integer too large'],
  ['a name that is cut off', '40', 'string not readable'],
  ['a value that is cut off', '0161', 'string not readable'],
  ['a value without its length', '01', 'string not readable'],
  ['a length of 2^31', '04ff ffffff ff07 61', 'string not readable'],
  ['a table size behind a field', '8220', 'table size update out of place'],
  ['a table size over the limit', '3fe21f', 'table size over the limit'],
  ['the end of the string inside of it', huffmanHex([97, 256], '11111'), 'string not readable'],
  ['eight bits of padding', '0482 1fff', 'string not readable'],
  ['padding of zeros', '0481 18', 'string not readable'],
  [
    'a code that is cut off',
    huffmanHex([10], '').slice(0, -4).replace(/^0484/, '0482'),
    'string not readable',
  ],
  ['a code that ends behind its string', '0482 ffff fff3', 'string not readable'],
  ['a value of 65,505 bytes', longHex('01', 65_505, 97), 'header list too large'],
  ['a value of 65,537 bytes', longHex('01', 65_537, 97), 'string not readable'],
  ['a value that is said to end behind the block', '01ffd2ffff03', 'string not readable'],
  ['an entry of 4,000 bytes, 17 times', longHex('41', 4000, 97) + 'be'.repeat(16), 'header list too large'],
  ['2,000 empty fields', '0f0d00'.repeat(2000), 'header list too large'],
];
t.test('blocks that RFC 7541 forbids are problems, and so is every block behind them', async (t) => {
  for (const [title, hex, expected] of hostile) {
    const decoder = new HpackDecoder(4096);
    t.equal(decodeHex(decoder, hex), expected, title);
    t.equal(decodeHex(decoder, '82'), expected, `${title}, then a good one`);
  }
  const decoder = new HpackDecoder(4096);
  t.strictSame(fieldsOf(decodeHex(decoder, longHex('01', 65_493, 97))), [[':authority', 'a'.repeat(65_493)]]);
});

t.test('a table size that was lowered is announced by the next block, by its smallest value', async (t) => {
  const lowered = (...limits: number[]) => {
    const decoder = new HpackDecoder(4096);
    decodeHex(decoder, '4101 61');
    for (const limit of limits) decoder.setLimit(limit);
    return decoder;
  };
  t.equal(decodeHex(lowered(100), '82'), 'table size update missing');
  t.equal(decodeHex(lowered(0, 4096), '3fe11f 82'), 'table size update missing');
  t.equal(decodeHex(lowered(0, 100), '3f45 82'), 'table size update missing');
  t.equal(decodeHex(lowered(0, 4096), '3f0082'), 'table size update missing', '31 is above 0');
  t.equal(decodeHex(lowered(100), '3f46be'), 'table size over the limit', '101');
  t.strictSame(fieldsOf(decodeHex(lowered(100), '3f45be')), [[':authority', 'a']]);
  t.strictSame(fieldsOf(decodeHex(lowered(0, 4096), '20 3fe11f 82')), [[':method', 'GET']]);
  t.equal(decodeHex(lowered(0, 4096), '20 3fe11f be'), 'index of no entry', 'the table was emptied');
  t.strictSame(
    fieldsOf(decodeHex(lowered(65_536), '82')),
    [[':method', 'GET']],
    'a larger one may be taken later',
  );
});

t.test('an entry that is larger than the table empties it', async (t) => {
  const decoder = new HpackDecoder(64);
  decodeHex(decoder, '410161');
  t.equal(tableOf(decoder).length, 1);
  t.strictSame(fieldsOf(decodeHex(decoder, longHex('41', 23, 98))), [[':authority', 'b'.repeat(23)]]);
  t.equal(tableOf(decoder).length, 0);
});

t.test('answers are literals that change no table', async (t) => {
  t.equal(encodeAnswer([[':status', '403']]).toString('hex'), '0803343033');
  const answer = encodeAnswer([
    [':status', '200'],
    ['content-type', 'application/grpc'],
    ['grpc-status', '7'],
  ]);
  t.strictSame(new NaiveDecoder().decode(answer), {
    fields: [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['grpc-status', '7'],
    ],
    forms: ['without', 'without', 'without'],
  });
  t.equal(encodeTableSize(0).toString('hex'), '20');
  t.equal(encodeTableSize(4096).toString('hex'), '3fe11f');
});

/** Blocks in order: what becomes of each, and the bytes that an upstream gets when it goes on. */
const turns: readonly [fate: 'on' | 'withheld' | 'held' | 'held before', hex: string, upstream?: string][] = [
  ['withheld', '400162 0132'],
  // a: 1 moves up, b: 2 was never sent and becomes an entry, the name of a: 3 is found by its index.
  ['on', 'bf be 7f00 0133', 'be 400162 0132 7f00 0133'],
  ['on', '0f2f 0134 1f30 0135', '0f2f 0134 1f30 0135'],
  ['withheld', '20 3fe11f 82'],
  ['on', '83', '20 3fe11f 83'],
  ['on', '83', '83'],
  ['withheld', '400163 0136'],
  ['on', '0f2f 0137 1f2f 811f', '000163 0137 100163 811f'],
  ['withheld', '4404 2f612f62'],
  ['on', 'be', '4404 2f612f62'],
  ['held', '3fe10f be 4188 2f91d35d055c87a7 0f0d 0131'],
  // The name of c: 6 is not there; the table sizes of the block that waits are.
  ['on', '0f31 0138', '3fe10f 000163 0138'],
  ['held before', '', 'be 4188 2f91d35d055c87a7 0f0d 0131'],
  // Emptied in between: the entry of the block that waits is no more.
  ['held', 'be'],
  ['on', '20 3fe11f 82', '20 3fe11f 82'],
  ['held before', '', '410b 6578616d706c652e636f6d'],
];
t.test('later blocks are translated by what the upstream has seen', async (t) => {
  const decoder = new HpackDecoder(4096);
  decodeHex(decoder, '400161 0131');
  let mirror: HpackMirror | null = null;
  let held: HpackBlock | null = null;
  for (const [fate, hex, upstream] of turns) {
    const block: HpackBlock | HpackProblem = fate === 'held before' ? held! : decodeHex(decoder, hex);
    if (typeof block === 'string') throw new Error(`${hex}: ${block}`);
    mirror ??= new HpackMirror(decoder);
    if (fate === 'on' || fate === 'held before') {
      t.equal(mirror.translate(block).toString('hex'), upstream!.replaceAll(' ', ''), hex);
    } else mirror.withhold(block);
    if (fate === 'held') held = block.keep();
  }
  mirror!.setLimit(100);
  t.equal(mirror!.translate(held!).toString('hex').slice(0, 4), '3f45', 'said by a block that came before');
});

t.test('a block that waits finds what itself has evicted for as long as the upstream holds it', async (t) => {
  for (const isOvertaken of [false, true]) {
    // Room for two entries: a: 1 and b: 2.
    const decoder = new HpackDecoder(4096);
    decodeHex(decoder, '3f25 400161 0131 400162 0132');
    const waiting = decodeHex(decoder, 'bf 400163 0133');
    if (typeof waiting === 'string') throw new Error(waiting);
    const mirror = new HpackMirror(decoder);
    const held = waiting.keep();
    const translate = (block: HpackBlock | HpackProblem) =>
      mirror.translate(block as HpackBlock).toString('hex');
    if (!isOvertaken) {
      t.equal(translate(held), 'bf4001630133');
      t.equal(translate(decodeHex(decoder, 'bf be')), 'bfbe');
      continue;
    }
    t.equal(translate(decodeHex(decoder, 'be')), '4001630133', 'c: 3 takes the place of a: 1');
    t.equal(translate(held), '40016101314001630133');
    t.equal(translate(decodeHex(decoder, 'bf be')), '4001620132bf', 'and that the one of b: 2');
  }
});

/** Header blocks that Node's client (nghttp2) sends for these requests, one each. */
async function blocksOfNode(requests: readonly Record<string, string>[]): Promise<Buffer[]> {
  const blocks: Buffer[] = [];
  const server = createServer((socket) => {
    let bytes = Buffer.alloc(0);
    let isOpened = false;
    socket.on('error', () => {});
    socket.write(Buffer.from('000000040000000000', 'hex'));
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      if (!isOpened) bytes = bytes.subarray(24);
      isOpened = true;
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const end = 9 + bytes.readUIntBE(0, 3);
        // Flag 0x20: five bytes of priority stand before the block.
        if (bytes[3] === 1) blocks.push(bytes.subarray((bytes[4]! & 0x20) > 0 ? 14 : 9, end));
        bytes = bytes.subarray(end);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  client.on('error', () => {});
  for (const request of requests) client.request(request as IncomingHttpHeaders).on('error', () => {});
  while (blocks.length < requests.length) await new Promise((resolve) => setTimeout(resolve, 10));
  client.destroy();
  server.close();
  return blocks;
}

t.test('blocks of an encoder that others wrote decode to what was asked of it', async (t) => {
  // Every byte that a value may have, among letters, so that the Huffman code is the shorter form.
  const values = Array.from({ length: 256 }, (_, byte) => byte)
    .filter((byte) => byte >= 0x21 && byte !== 0x7f)
    .map((byte) => `aaaaaaaaaaaaaaaaaaaa${String.fromCharCode(byte)}e${String.fromCharCode(byte)}`);
  const requests = values.slice(0, 90).map((value, at) => ({
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': `host-${at % 7}.test`,
    ':path': `/${at}`,
    'x-value': value,
    'x-other': values[values.length - 1 - at]!,
    ...(at > 35 && { [`x-more-${at % 11}`]: values[at + 55]! }),
  }));
  const decoder = new HpackDecoder(4096);
  for (const [at, block] of (await blocksOfNode(requests)).entries()) {
    const fields = fieldsOf(decoder.decode(block, 0, block.length));
    if (typeof fields === 'string') t.fail(`${at}: ${fields}`);
    else if (JSON.stringify(fields) !== JSON.stringify(Object.entries(requests[at]!)))
      t.strictSame(fields, requests[at]);
  }
  t.equal(new Set(values.join('')).size, 222, 'every byte was there');
});

/** A generator of numbers that a seed repeats (xorshift). */
function randomOf(seed: number): Random {
  let state = (seed | 1) >>> 0;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state = (state ^ (state << 5)) >>> 0;
    return state % below;
  };
}
const names = [
  ':method',
  ':path',
  ':authority',
  'cookie',
  'accept',
  'x-a',
  'x-b',
  'x-some-longer-name',
  'te',
];
const texts = [
  '',
  'GET',
  'POST',
  '/',
  'gzip, deflate',
  'a',
  'b=c; d=e',
  'application/json',
  '\xff\x00\n\x7f',
];

function randomText(random: Random): string {
  if (random(3) > 0) return texts[random(texts.length)]!;
  const bytes = random(60) === 0 ? 3000 : random(24);
  const isText = random(2) === 0;
  let text = '';
  for (let i = 0; i < bytes; i++) text += String.fromCharCode(isText ? 32 + random(90) : random(256));
  return text;
}
const randomFields = (random: Random): Field[] =>
  Array.from({ length: random(7) }, () => [names[random(names.length)]!, randomText(random)] as const);

/** A client that is told table sizes by its server and keeps to them, or takes less. */
class Client {
  readonly encoder = new NaiveEncoder();
  #limit = 4096;
  #smallest = 4096;
  readonly #random: Random;
  constructor(random: Random) {
    this.#random = random;
  }
  acknowledge(limit: number): void {
    this.#limit = limit;
    this.#smallest = Math.min(this.#smallest, limit);
  }
  send(): { fields: Field[]; forms: Form[]; block: Buffer } {
    const sizes: number[] = [];
    const mustSay = this.#smallest < this.encoder.table.max;
    if (mustSay) sizes.push(this.#smallest);
    if (this.#random(mustSay ? 2 : 6) === 0) sizes.push(this.#random(this.#limit + 1));
    this.#smallest = this.#limit;
    const fields = randomFields(this.#random);
    return { fields, ...this.encoder.encode(fields, sizes, this.#random) };
  }
}

/** A server with a table of its own, which insists on table sizes as nghttp2 does. */
class Upstream {
  readonly decoder = new NaiveDecoder();
  #owed = Infinity;
  settle(limit: number): void {
    this.decoder.limit = limit;
    if (limit < this.decoder.table.max) this.#owed = Math.min(this.#owed, limit);
  }
  receive(block: Buffer): { fields: Field[]; forms: Form[] } {
    const result = this.decoder.decode(block);
    if (this.#owed < Infinity && !(Math.min(...this.decoder.sizes) <= this.#owed))
      throw new Error('no table size');
    this.#owed = Infinity;
    return result;
  }
}

interface Sent {
  readonly fields: Field[];
  readonly forms: Form[];
  readonly block: HpackBlock;
}

/** One connection: blocks go on as they are until one is withheld or held, from then on through the mirror. */
class Connection {
  readonly #random: Random;
  readonly #client: Client;
  readonly #decoder = new HpackDecoder(4096);
  readonly #upstream = new Upstream();
  readonly #held: Sent[] = [];
  #mirror: HpackMirror | null = null;
  translated = 0;
  constructor(random: Random) {
    this.#random = random;
    this.#client = new Client(random);
  }

  step(): void {
    if (this.#random(10) === 0) this.#settings([0, 40, 100, 300, 4096, 16_384][this.#random(6)]!);
    if (this.#held.length > 0 && this.#random(3) === 0) {
      this.#release(this.#held.splice(this.#random(this.#held.length), 1)[0]!);
    } else this.#send();
  }

  #settings(limit: number): void {
    this.#client.acknowledge(limit);
    this.#decoder.setLimit(limit);
    this.#mirror?.setLimit(limit);
    this.#upstream.settle(limit);
  }

  #send(): void {
    const { fields, forms, block: bytes } = this.#client.send();
    const block = this.#decoder.decode(bytes, 0, bytes.length);
    if (typeof block === 'string') throw new Error(block);
    same(fieldsOf(block), fields);
    same(formsOf(block), forms);
    const fate = this.#random(8);
    if (fate < 2) {
      if (block.changesTable) this.#mirror ??= new HpackMirror(this.#decoder);
      this.#mirror?.withhold(block);
    } else if (fate === 2) {
      this.#mirror ??= new HpackMirror(this.#decoder);
      this.#mirror.withhold(block);
      this.#held.push({ fields, forms, block: block.keep() });
    } else {
      if (this.#mirror === null) this.#arrive(bytes, fields, forms);
      else this.#release({ fields, forms, block });
      if (this.#upstream.decoder.table.max !== this.#client.encoder.table.max) throw new Error('table sizes');
    }
  }

  #release({ fields, forms, block }: Sent): void {
    this.translated++;
    this.#arrive(this.#mirror!.translate(block), fields, forms);
  }

  #arrive(bytes: Buffer, fields: Field[], forms: Form[]): void {
    const arrived = this.#upstream.receive(bytes);
    same(arrived.fields, fields);
    // An entry that the server never had comes as a literal that becomes one; all else keeps its form.
    same(
      arrived.forms,
      forms.map((form, at) =>
        form === 'indexed' && arrived.forms[at] === 'incremental' ? 'incremental' : form,
      ),
    );
  }
}

function same(actual: unknown, expected: unknown): void {
  const [one, two] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (one !== two) throw new Error(`${one} instead of ${two}`);
}

t.test(
  'blocks decode as they were meant, and arrive so when others are withheld, held and resized',
  async (t) => {
    const steps = 50;
    let translated = 0;
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 0x7fff_ffff }), (seed) => {
        const connection = new Connection(randomOf(seed));
        for (let step = 0; step < steps; step++) connection.step();
        translated += connection.translated;
      }),
      { numRuns: Math.ceil(cases / steps) },
    );
    t.ok(translated > cases / 3, `${translated} blocks went through the mirror`);
    // One that lives long: more is evicted than is kept.
    const old = new Connection(randomOf(7));
    for (let step = 0; step < 3_000; step++) old.step();
  },
);

t.test('random bytes and damaged blocks neither throw nor grow', async (t) => {
  let readable = 0;
  const check = (blocks: readonly Buffer[]) => {
    const decoder = new HpackDecoder(4096);
    for (const bytes of blocks) {
      const block = decoder.decode(bytes, 0, bytes.length);
      if (typeof block === 'string') continue;
      readable++;
      const list = block.fields.slice(0, block.count).reduce((sum, field) => sum + field.size, 0);
      if (list > 65_536) return false;
      const mirrored = new HpackMirror(decoder).translate(block);
      same(new NaiveDecoder().decode(encodeAnswer([])).fields, []);
      if (mirrored.length > 65_536 + 6 * block.count) return false;
    }
    return tableOf(decoder).reduce((sum, entry) => sum + entry.size, 0) <= 4096;
  };
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 4 }), (blocks) =>
      check(blocks.map((bytes) => Buffer.from(bytes))),
    ),
    { numRuns: Math.ceil(cases / 4) },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 0x7fff_ffff }), (seed) => {
      const random = randomOf(seed);
      const client = new Client(random);
      return check(
        Array.from({ length: 4 }, () => {
          const { block } = client.send();
          if (block.length > 0 && random(2) === 0) block[random(block.length)]! ^= 1 << random(8);
          return random(4) === 0 ? block.subarray(0, random(block.length + 1)) : block;
        }),
      );
    }),
    { numRuns: Math.ceil(cases / 4) },
  );
  t.ok(readable > cases / 4, `${readable} could be read`);
});
