// YAML 1.2 text to plain data, with the position of every value on demand. Refuses what makes a policy hard to read:
// anchors, aliases, tags, directives, duplicate keys. Owns no meaning of the data.

import {
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
} from 'yaml';
import type { Problem } from '../flow/errors.ts';
import { createProblemList, type Position, type ProblemList, type ValuePath } from './problem-list.ts';

export interface ParsedYaml {
  readonly data: unknown;
  readonly list: ProblemList;
}

const maxDepth = 32;
const maxLength = 32 * 1024 * 1024;
const start: Position = { line: 1, column: 1 };

/** Parses one file; every problem goes to `problems`, and `data` is null when the text is no YAML. */
export function parseYaml(file: string, text: string, problems: Problem[]): ParsedYaml {
  const lines = new LineCounter();
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (text.length > maxLength) {
    const list = createProblemList(file, () => start, problems);
    list.error([], `the file is longer than ${maxLength} characters`, 'split it');
    return { data: null, list };
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
    merge: false,
    prettyErrors: false,
    logLevel: 'error',
    // The library looks through all keys for each new one; readMap does it in one pass.
    uniqueKeys: false,
  });
  const list = createProblemList(file, (path, at) => place(findOffset(document, path, at)), problems);
  const report = (offset: number, message: string, remedy: string) =>
    problems.push({ file, ...place(offset), severity: 'error', message, remedy });
  for (const { code, message, pos } of document.errors) reportSyntax(report, code, message, pos[0], text);
  if (document.errors.length > 0) return { data: null, list };
  if (/^%/m.test(text)) reportDirective(report, text);
  return { data: readNode(document.contents, { report, depth: 0 }), list };
}

type Report = (offset: number, message: string, remedy: string) => void;

function reportSyntax(report: Report, code: string, message: string, offset: number, text: string): void {
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

function reportDirective(report: Report, text: string): void {
  const at = text.search(/^%/m);
  if (/^%(YAML|TAG)\b/m.test(text.slice(0, at + 8))) report(at, 'a YAML directive', 'remove the line');
}

interface ReadState {
  readonly report: Report;
  readonly depth: number;
}

function readNode(node: unknown, state: ReadState): unknown {
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

function offsetOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

/** Offset of the value at the path, or of the deepest value on the way to it. */
function findOffset(document: Document, path: ValuePath, at: 'key' | 'value'): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const [index, part] of path.entries()) {
    if (isMap(node) && typeof part === 'string') {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === part);
      if (pair === undefined) break;
      const isLast = index === path.length - 1;
      if (isScalar(pair.key) && pair.key.range) offset = pair.key.range[0];
      if (isLast && at === 'key') return offset;
      node = pair.value;
    } else if (isSeq(node) && typeof part === 'number') node = node.items[part];
    else if (part !== 0) break;
    if (isScalar(node) || isMap(node) || isSeq(node)) offset = offsetOf(node);
  }
  return offset;
}
