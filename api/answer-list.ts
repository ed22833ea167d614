// The one way in which the API lists things: pages with a cursor, as JSON, JSON lines or CSV.

import type { Page } from '../store/page-cursor.ts';
import { gathered } from './answer-room.ts';
import { readListCursor, writeListCursor, type Question } from './list-cursor.ts';
import { ProblemError } from './problem.ts';
import { objectOf, orNull, type ApiRoute, type Call, type Fields } from './routes/api-route.ts';
import { text, word } from './routes/fields.ts';
import type { Route } from './routes/route.ts';
import { escapeUnit } from './send-answer.ts';
import { writeCsv } from './write-csv.ts';

export interface ListPage {
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor: string | null;
  /** One of the route's. */
  readonly sort: string;
}

export interface ListRoute {
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly owners?: Route['owners'];
  readonly role?: Route['role'];
  readonly rate?: Route['rate'];
  readonly params?: Fields;
  /** What the list may be narrowed by. */
  readonly filters: Fields;
  /** The first is taken where none is asked for. */
  readonly sorts: readonly [string, ...string[]];
  readonly item: Fields;
  find(call: Call, page: ListPage): Promise<Page<object>>;
}

const longestPage = 1_000;
const longestExport = 10_000;
const exportMs = 20_000;

const formats = { json: 'application/json', jsonl: 'application/jsonl', csv: 'text/csv' } as const;
type Format = keyof typeof formats;
const accepted: readonly (readonly [type: string, Format])[] = [
  ['application/json', 'json'],
  ['application/*', 'json'],
  ['*/*', 'json'],
  ['application/jsonl', 'jsonl'],
  ['application/x-ndjson', 'jsonl'],
  ['application/x-jsonlines', 'jsonl'],
  ['text/csv', 'csv'],
  ['text/*', 'csv'],
];

/** A route that lists. */
export function listRoute(list: ListRoute): ApiRoute {
  const { path, id, summary, tag, owners = 'filtered', role = 'viewer', rate = 'read' } = list;
  return {
    rule: { method: 'GET', path, role, owners, audited: false, rate },
    id,
    summary,
    tag,
    ...(list.params === undefined ? {} : { params: list.params }),
    query: {
      ...list.filters,
      limit: {
        type: 'integer',
        minimum: 1,
        maximum: longestExport,
        description:
          'Things of a page: 100 unless told, 1,000 at most; as CSV or JSON lines 1,000 and 10,000.',
      },
      cursor: { ...text('`next` of the page before, with the same query.'), maxLength: 400 },
      sort: { ...word('Order.', list.sorts), default: list.sorts[0] },
      format: word('The same as by `Accept`, which it goes before.', Object.keys(formats)),
    },
    answer: objectOf({
      items: { type: 'array', items: objectOf(list.item) },
      next: orNull(
        text('Cursor of the next page; null: there is none. A page may be short and have a next one.'),
      ),
    }),
    alsoAs: [formats.jsonl, formats.csv],
    handle: (call) => answerList(list, call),
  };
}

async function answerList(list: ListRoute, call: Call): Promise<unknown> {
  const { query, reply } = call;
  const format = formatOf(query['format'], call.request.headers.accept);
  const limit = limitOf(query['limit'], format);
  const question = questionOf(list.id, call);
  const cursor = query['cursor'] === undefined ? null : readListCursor(question, String(query['cursor']));
  const page = await collect(list, call, { limit, cursor, sort: String(query['sort']) });
  const next = page.next === null ? null : writeListCursor(question, page.next);
  if (next !== null) reply.header('link', `<${urlOf(call, next)}>; rel="next"`);
  if (format === 'json') return { items: page.items, next };
  const body =
    format === 'csv'
      ? writeCsv(Object.keys(list.item), page.items)
      : page.items.map((item) => `${lineOf(list.item, item)}\n`).join('');
  reply.headers({
    'content-type': `${formats[format]}; charset=utf-8`,
    'content-disposition': `attachment; filename="${list.id}.${format}"`,
  });
  // An answer without a line would be no answer to Fastify.
  return reply.send(body === '' ? Buffer.alloc(0) : body);
}

/** As many pages of the store as one answer takes, within its time. @throws ProblemError rate-limit */
async function collect(list: ListRoute, call: Call, wanted: ListPage): Promise<Page<object>> {
  if (wanted.limit <= longestPage) return list.find(call, wanted);
  const give = gathered.take(call.actor, wanted.limit);
  try {
    return await gather(list, call, wanted);
  } finally {
    give();
  }
}

async function gather(list: ListRoute, call: Call, wanted: ListPage): Promise<Page<object>> {
  const items: object[] = [];
  const endMs = performance.now() + exportMs;
  let { cursor } = wanted;
  for (;;) {
    const limit = Math.min(longestPage, wanted.limit - items.length);
    const page = await list.find(call, { limit, cursor, sort: wanted.sort });
    items.push(...page.items);
    cursor = page.next;
    const isGone = call.reply.raw.closed;
    if (cursor === null || isGone || items.length >= wanted.limit || performance.now() > endMs)
      return { items, next: cursor };
  }
}

function limitOf(asked: unknown, format: Format): number {
  if (format !== 'json') return asked === undefined ? longestPage : Number(asked);
  const limit = asked === undefined ? 100 : Number(asked);
  if (limit > longestPage)
    throw new ProblemError(
      'invalid-query',
      `limit is at most ${longestPage} as JSON, ${longestExport} otherwise`,
    );
  return limit;
}

/** Which form the answer has: by `format`, else by what is accepted most (RFC 9110 §12.5.1). */
export function formatOf(format: unknown, accept: string | undefined): Format {
  if (format === 'json' || format === 'jsonl' || format === 'csv') return format;
  if (accept === undefined || accept.trim() === '') return 'json';
  const offers = accept
    .slice(0, 1_000)
    .split(',')
    .map((part) => {
      const [type = '', ...rest] = part.split(';').map((piece) => piece.trim().toLowerCase());
      const weight = rest.find((piece) => piece.startsWith('q='));
      return { type, weight: weight === undefined ? 1 : Number(weight.slice(2)) };
    })
    .filter(({ weight }) => weight > 0)
    .toSorted((a, b) => b.weight - a.weight);
  for (const { type } of offers) {
    const found = accepted.find(([known]) => known === type);
    if (found !== undefined) return found[1];
  }
  throw new ProblemError('not-acceptable', `there is ${Object.values(formats).join(', ')}`);
}

function questionOf(id: string, { query, params, actor }: Call): Question {
  const { limit: _limit, cursor: _cursor, format: _format, ...filters } = query;
  return { ...filters, '': [id, params, actor?.owners ?? null] };
}

function urlOf({ request, query }: Call, cursor: string): string {
  const [path] = request.url.split('?', 1);
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  search.set('cursor', cursor);
  return `${path}?${search.toString()}`;
}

/** One line, with exactly the fields of the schema. */
function lineOf(fields: Fields, item: object): string {
  const known = item as Readonly<Record<string, unknown>>; // read by the names of its own schema
  const line = JSON.stringify(
    Object.fromEntries(Object.keys(fields).map((name) => [name, known[name] ?? null])),
  );
  return line.replaceAll(/[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g, escapeUnit);
}
