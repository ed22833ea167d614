// From a parsed YAML document to plain data: what a policy may not use (anchors, aliases, tags, directives) is reported
// on the way.

import { isAlias, isMap, isPair, isScalar, isSeq, parseDocument, type LineCounter, type Node } from 'yaml';

/** Parses one document as YAML 1.2 without merge keys; errors are in the document. */
export function parseText(text: string, lineCounter?: LineCounter) {
  return parseDocument(text, {
    ...(lineCounter && { lineCounter }),
    version: '1.2',
    schema: 'core',
    merge: false,
    prettyErrors: false,
    logLevel: 'error',
    // The library looks through all keys for each new one; readMap does it in one pass.
    uniqueKeys: false,
  });
}

const maxDepth = 32;

/** Takes one problem at an offset into the text. */
export type Report = (offset: number, message: string, remedy: string) => void;

/** Says what a syntax error comes from, where that is known. */
export function reportSyntax(
  report: Report,
  code: string,
  message: string,
  offset: number,
  text: string,
): void {
  const line = text
    .slice(offset, offset + 80)
    .split('\n')[0]!
    .trim();
  const first = message.split('\n')[0]!;
  if (code === 'BAD_SCALAR_START' && /^[@`]/.test(line)) {
    report(offset, `"${line}" cannot begin with ${line[0]} in YAML`, `quote it: "${line}"`);
  } else if (code === 'BAD_ALIAS') reportStar(report, offset, line);
  else report(offset, `no valid YAML: ${first}`, 'correct the text at this place');
}

function reportStar(report: Report, offset: number, text: string): void {
  report(offset, `an unquoted * begins a YAML alias, and aliases are refused`, `quote it: "${text}"`);
}

export function reportDirective(report: Report, text: string): void {
  const at = text.search(/^%/m);
  if (/^%(YAML|TAG)\b/m.test(text.slice(0, at + 8))) report(at, 'a YAML directive', 'remove the line');
}

interface ReadState {
  readonly report: Report;
  readonly depth: number;
}

/** The data of a node; what cannot be read is reported and left out. */
export function readNode(node: unknown, state: ReadState): unknown {
  if (node === null || node === undefined) return null;
  if (isAlias(node)) {
    reportStar(state.report, offsetOf(node), `*${node.source}`);
    // As it was meant, so that the value is not reported a second time.
    return `*${node.source}`;
  }
  if (!isScalar(node) && !isMap(node) && !isSeq(node)) return null;
  if (node.anchor !== undefined)
    state.report(offsetOf(node), `the anchor &${node.anchor}`, 'write the value out');
  if (node.tag !== undefined)
    state.report(offsetOf(node), `the tag ${node.tag}`, 'write the value without a tag');
  if (isScalar(node)) return readScalar(node.value);
  if (state.depth >= maxDepth) {
    state.report(offsetOf(node), `more than ${maxDepth} levels`, 'write it flatter');
    return null;
  }
  const deeper = { ...state, depth: state.depth + 1 };
  return isSeq(node) ? node.items.map((item) => readNode(item, deeper)) : readMap(node.items, deeper);
}

function readScalar(value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

function readMap(pairs: readonly unknown[], state: ReadState): Record<string, unknown> {
  const data: Record<string, unknown> = {};
  const seen = new Set<string>();
  for (const pair of pairs) {
    if (!isPair(pair)) continue;
    if (isAlias(pair.key)) reportStar(state.report, offsetOf(pair.key), `*${pair.key.source}`);
    if (!isScalar(pair.key)) continue;
    const key = String(pair.key.value);
    if (seen.has(key)) state.report(offsetOf(pair.key), `the key "${key}" stands twice`, 'join the two');
    seen.add(key);
    // A plain assignment of __proto__ would change the object instead of being refused as unknown.
    Object.defineProperty(data, key, {
      value: readNode(pair.value, state),
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
  return data;
}

export function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}
