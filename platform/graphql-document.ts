// A GraphQL document, parsed within bounds (October 2021 specification): tokens, depth, definitions. What cannot be
// read in one way only is not read at all.

import type {
  DefinitionNode,
  FragmentDefinitionNode,
  OperationDefinitionNode,
  SelectionSetNode,
} from 'graphql';
import { LRUCache } from 'lru-cache';
import { OperationTypeNode } from 'graphql/language/ast.js';
import { Kind } from 'graphql/language/kinds.js';
import { parse } from 'graphql/language/parser.js';

/** What one request runs: a document, the operations that may be meant, and the values of its variables. */
export interface GraphqlDocument {
  readonly operations: readonly OperationDefinitionNode[];
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
  /** Null: they came in a form that cannot be read, so that no variable has a known value. */
  readonly variables: ReadonlyMap<string, unknown> | null;
}

/** Why a document was not read, for people. */
export interface Unread {
  readonly unread: string;
}

const maxTokens = 20_000;
const maxDepth = 100;
/** Characters of a text whose document is kept; one takes about forty times its length. */
const maxKept = 16_384;

/** Parses a document and chooses what runs: the named operation, or all where the name chooses none. Never throws. */
export function readDocument(
  text: string,
  operationName: string | null,
  variables: ReadonlyMap<string, unknown> | null,
): GraphqlDocument | Unread {
  const definitions = parsed.get(text) ?? parseText(text);
  return 'unread' in definitions ? definitions : chooseOperations(definitions, operationName, variables);
}

const kept = { maxSize: 131_072, sizeCalculation: (_: unknown, text: string) => text.length };
/** Clients send the same text again with other variables: parsing it is half of the work. */
const parsed = new LRUCache<string, readonly DefinitionNode[]>(kept);
/** Texts that came once: what is never asked again would only be moved about by the garbage collector. */
const met = new LRUCache<string, true>(kept);

function keep(text: string, definitions: readonly DefinitionNode[]): void {
  if (text.length > maxKept) return;
  if (met.has(text)) parsed.set(text, definitions);
  else met.set(text, true);
}

function parseText(text: string): readonly DefinitionNode[] | Unread {
  if (isDeeperThan(text, maxDepth)) return { unread: `nested more than ${maxDepth} deep` };
  try {
    const { definitions } = parse(text, { noLocation: true, maxTokens });
    keep(text, definitions);
    return definitions;
  } catch {
    // A GraphQLError, or the stack's end: either way nothing is known of what it asks.
    return { unread: `no document of at most ${maxTokens} tokens` };
  }
}

function chooseOperations(
  definitions: readonly DefinitionNode[],
  operationName: string | null,
  variables: ReadonlyMap<string, unknown> | null,
): GraphqlDocument | Unread {
  const operations = definitions.filter(isOperation);
  const fragments = new Map(definitions.filter(isFragment).map((one) => [one.name.value, one]));
  const names = new Set(operations.map((one) => one.name?.value));
  // A name that is there twice is an error, and which of the two a server takes is its own affair.
  if (names.size !== operations.length || operations.length + fragments.size !== definitions.length)
    return { unread: 'a definition that is there twice, or is no operation and no fragment' };
  if (operations.length === 0) return { unread: 'no operation' };
  if (operations.some((one) => one.operation === OperationTypeNode.SUBSCRIPTION))
    return { unread: 'a subscription' };
  const named = operations.filter((one) => operationName !== null && one.name?.value === operationName);
  return { operations: named.length === 1 ? named : operations, fragments, variables };
}

const isOperation = (node: DefinitionNode): node is OperationDefinitionNode =>
  node.kind === Kind.OPERATION_DEFINITION;
const isFragment = (node: DefinitionNode): node is FragmentDefinitionNode =>
  node.kind === Kind.FRAGMENT_DEFINITION;

/** Selections of a node without any are none. */
export function selectionsOf(set: SelectionSetNode | undefined): SelectionSetNode['selections'] {
  return set?.selections ?? [];
}

/** Characters that the depth depends on: 1 opens, 2 closes, 3 a string, 4 a comment. */
const marks = new Uint8Array(128);
for (const [mark, chars] of ['', '{[(', '}])', '"', '#'].entries())
  for (const char of chars) marks[char.charCodeAt(0)] = mark;

/** True when brackets outside of strings and comments nest deeper; the parser recurses for each of them. */
function isDeeperThan(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const mark = code < 128 ? marks[code] : 0;
    if (mark === 0) continue;
    if (mark === 3) at = endOfString(text, at);
    else if (mark === 4) at = endOfLine(text, at);
    else if (mark === 2) depth--;
    else if (++depth > limit) return true;
  }
  return false;
}

/** The last character of the string that begins here; the text's end where it has none. */
function endOfString(text: string, start: number): number {
  const isBlock = text.startsWith('"""', start);
  const quote = isBlock ? '"""' : '"';
  for (let at = start + quote.length; at < text.length; at++) {
    if (text[at] === '\\') at += isBlock && text.startsWith('"""', at + 1) ? 3 : isBlock ? 0 : 1;
    else if (text.startsWith(quote, at)) return at + quote.length - 1;
    else if (!isBlock && text[at] === '\n') return at;
  }
  return text.length;
}

function endOfLine(text: string, start: number): number {
  for (let at = start; at < text.length; at++) if (text[at] === '\n' || text[at] === '\r') return at;
  return text.length;
}
