// A digest of what the kernel holds of one table, part by part, without counters: cheap enough to compare every few
// seconds. Anonymous sets cannot change once bound, so a rule's handle and expressions say all of it.

import { createHash, type Hash } from 'node:crypto';
import { ask, attribute, dump, readAttributes, stringBytes } from './netlink.ts';
import { inet, nftMessage } from './nft.ts';

/** Digest by part: `table`, `sets`, `chain NAME`, `rules NAME`. */
export type Snapshot = ReadonlyMap<string, string>;

const skippedOfTable: ReadonlySet<number> = new Set([3]); // use count
const skippedOfChain: ReadonlySet<number> = new Set([6, 8]); // use count, counters
const keptOfSet: ReadonlySet<number> = new Set([2, 3, 16]); // name, flags, handle
const [ruleTable, ruleChain, ruleHandle, ruleExpressions, ruleUserData] = [1, 2, 3, 4, 7];

/** Reads the table; null when it is missing. Rules of `turning` chains count alike for both halves. @throws SallyportError */
export function readSnapshot(fd: number, table: string, turning: ReadonlySet<string>): Snapshot | null {
  const name = attribute(1, stringBytes(table));
  const head = ask(fd, { type: nftMessage.getTable, flags: 0, family: inet, body: name });
  if (head === null) return null;
  const parts = new Map<string, Hash>();
  const part = (key: string): Hash => {
    const known = parts.get(key) ?? createHash('sha256');
    parts.set(key, known);
    return known;
  };
  for (const [type, value] of readAttributes(head, 4)) {
    if (!skippedOfTable.has(type)) add(part('table'), type, value);
  }
  for (const body of ofTable(fd, nftMessage.getChain, table)) {
    const hash = part(`chain ${textOf(body, 3)}`);
    for (const [type, value] of readAttributes(body, 4))
      if (!skippedOfChain.has(type)) add(hash, type, value);
  }
  for (const body of ofTable(fd, nftMessage.getSet, table)) {
    for (const [type, value] of readAttributes(body, 4))
      if (keptOfSet.has(type)) add(part('sets'), type, value);
  }
  for (const body of ofTable(fd, nftMessage.getRule, table)) {
    const chain = textOf(body, ruleChain);
    addRule(part(`rules ${chain}`), body, turning.has(chain));
  }
  return new Map([...parts].map(([key, hash]) => [key, hash.digest('base64')]));
}

/** Names of the chains of a table. @throws SallyportError */
export function chainNames(fd: number, table: string): string[] {
  return ofTable(fd, nftMessage.getChain, table).map((body) => textOf(body, 3));
}

/** The first part in which two snapshots differ, or null. */
export function firstDifference(expected: Snapshot, held: Snapshot): string | null {
  for (const [key, digest] of expected) {
    const other = held.get(key);
    if (other === undefined) return `${key} is gone`;
    if (other !== digest) return `${key} has changed`;
  }
  for (const key of held.keys()) if (!expected.has(key)) return `${key} is not ours`;
  return null;
}

// Old kernels answer with every table's: the filter is ours.
function ofTable(fd: number, type: number, table: string): Buffer[] {
  const body = attribute(1, stringBytes(table));
  return dump(fd, { type, flags: 0, family: inet, body }).filter((answer) => textOf(answer, 1) === table);
}

function textOf(body: Buffer, wanted: number): string {
  for (const [type, value] of readAttributes(body, 4)) {
    if (type === wanted) return value.toString('latin1', 0, Math.max(0, value.length - 1));
  }
  return '';
}

function addRule(hash: Hash, body: Buffer, turns: boolean): void {
  for (const [type, value] of readAttributes(body, 4)) {
    if (type === ruleTable || type === ruleChain || type === ruleUserData) add(hash, type, value);
    if (type === ruleHandle && !turns) add(hash, type, value);
    if (type === ruleExpressions)
      for (const [, expression] of readAttributes(turns ? withoutHalf(value) : value)) {
        addExpression(hash, expression);
      }
  }
}

// `goto count-refuse-b` and `goto count-refuse-a` are the same to us: the keeper turns from one to the other.
function withoutHalf(expressions: Buffer): Buffer {
  return Buffer.from(expressions.toString('latin1').replace('-b\0', '-a\0'), 'latin1');
}

function addExpression(hash: Hash, expression: Buffer): void {
  let isCounter = false;
  for (const [type, value] of readAttributes(expression)) {
    if (type === 1) isCounter = value.toString('latin1') === 'counter\0';
    if (type === 1 || !isCounter) add(hash, type, value);
  }
}

function add(hash: Hash, type: number, value: Buffer): void {
  hash.update(Uint8Array.of(type, value.length & 255, value.length >> 8));
  hash.update(value);
}
