// Puts rows that were measured again into a page of results: the same measures are replaced where they stand, new ones
// follow the row before them, and the page says which parts are newer.

import { rowOf, type BenchRun } from './results.ts';

/** What a row measures and its goal, without what it came to. */
function keyOf(row: string): string {
  const [what = '', goal = ''] = row.slice(2).split(' | ');
  // Counts in brackets at the end are results too.
  return `${what.replace(/ \([^)]*\)$/, '')} | ${goal}`;
}

const isRow = (line: string) => line.startsWith('| ') && !line.startsWith('| measure');

/** The page with the rows of this run in place of its own. */
export function mergeResults(page: string, run: BenchRun, parts: readonly string[]): string {
  const lines = page.split('\n');
  let at = lines.findLastIndex(isRow);
  for (const row of run.figures.map(rowOf)) {
    const known = lines.findIndex((line) => isRow(line) && keyOf(line) === keyOf(row));
    if (known >= 0) lines[known] = row;
    else lines.splice(at + 1, 0, row);
    at = known >= 0 ? known : at + 1;
  }
  const rows = lines.filter(isRow);
  const reached = rows.filter((row) => row.endsWith('| **reached** |')).length;
  const goals = reached + rows.filter((row) => row.endsWith('| **missed** |')).length;
  const again = `Measured again on ${run.date}, by the program as it was then: ${parts.join(', ')}.`;
  return lines
    .filter((line) => !line.startsWith('Measured again on '))
    .flatMap((line) => {
      if (!line.startsWith('Written by `npm run bench`')) return [line];
      return [line.replace(/: \d+ of \d+ goals reached/, `: ${reached} of ${goals} goals reached`), again];
    })
    .join('\n');
}
