// The requests and answers of the differential suite: 300 pairs, drawn in a fixed way from lists of methods, bodies,
// header sets and answers, so that each meets most of the others.

/** One request with its answer, as h1 bytes and as h2 parts. */
export interface Case {
  readonly title: string;
  readonly method: string;
  readonly path: string;
  /** Name and value, as they are written over h1; h2 writes names in small letters. */
  readonly fields: readonly Field[];
  readonly body: Body;
  readonly answer: Answer;
}

export type Field = readonly [name: string, value: string];

/** `length`: told by Content-Length. `chunks`: chunked over h1. `close`: to the end of the connection, answers only. */
export interface Body {
  readonly framing: 'none' | 'length' | 'chunks' | 'close';
  readonly parts: readonly Buffer[];
  readonly trailers: readonly Field[];
}

export interface Answer {
  readonly title: string;
  readonly interim: readonly { readonly status: number; readonly fields: readonly Field[] }[];
  readonly status: number;
  /** The reason phrase of h1, with the space before it. */
  readonly phrase: string;
  readonly fields: readonly Field[];
  readonly body: Body;
}

const methods = [
  'GET',
  'POST',
  'HEAD',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'REPORT',
  'QUERY',
  'MKCOL',
];

const body = (
  framing: Body['framing'],
  parts: readonly (string | Buffer)[] = [],
  trailers: Field[] = [],
): Body => ({
  framing,
  parts: parts.map((part) => Buffer.from(part)),
  trailers,
});
const long = Buffer.alloc(70_000, 'sally port ');
const bodies: readonly [string, Body][] = [
  ['no body', body('none')],
  ['an empty body of length 0', body('length')],
  ['five bytes', body('length', ['hello'])],
  ['70,000 bytes', body('length', [long])],
  ['chunks', body('chunks', ['one ', 'two ', long])],
  ['no chunk', body('chunks')],
  [
    'chunks and trailers',
    body(
      'chunks',
      ['one'],
      [
        ['X-End', 'here'],
        ['x-more', 'a, b'],
      ],
    ),
  ],
];

const repeat = (count: number, make: (at: number) => Field): Field[] =>
  Array.from({ length: count }, (_, at) => make(at));
const fieldSets: readonly [string, readonly Field[]][] = [
  ['few headers', [['Accept', '*/*']]],
  ['60 headers', repeat(60, (at) => [`X-Field-${at}`, `value ${at}`])],
  ['a long header', [['X-Long', 'abc '.repeat(1900).trim()]]],
  [
    'repeated headers',
    [
      ['X-Again', 'one'],
      ['Accept', 'a/b'],
      ['X-Again', 'two'],
      ['x-again', 'three'],
    ],
  ],
  [
    'odd case',
    [
      ['aCCept', 'text/html'],
      ['X-ODD-case', 'Value'],
      ['user-AGENT', 'Sally/1.0'],
    ],
  ],
  ['latin1', [['X-Name', 'J\u00e9r\u00f4me \u00ff']]],
  [
    'cookies',
    [
      ['Cookie', 'a=1; b="two; three"'],
      ['Cookie', 'c=3'],
    ],
  ],
  [
    'an empty value',
    [
      ['X-Empty', ''],
      ['X-After', '1'],
    ],
  ],
  ['codings', [['Accept-Encoding', 'gzip;q=0.5, br, *;q=0']]],
  [
    'a range',
    [
      ['Range', 'bytes=0-4,-5'],
      ['If-Range', '"tag"'],
    ],
  ],
  [
    'conditions',
    [
      ['If-None-Match', 'W/"a", "b"'],
      ['If-Modified-Since', 'Mon, 01 Jan 2024 00:00:00 GMT'],
    ],
  ],
  [
    'credentials',
    [
      ['Authorization', 'Basic YTpi'],
      ['Origin', 'https://other.test'],
      ['Referer', 'https://a.test/?x'],
    ],
  ],
  [
    'names with every letter',
    [
      ["X-!#$%&'*+-.^_`|~9", 'token'],
      ['X-9', '~!@#$%^&*()_+{}|:"<>?'],
    ],
  ],
];

const paths = [
  '/',
  '/a/b?c=d&e=%20f',
  '/caf%C3%A9/v=1?x=%2F;y',
  `/long/${'p/'.repeat(100)}${'w'.repeat(2000)}?${'q=1&'.repeat(300)}`,
  '/*',
  '/a?',
  '/.well-known/~x',
];

const gzip = Buffer.from('1f8b0800000000000003cb48cdc9c95728cf2fca49010085114a0d0b000000', 'hex');
const answer = (
  title: string,
  status: number,
  phrase: string,
  fields: readonly Field[],
  sent: Body,
  interim: Answer['interim'] = [],
): Answer => ({ title, status, phrase, fields, body: sent, interim });
const text: Field = ['Content-Type', 'text/plain'];
const hint = { status: 103, fields: [['Link', '</a.css>; rel=preload']] as Field[] };
const answers: readonly Answer[] = [
  answer('200 with a length', 200, ' OK', [text], body('length', ['hello'])),
  answer('200 in chunks', 200, ' OK', [text], body('chunks', ['one ', 'two ', long])),
  answer(
    '200 with trailers',
    200,
    ' OK',
    [['Trailer', 'X-Sum']],
    body('chunks', ['one'], [['X-Sum', 'abc']]),
  ),
  answer('200 with nothing', 200, ' OK', [], body('length')),
  answer(
    '200 in gzip',
    200,
    ' OK',
    [
      ['Content-Encoding', 'gzip'],
      ['Vary', 'accept-encoding'],
    ],
    body('length', [gzip]),
  ),
  answer(
    '200 said to be br',
    200,
    ' OK',
    [['content-encoding', 'br']],
    body('chunks', [Buffer.from('0b058068656c6c6f03', 'hex')]),
  ),
  answer('204', 204, ' No Content', [['ETag', '"x"']], body('none')),
  answer(
    '304',
    304,
    ' Not Modified',
    [
      ['ETag', 'W/"x"'],
      ['Cache-Control', 'max-age=0'],
    ],
    body('none'),
  ),
  answer('206', 206, ' Partial Content', [['Content-Range', 'bytes 0-4/10']], body('length', ['01234'])),
  answer(
    '301',
    301,
    ' Moved Permanently',
    [['Location', 'https://elsewhere.test/\u00e9?a=b']],
    body('length', ['moved']),
  ),
  answer('302 without a body', 302, ' Found', [['location', '/next']], body('length')),
  answer('404', 404, ' Not Found', [text], body('chunks', ['no'])),
  answer('500', 500, ' It broke (badly)', [['Retry-After', '1']], body('length', ['broken'])),
  answer('503 to the end of the connection', 503, ' Busy', [text], body('close', ['until ', 'the end'])),
  answer('103 before 200', 200, ' OK', [text], body('length', ['hinted']), [hint, hint]),
  answer('102 before 422', 422, ' ', [], body('length', ['late']), [{ status: 102, fields: [] }]),
  answer(
    'no phrase',
    299,
    ' ',
    [
      ['X-Odd', 'J\u00e9r\u00f4me'],
      ['X-EMPTY', ''],
    ],
    body('length', ['odd']),
  ),
  answer(
    'many cookies',
    200,
    ' OK',
    repeat(30, (at) => ['Set-Cookie', `c${at}=${at}; Path=/`]),
    body('length', [long]),
  ),
  answer(
    '599',
    599,
    ' Last',
    [
      ['Server', 'odd/0.1'],
      ['Date', 'Thu, 01 Jan 1970 00:00:00 GMT'],
    ],
    body('chunks'),
  ),
];

/** All cases; the strides have no factor in common with the lists. */
export const cases: readonly Case[] = Array.from({ length: 300 }, (_, at) => {
  const [bodyTitle, sent] = bodies[(at * 3) % bodies.length]!;
  const [fieldTitle, fields] = fieldSets[(at * 5) % fieldSets.length]!;
  const method = methods[(at * 2 + Math.floor(at / 77)) % methods.length]!;
  const given = answers[(at * 7 + Math.floor(at / 19)) % answers.length]!;
  const title = `${at}: ${method} with ${fieldTitle} and ${bodyTitle}, answered ${given.title}`;
  return { title, method, path: paths[at % paths.length]!, fields, body: sent, answer: given };
});
