// Reads a large YAML file in pieces: one top-level key at a time, and a long list some items at a time. Gives up (null)
// on anything that is not plainly laid out or has a problem; the whole file is then parsed at once.

import { parseText, readNode } from './yaml-node.ts';

const pieceLength = 8 * 1024;

/** The data of a mapping whose keys begin in the first column; null when it must be read as a whole. */
export function readInPieces(text: string): { readonly data: Record<string, unknown> } | null {
  const data: Record<string, unknown> = {};
  for (const section of splitSections(text) ?? []) {
    const read = readSection(section);
    const keys = read === null ? [] : Object.keys(read);
    if (read === null || keys.length !== 1 || Object.hasOwn(data, keys[0]!)) return null;
    Object.defineProperty(data, keys[0]!, Object.getOwnPropertyDescriptor(read, keys[0]!)!);
  }
  return Object.keys(data).length === 0 ? null : { data };
}

/** The value of one top-level key; undefined when the text must be read as a whole to know it. */
export function readOneKey(text: string, key: string): { readonly value: unknown } | undefined {
  const sections = splitSections(text)?.filter(([first = '']) => first.startsWith(key));
  if (sections === undefined) return undefined;
  if (sections.length === 0) return { value: null };
  const read = sections.length === 1 ? readSection(sections[0]!) : null;
  return read === null || !Object.hasOwn(read, key) ? undefined : { value: read[key] };
}

/** Lines from one top-level key to before the next; null when another thing stands in the first column. */
function splitSections(text: string): string[][] | null {
  const sections: string[][] = [];
  for (const line of text.split('\n')) {
    if (/^[A-Za-z]/.test(line)) sections.push([line]);
    else if (/^(?:\s|#|$|- )/.test(line)) sections.at(-1)?.push(line);
    else return null;
  }
  return sections;
}

function readSection(lines: readonly string[]): Record<string, unknown> | null {
  const key = /^([A-Za-z]+):\s*(?:#.*)?$/.exec(lines[0]!)?.[1];
  const first = lines.slice(1).find((line) => /\S/.test(line) && !/^\s*#/.test(line));
  const indent = first === undefined ? null : /^( *)- /.exec(first);
  if (key === undefined || indent === null) return readPiece(lines);
  const items: unknown[] = [];
  for (const piece of splitItems(lines.slice(1), indent[1]!)) {
    const list = readPiece([`${key}:`, ...piece])?.[key];
    if (!Array.isArray(list)) return null;
    items.push(...list);
  }
  return { [key]: items };
}

/** An item begins at the indentation of the first one; what belongs to it is indented further (YAML 1.2.2, 8.2.1). */
function* splitItems(lines: readonly string[], indent: string): Generator<readonly string[]> {
  let piece: string[] = [];
  let length = 0;
  for (const line of lines) {
    if (length > pieceLength && line.startsWith(`${indent}- `)) {
      yield piece;
      piece = [];
      length = 0;
    }
    piece.push(line);
    length += line.length + 1;
  }
  yield piece;
}

function readPiece(lines: readonly string[]): Record<string, unknown> | null {
  const document = parseText(lines.join('\n'));
  if (document.errors.length > 0 || document.warnings.length > 0) return null;
  let isClean = true;
  const report = () => {
    isClean = false;
  };
  const data = readNode(document.contents, { report, depth: 0 });
  if (!isClean || typeof data !== 'object' || data === null || Array.isArray(data)) return null;
  // A mapping of YAML, as readNode builds them.
  return data as Record<string, unknown>;
}
