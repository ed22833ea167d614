// `npm run bypasses`: the list of known bypasses by section with what tests each. Exit code 1 when an id has no test
// or a test names an unknown id.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { allAttempts } from './all-attempts.ts';
import { bypasses, sections } from './catalog.ts';
import { findGaps, readTitles } from './coverage.ts';

const titles = readTitles();

function testsOf(id: string): string {
  const attempts = allAttempts.filter((attempt) => attempt.id === id);
  const skipped = new Set(attempts.flatMap(({ notIn }) => Object.keys(notIn ?? {})));
  const files = [...new Set(titles.filter((title) => title.id === id).map(({ file }) => file))];
  const notIn = skipped.size === 0 ? '' : `, not all in ${[...skipped].join(', ')}`;
  const inSuite = attempts.length === 0 ? [] : [`attempts: ${attempts.length}${notIn}`];
  return [...inSuite, ...files].join('; ') || 'NO TEST';
}

for (const [section, title] of Object.entries(sections)) {
  process.stdout.write(`\n${title}\n`);
  for (const { id, says } of bypasses.filter((bypass) => bypass.section === section))
    process.stdout.write(`  ${id.padEnd(30)} ${says}\n  ${' '.repeat(30)} ${testsOf(id)}\n`);
}
const ids = bypasses.map(({ id }) => id);
const page = readFileSync(join(import.meta.dirname, '../../docs/bypasses.md'), 'utf8');
const gaps = [
  ...findGaps(ids, allAttempts, titles),
  ...ids.filter((id) => !page.includes(`\`${id}\``)).map((id) => `docs/bypasses.md does not name ${id}`),
];
process.stdout.write(`\n${bypasses.length} known bypasses, ${allAttempts.length} attempts in the suite\n`);
for (const gap of gaps) process.stdout.write(`${gap}\n`);
process.exitCode = gaps.length === 0 ? 0 : 1;
