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
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body));
  } catch {
    return { unread: 'a body that is no JSON in UTF-8' };
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
      variables: variables === null ? null : (JSON.parse(variables) as unknown),
    });
  } catch {
    return { unread: 'variables that are no JSON' };
  }
}

/** True when the query of a request names what a body would: a server may take either. */
export function hasGraphqlParameters(query: string): boolean {
  return query !== '' && [...new URLSearchParams(query).keys()].some(isParameter);
}

const isParameter = (name: string): boolean => parameters.has(name.toLowerCase().replace(/\[.*$/s, ''));

function readOne(value: unknown): readonly GraphqlDocument[] | Unread {
  if (typeof value !== 'object' || value === null) return { unread: 'a body that is no object' };
  const fields = new Map<string, unknown>(Object.entries(value));
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
