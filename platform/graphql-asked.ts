// What a request asks of a GraphQL API (GraphQL over HTTP): one or several documents with their variables, from a
// held JSON body or the query of a GET. Anything that servers could read in two ways is not read.

import { type GraphqlDocument, readDocument, type Unread } from './graphql-document.ts';

const maxBatch = 32;
const exact: ReadonlySet<string> = new Set(['query', 'variables', 'operationName', 'extensions']);
const parameters: ReadonlySet<string> = new Set([
  'query',
  'variables',
  'operationname',
  'extensions',
  'id',
  'documentid',
  'doc_id',
]);

/** The documents of a JSON body: an object, or an array of them. Never throws. */
export function readBody(body: Buffer): readonly GraphqlDocument[] | Unread {
  let value: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body);
    value = parseOnce(text);
  } catch {
    return { unread: 'a body that is no JSON in UTF-8, or has a key twice' };
  }
  if (!Array.isArray(value)) return readOne(value);
  if (value.length === 0 || value.length > maxBatch)
    return { unread: `a batch of ${value.length} documents` };
  const all: GraphqlDocument[] = [];
  for (const one of value) {
    const documents = readOne(one);
    if ('unread' in documents) return documents;
    all.push(...documents);
  }
  return all;
}

/** The document in the query of a GET; null when there is none. Never throws. */
export function readQuery(query: string): readonly GraphqlDocument[] | Unread | null {
  const asked = new URLSearchParams(query);
  const names = [...asked.keys()].filter(isParameter);
  if (names.length === 0) return null;
  const isPlain = names.every((name) => exact.has(name)) && new Set(names).size === names.length;
  if (!isPlain) return { unread: 'a parameter that is there twice, or spelt in another way' };
  const variables = asked.get('variables');
  try {
    return readOne({
      query: asked.get('query'),
      operationName: asked.get('operationName'),
      variables: variables === null ? null : parseOnce(variables),
    });
  } catch {
    return { unread: 'variables that are no JSON, or have a key twice' };
  }
}

/** True when the query of a request names what a body would: a server may take either. */
export function hasGraphqlParameters(query: string): boolean {
  return query !== '' && [...new URLSearchParams(query).keys()].some(isParameter);
}

/** True when a body, read as a form, has a pair that names what a document's body would. */
export function isFormOfGraphql(body: Buffer): boolean {
  // The oldest forms part pairs by semicolons too, and blanks behind them count for nothing.
  return body
    .toString('latin1')
    .split(/[&;]/)
    .some((pair) => pair.includes('=') && hasGraphqlParameters(pair.trim()));
}

const isParameter = (name: string): boolean => parameters.has(name.toLowerCase().replace(/\[.*$/s, ''));

function readOne(value: unknown): readonly GraphqlDocument[] | Unread {
  if (typeof value !== 'object' || value === null) return { unread: 'a body that is no object' };
  const fields = new Map<string, unknown>(Object.entries(value));
  // A key in another spelling, or the id of a document that a server keeps, may say what runs in place of the text.
  if ([...fields.keys()].some((name) => isParameter(name) && !exact.has(name)))
    return { unread: 'a document beside the name of another' };
  const text = fields.get('query');
  if (typeof text !== 'string') return { unread: 'no document, but perhaps the hash of one' };
  const name = fields.get('operationName');
  const document = readDocument(text, typeof name === 'string' ? name : null, readVariables(fields));
  return 'unread' in document ? document : [document];
}

function readVariables(fields: ReadonlyMap<string, unknown>): ReadonlyMap<string, unknown> | null {
  const variables = fields.get('variables') ?? null;
  if (variables === null) return new Map();
  if (typeof variables !== 'object' || Array.isArray(variables)) return null;
  return new Map<string, unknown>(Object.entries(variables));
}

/**
 * Parses JSON. Of a key that is there twice JSON.parse takes the last, and others the first (RFC 8259, section 4).
 * @throws Error for that, and for what is no JSON
 */
export function parseOnce(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (countPairs(text) !== countKeys(value)) throw new SyntaxError('a key that is there twice');
  return value;
}

/** Pairs of key and value in a JSON text, which is known to be one: colons outside of strings. */
function countPairs(text: string): number {
  let pairs = 0;
  let at = 0;
  for (let quote = text.indexOf('"'); quote >= 0; quote = text.indexOf('"', at)) {
    pairs += countColons(text, at, quote);
    at = endOfString(text, quote) + 1;
  }
  return pairs + countColons(text, at, text.length);
}

function countColons(text: string, from: number, to: number): number {
  let colons = 0;
  for (let at = from; at < to; at++) if (text[at] === ':') colons++;
  return colons;
}

/** Where the quote stands that closes the string opened at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end;
}

function isEscaped(text: string, at: number): boolean {
  let slashes = 0;
  while (text[at - 1 - slashes] === '\\') slashes++;
  return slashes % 2 === 1;
}

/** Depth is that of a text of 1 MiB: the stack's end is met by whoever calls. */
function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const inner: readonly unknown[] = Object.values(value);
  return inner.reduce<number>((sum, one) => sum + countKeys(one), Array.isArray(value) ? 0 : inner.length);
}
