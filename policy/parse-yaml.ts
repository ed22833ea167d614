// YAML 1.2 text to plain data, with the position of every value on demand. Refuses what makes a policy hard to read:
// anchors, aliases, tags, directives, duplicate keys. Owns no meaning of the data.

import { isMap, isScalar, isSeq, LineCounter, type Document } from 'yaml';
import type { Problem } from '../flow/errors.ts';
import { createProblemList, type Position, type ProblemList, type ValuePath } from './problem-list.ts';
import { readInPieces } from './split-yaml.ts';
import { offsetOf, parseText, readNode, reportDirective, reportSyntax } from './yaml-node.ts';

export interface ParsedYaml {
  readonly data: unknown;
  readonly list: ProblemList;
}

const maxLength = 32 * 1024 * 1024;
const largeLength = 128 * 1024;

/** Parses one file; every problem goes to `problems`, and `data` is null when the text is no YAML. */
export function parseYaml(file: string, text: string, problems: Problem[]): ParsedYaml {
  if (text.length > maxLength) {
    const list = createProblemList(file, () => ({ line: 1, column: 1 }), problems);
    list.error([], `the file is longer than ${maxLength} characters`, 'split it');
    return { data: null, list };
  }
  // The nodes of a document take a hundred times the memory of its text: a large one is read in pieces, and as a
  // whole only when somebody asks where a value stands.
  const pieces = text.length > largeLength ? readInPieces(text) : null;
  if (pieces === null) return parseWhole(file, text, problems);
  let whole: Located | null = null;
  const positionOf = (path: ValuePath, at: 'key' | 'value') => {
    whole ??= locate(text);
    return whole.place(findOffset(whole.document, path, at));
  };
  return { data: pieces.data, list: createProblemList(file, positionOf, problems) };
}

interface Located {
  readonly document: Document;
  readonly place: (offset: number) => Position;
}

function locate(text: string): Located {
  const lines = new LineCounter();
  const document = parseText(text, lines);
  const place = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  return { document, place };
}

function parseWhole(file: string, text: string, problems: Problem[]): ParsedYaml {
  const { document, place } = locate(text);
  const list = createProblemList(file, (path, at) => place(findOffset(document, path, at)), problems);
  const report = (offset: number, message: string, remedy: string) =>
    problems.push({ file, ...place(offset), severity: 'error', message, remedy });
  for (const { code, message, pos } of document.errors) reportSyntax(report, code, message, pos[0], text);
  if (document.errors.length > 0) return { data: null, list };
  if (/^%/m.test(text)) reportDirective(report, text);
  return { data: readNode(document.contents, { report, depth: 0 }), list };
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
