// The scanner of JSON that passes: what it tells agrees with JSON.parse, however the bytes are cut.

import fc from 'fast-check';
import t from 'tap';
import { JsonScanner, maxJsonDepth } from '../../registry/json-scanner.ts';

interface Told {
  readonly path: string;
  readonly kind: string;
  readonly text: string | null;
  readonly raw: string;
  readonly entry: string;
}

function scan(json: string | Buffer, keepDepth: number, cut: number): { told: Told[]; isWhole: boolean } {
  const bytes = Buffer.from(json as string);
  const told: Told[] = [];
  const scanner = new JsonScanner(keepDepth, (path, kind, text, entry, start, end) => {
    const raw = bytes.toString('utf8', start, end);
    told.push({ path: JSON.stringify(path), kind, text, raw, entry: bytes.toString('utf8', entry, end) });
  });
  for (let at = 0; at < bytes.length; at += cut) scanner.push(bytes.subarray(at, at + cut));
  return { told, isWhole: scanner.end() };
}

t.test('values near the root are told with their place, cut anywhere', async (t) => {
  const json = '{ "a" : "x\\u0041\\"é", "b":[1, {"c":true}, []], "d":{"e":{"deep":1}} }';
  for (let cut = 1; cut <= json.length + 2; cut++) {
    const { told, isWhole } = scan(json, 2, cut);
    t.ok(isWhole, String(cut));
    t.strictSame(
      told.map(({ path, kind, text, entry }) => [path, kind, text, entry]),
      [
        ['["a"]', 'string', 'xA"é', '"a" : "x\\u0041\\"é"'],
        ['["b",0]', 'other', '1', '1'],
        ['["b",1]', 'object', null, '{"c":true}'],
        ['["b",2]', 'array', null, '[]'],
        ['["b"]', 'array', null, '"b":[1, {"c":true}, []]'],
        ['["d","e"]', 'object', null, '"e":{"deep":1}'],
        ['["d"]', 'object', null, '"d":{"e":{"deep":1}}'],
        ['[]', 'object', null, json],
      ],
    );
  }
});

t.test('every document that JSON.parse takes is whole, and each told value is its value there', async (t) => {
  const cases = Math.min(Number(process.env['FUZZ_CASES'] ?? 300), 5000);
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 0, max: 4 }),
      (value, cut, depth) => {
        const { told, isWhole } = scan(JSON.stringify(value), depth, cut);
        if (!isWhole) return false;
        return told.every(({ path, kind, text, raw }) => {
          let found: unknown = value;
          for (const step of JSON.parse(path) as (string | number)[])
            found = (found as Record<string, unknown>)[step];
          const isSame = JSON.stringify(JSON.parse(raw)) === JSON.stringify(found);
          return isSame && (kind !== 'string' || text === found);
        });
      },
    ),
    { numRuns: cases },
  );
  t.pass(`${cases} documents`);
});

t.test('what is no JSON is never whole and never throws', async (t) => {
  const wrong = [
    '',
    '{',
    '{"a"}',
    '{"a":}',
    '[1,]',
    '{,}',
    '[}',
    '{]',
    '"a',
    '1 2',
    'nul',
    '{"a":1}}',
    "{'a':1}",
    '[tru]',
    '{"a":"\\x"}',
  ];
  for (const text of wrong) t.notOk(scan(text, 3, 2).isWhole, JSON.stringify(text));
  t.notOk(scan('['.repeat(maxJsonDepth + 1) + ']'.repeat(maxJsonDepth + 1), 2, 100).isWhole, 'too deep');
  t.ok(scan('['.repeat(maxJsonDepth) + ']'.repeat(maxJsonDepth), 2, 100).isWhole, 'just deep enough');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      scan(Buffer.from(bytes), 2, 7);
      return true;
    }),
  );
});

t.test('a long text is told without its bytes', async (t) => {
  const [first] = scan(JSON.stringify({ a: 'x'.repeat(100_000) }), 1, 1000).told;
  t.equal(first?.text, null);
  t.equal(first?.raw.length, 100_002);
});
