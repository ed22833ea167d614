// Makes what is written in a row of tokens (token-rows.ts) into sets of bytes that a machine can follow.

import type { TokenRow } from './token-row.ts';
import { awsSecret, tokenRows } from './token-rows.ts';

/** 256 flags. */
export type ByteSet = Uint8Array;

/** So many bytes of a set, one after the other; the run takes all that it can. */
export interface Run {
  readonly set: ByteSet;
  readonly min: number;
  readonly max: number;
}

/** One way in which a token begins. */
export interface Beginning {
  readonly sets: readonly ByteSet[];
  /** The letters at its beginning that are always the same: public, and shown to people. */
  readonly shown: string;
  readonly token: Token;
}

export interface Token {
  readonly row: TokenRow;
  readonly runs: readonly Run[];
  /** Searched for within so many bytes once `runs` are over; null: nothing. */
  readonly near: { readonly run: Run; readonly withinBytes: number } | null;
}

const maxShownSet = 6;
const sets = new Map<string, ByteSet>();

/** Every way in which a token begins, with what must follow. */
export function readRows(rows: readonly TokenRow[] = tokenRows): Beginning[] {
  return rows.flatMap((row) => {
    const runs = readRuns(row.follows);
    const token: Token =
      row.within !== undefined
        ? { row, runs: [], near: { run: runs[0]!, withinBytes: row.within } }
        : { row, runs, near: row.begins === 'A[KS]IA' ? nearOfAws : null };
    return spread(row.begins).map(({ sets, shown }) => ({ sets, shown, token }));
  });
}

/** `[a-z]{3,5}[.]{1}` as runs. */
function readRuns(text: string): Run[] {
  return [...text.matchAll(/\[((?:\\.|[^\]\\])+)\]\{(\d+)(,(\d*))?\}/g)].map(
    ([, set = '', min = '', range, max = '']) => ({
      set: setOf(set),
      min: Number(min),
      max: range === undefined ? Number(min) : max === '' ? Number.POSITIVE_INFINITY : Number(max),
    }),
  );
}

const nearOfAws = { run: readRuns(awsSecret.follows)[0]!, withinBytes: awsSecret.nearBytes };

/** The set that is written between brackets; the same object for the same text. */
export function setOf(text: string): ByteSet {
  const known = sets.get(text) ?? readSet(text);
  sets.set(text, known);
  return known;
}

function readSet(text: string): ByteSet {
  const set = new Uint8Array(256);
  const units = [...text.matchAll(/\\(.)|(.)-(?=.)(.)|([^])/g)];
  for (const [, escaped, first, last, single] of units) {
    if (escaped === 'd') fill(set, '0', '9');
    else if (escaped === 'w') for (const pair of ['az', 'AZ', '09', '__']) fill(set, pair[0]!, pair[1]!);
    else if (first !== undefined) fill(set, first, last!);
    else fill(set, (escaped ?? single)!, (escaped ?? single)!);
  }
  return set;
}

function fill(set: ByteSet, first: string, last: string): void {
  set.fill(1, first.charCodeAt(0), last.charCodeAt(0) + 1);
}

interface Sequence {
  readonly sets: readonly ByteSet[];
  readonly shown: string;
  /** Nothing but letters so far. */
  readonly isPlain: boolean;
}

/** All that a beginning may be: groups and small sets are written out. */
function spread(text: string): Sequence[] {
  let found: Sequence[] = [{ sets: [], shown: '', isPlain: true }];
  const units = text.matchAll(/\(([^)]*)\)|(?:\[([^\]]+)\]|(\\d))(?:\{(\d+)\})?|([^])/g);
  for (const [, group, set, digit, count, letter] of units) {
    if (group !== undefined) found = joined(found, group.split('|').flatMap(spread));
    else if (letter !== undefined) found = joined(found, [single(letter)]);
    else for (let at = 0; at < Number(count ?? 1); at++) found = joined(found, ofSet(set ?? digit!));
  }
  return found;
}

const single = (letter: string): Sequence => ({
  sets: [setOf(letter === '-' ? '-' : `\\${letter}`.replace(/\\([dw])/, '$1'))],
  shown: letter,
  isPlain: true,
});

function ofSet(text: string): Sequence[] {
  const set = setOf(text);
  const members = [...set.keys()].filter((byte) => set[byte] === 1);
  if (members.length > maxShownSet) return [{ sets: [set], shown: '', isPlain: false }];
  return members.map((byte) => single(String.fromCharCode(byte)));
}

function joined(heads: readonly Sequence[], tails: readonly Sequence[]): Sequence[] {
  return heads.flatMap((head) =>
    tails.map((tail) => ({
      sets: [...head.sets, ...tail.sets],
      shown: head.isPlain ? head.shown + tail.shown : head.shown,
      isPlain: head.isPlain && tail.isPlain,
    })),
  );
}
