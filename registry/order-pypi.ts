// The order of Python versions (PEP 440, "Summary of permitted suffixes and relative ordering").

import { pep440 } from './pypi-names.ts';

interface Pep440 {
  readonly epoch: number;
  readonly release: readonly number[];
  /** Phase and number: dev -1, a 0, b 1, rc 2, final 3. */
  readonly phase: number;
  readonly preNumber: number;
  readonly post: number;
  readonly dev: number;
  readonly local: readonly (number | string)[];
}

const phases: Readonly<Record<string, number>> = {
  a: 0,
  alpha: 0,
  b: 1,
  beta: 1,
  c: 2,
  rc: 2,
  pre: 2,
  preview: 2,
};

function parse(text: string): Pep440 | null {
  const match = pep440.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [, epoch, release, pre, preNumber, post1, post2, postNumber, dev, devNumber, local] = match;
  const numbers = release!.split('.').map(Number);
  while (numbers.length > 1 && numbers.at(-1) === 0) numbers.pop();
  const post = post1 ?? (post2 === undefined ? undefined : (postNumber ?? '0'));
  const isDevAlone = dev !== undefined && pre === undefined && post === undefined;
  return {
    epoch: Number(epoch ?? 0),
    release: numbers,
    phase: isDevAlone ? -1 : pre === undefined ? 3 : phases[pre]!,
    preNumber: Number(preNumber ?? 0),
    post: post === undefined ? -1 : Number(post),
    dev: dev === undefined ? Infinity : Number(devNumber ?? 0),
    local: (local ?? '')
      .split(/[-_.]/)
      .flatMap((part) => (part === '' ? [] : [/^\d+$/.test(part) ? Number(part) : part])),
  };
}

/** Negative when `a` comes before `b`; null when one of them is no version. */
export function comparePep440(a: string, b: string): number | null {
  const [left, right] = [parse(a), parse(b)];
  if (left === null || right === null) return null;
  return (
    left.epoch - right.epoch ||
    compareNumbers(left.release, right.release) ||
    left.phase - right.phase ||
    left.preNumber - right.preNumber ||
    left.post - right.post ||
    Math.sign(left.dev === right.dev ? 0 : left.dev - right.dev) ||
    compareLocal(left.local, right.local)
  );
}

function compareNumbers(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

// Numbers come after words, and more parts after fewer.
function compareLocal(a: Pep440['local'], b: Pep440['local']): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [left, right] = [a[i], b[i]];
    if (left === right) continue;
    if (left === undefined || right === undefined) return left === undefined ? -1 : 1;
    if (typeof left !== typeof right) return typeof left === 'number' ? 1 : -1;
    return left < right ? -1 : 1;
  }
  return 0;
}
