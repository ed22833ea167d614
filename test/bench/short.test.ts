// The short form of the benchmark: it runs with the programs that are there, and its rows are those of results.md.

import t from 'tap';
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Figure } from '../../bench/measure.ts';

const root = resolve(import.meta.dirname, '../..');

/** What a row measures, without counts, which the short form has smaller, and without what it came to. */
const plain = (what: string) =>
  what
    .replace(/ \(.*\)$/, '')
    .replaceAll(/[\d,]+/g, 'N')
    .trim();

function measuresOf(page: string): string[] {
  return (
    page
      .split('\n')
      .filter((line) => line.startsWith('| ') && !line.startsWith('| measure'))
      .map((line) => plain(line.split(' | ')[0]!.slice(2)))
      // How one runner fares beside another's floods takes minutes; a test of its own (test/e2e/fairness) is for that.
      .filter((what) => !what.includes('of one runner beside'))
  );
}

t.test('the short form measures every row of results.md', { timeout: 240_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-bench-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const out = join(directory, 'short.md');
  const args = ['--disable-warning=ExperimentalWarning', join(root, 'bench/run.ts'), '--quick', '--json'];
  const child = spawn(process.execPath, [...args, '--out', out], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [text, progress] = ['', ''];
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  child.stderr.on('data', (chunk) => (progress += String(chunk)));
  const code = await new Promise((done) => child.on('close', done));
  // A goal that is missed under other work is no failure of this test; an error is.
  t.ok(code === 0 || code === 1, `it ends with 0 or 1, not ${String(code)}: ${progress.slice(-500)}`);
  const { figures } = JSON.parse(text) as { figures: Figure[] };
  for (const { what, ours } of figures) t.ok(Number.isFinite(ours), `${what}: ${ours}`);
  const page = readFileSync(out, 'utf8');
  t.same(measuresOf(page), measuresOf(readFileSync(join(root, 'bench/results.md'), 'utf8')));
  t.match(readFileSync(join(directory, 'short.svg'), 'utf8'), /^<svg [^]*>ours<\/text>/);
});
