// What changed between two texts, line by line (Myers' algorithm), in the unified form that `diff -u` writes. Bounded: where
// two texts have little in common, all of the one is taken out and all of the other put in.

/** Longest way that is looked for; beyond it the rest is replaced as a whole. */
const maxEdits = 1_000;
const around = 3;

type Edit = readonly [mark: ' ' | '-' | '+', line: string];

/** The hunks of a unified diff, without the lines that name files; empty: the texts are the same. */
export function diffTexts(before: string, after: string): string {
  if (before === after) return '';
  return hunksOf(editsOf(linesOf(before), linesOf(after)));
}

// A last line without its end is another one than the same with it.
function linesOf(text: string): string[] {
  if (text === '') return [];
  const lines = text.split('\n');
  const last = lines.pop()!;
  return last === '' ? lines : [...lines, `${last}\n\\ No newline at end of file`];
}

function editsOf(before: readonly string[], after: readonly string[]): Edit[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let [endA, endB] = [before.length, after.length];
  while (endA > start && endB > start && before[endA - 1] === after[endB - 1])
    [endA, endB] = [endA - 1, endB - 1];
  const same = (lines: readonly string[]): Edit[] => lines.map((line) => [' ', line]);
  return [
    ...same(before.slice(0, start)),
    ...middle(before.slice(start, endA), after.slice(start, endB)),
    ...same(before.slice(endA)),
  ];
}

/** Shortest way from one to the other; `trace` has, for each number of edits, how far each diagonal came. */
function middle(before: readonly string[], after: readonly string[]): Edit[] {
  const most = Math.min(before.length + after.length, maxEdits);
  const reach = new Int32Array(2 * most + 3);
  const zero = most + 1;
  const trace: Int32Array[] = [];
  for (let edits = 0; edits <= most; edits++) {
    trace.push(reach.slice());
    for (let k = -edits; k <= edits; k += 2) {
      const isDown = k === -edits || (k !== edits && reach[zero + k - 1]! < reach[zero + k + 1]!);
      let x = isDown ? reach[zero + k + 1]! : reach[zero + k - 1]! + 1;
      while (x < before.length && x - k < after.length && before[x] === after[x - k]) x++;
      reach[zero + k] = x;
      if (x >= before.length && x - k >= after.length) return wayBack(before, after, trace, zero);
    }
  }
  return [...before.map((line): Edit => ['-', line]), ...after.map((line): Edit => ['+', line])];
}

function wayBack(
  before: readonly string[],
  after: readonly string[],
  trace: readonly Int32Array[],
  zero: number,
): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [before.length, after.length];
  for (let step = trace.length - 1; step >= 0; step--) {
    const reach = trace[step]!;
    const k = x - y;
    const isDown = k === -step || (k !== step && reach[zero + k - 1]! < reach[zero + k + 1]!);
    const lastK = isDown ? k + 1 : k - 1;
    const lastX = step === 0 ? 0 : reach[zero + lastK]!;
    const lastY = step === 0 ? 0 : lastX - lastK;
    while (x > lastX && y > lastY && before[x - 1] === after[y - 1]) {
      edits.push([' ', before[x - 1]!]);
      [x, y] = [x - 1, y - 1];
    }
    if (step > 0) edits.push(isDown ? ['+', after[y - 1]!] : ['-', before[x - 1]!]);
    [x, y] = [lastX, lastY];
  }
  return edits.toReversed();
}

function hunksOf(edits: readonly Edit[]): string {
  const changed = edits.flatMap(([mark], at) => (mark === ' ' ? [] : [at]));
  const spans: [from: number, until: number][] = [];
  for (const at of changed) {
    const last = spans.at(-1);
    if (last !== undefined && at - around <= last[1]) last[1] = Math.min(edits.length, at + around + 1);
    else spans.push([Math.max(0, at - around), Math.min(edits.length, at + around + 1)]);
  }
  let [at, before] = [0, { old: 0, now: 0 }];
  return spans
    .map(([from, until]) => {
      // Counted on from hunk to hunk: from the beginning for each would be the square of a long list.
      const passed = countLines(edits.slice(at, from));
      const within = countLines(edits.slice(from, until));
      const start = { old: before.old + passed.old, now: before.now + passed.now };
      before = { old: start.old + within.old, now: start.now + within.now };
      at = until;
      return hunkOf(edits.slice(from, until), start, within);
    })
    .join('');
}

/** Lines of the text before and of the one after. */
interface Lines {
  readonly old: number;
  readonly now: number;
}

function countLines(edits: readonly Edit[]): Lines {
  const count = (not: '-' | '+') => edits.filter(([mark]) => mark !== not).length;
  return { old: count('+'), now: count('-') };
}

function hunkOf(edits: readonly Edit[], before: Lines, within: Lines): string {
  const range = (start: number, size: number) => `${start + (size === 0 ? 0 : 1)},${size}`;
  const lines = edits.map(([mark, line]) => `${mark}${line}\n`);
  return `@@ -${range(before.old, within.old)} +${range(before.now, within.now)} @@\n${lines.join('')}`;
}
