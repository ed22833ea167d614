// Deletes or negates single clauses of the decision files, one at a time in a copy, and reports those that no test of
// test/policy notices. `npm run mutate [FILE…]`; exit 1 when a mutant survives.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const suites = ['cases', 'load', 'canonical', 'decisions'] as const;
/** The suite that is likely to notice first; the others follow. */
const firstSuites: Readonly<Record<string, (typeof suites)[number]>> = {
  'canonicalise-host': 'canonical',
  'canonicalise-path': 'canonical',
  'check-address': 'canonical',
  'compile-rules': 'load',
  compile: 'load',
  'network-plan': 'decisions',
};
const files = [
  'decide',
  'settle',
  'connection-view',
  'host-view',
  'path-index',
  'rule-fit',
  'rule',
  'unite-grants',
  'method-set',
  'scope',
  'match-scope',
  'match-host',
  'match-path',
  'match-sequence',
  'range-index',
  'canonicalise-host',
  'canonicalise-path',
  'blocklist',
  'check-address',
  'cidr-set',
  'network-plan',
  'compile-rules',
  'compile',
  'explain',
  'read-headers',
  'encrypted-dns',
  'always-enforced',
];

/** Clauses whose change nobody could notice: file, a piece of the line, why, and the one kind of change where others show. */
const equivalent: readonly (readonly [file: string, line: string, why: string, kind?: string])[] = [
  ['', 'views.size >= max', 'a bound of a cache: only memory changes'],
  ['', 'known.size < max', 'a bound of a cache: only memory changes'],
  ['', 'rules.size >= max', 'a bound of a cache: only memory changes'],
  ['', 'cache.size >= max', 'a bound of a cache: only memory changes'],
  ['path-index', 'fewCandidates) return', 'few rules are looked at one by one: only time changes'],
  ['path-index', 'rarest === null || counts', 'another segment that the path must hold: only time changes'],
  ['host-view', 'filter(({ mayExcept })', 'exceptions are looked for in vain: only time changes'],
  ['scope', 'JSON.stringify([job === null', 'a key that is turned over is as good a key', 'equal → unequal'],
  [
    'match-scope',
    "typeof value === 'boolean' ||",
    'the schema gives flags to flags and patterns to texts',
    'or → and',
  ],
  ['host-view', 'union === groups[0]', 'an index is made twice: only time changes'],
  ['match-host', 'exceptHosts.length > 0', 'exceptions are looked for in vain: only time changes', '> → >='],
  [
    'canonicalise-host',
    'i < text.length; i++',
    'beyond the end charCodeAt is NaN, which is no character',
    '< → <=',
  ],
  [
    'canonicalise-path',
    'i < text.length; i++',
    'beyond the end charCodeAt is NaN, which is no character',
    '< → <=',
  ],
  ['canonicalise-path', 'byte < 127 && byte', '127 was refused before', '< → <='],
  [
    'canonicalise-path',
    'if (plain.test(raw))',
    'a short way: reading by segments says the same',
    'condition never',
  ],
  ['blocklist', 'blocklist.hosts.size === 0', 'a short way: an empty list holds nothing', 'condition never'],
  [
    'blocklist',
    'blocklist.addresses.length === 0',
    'a short way: an empty list holds nothing',
    'condition never',
  ],
  ['blocklist', '/^mode: +audit', 'a short way: the YAML parser reads the same', 'condition never'],
  ['explain', 'const port = url.port ??', 'the URL of a request has its port filled in', 'equal → unequal'],
  ['cidr-set', 'a.prefix <= b.prefix', 'ranges of one length that share anything are the same', '<= → <'],
  ['canonicalise-path', 'mark < 0', 'a target begins with a slash, so that its mark is never 0', '< → <='],
  ['canonicalise-host', 'charCodeAt(i) > 127', '127 was refused before', '> → >='],
  ['canonicalise-host', "text.length > 1 && text.startsWith('0')", 'a lone 0 is 0 in octal too', '> → >='],
  ['match-host', 'let count = labels.length', 'no wildcard fits without a label before its tail'],
  ['match-sequence', 'resumeToken >= 0', 'it is never 0: a place behind a wildcard', '>= → >'],
  ['match-path', "form: 'exact', literal", 'a short way: the tokens say the same'],
  ['match-path', "form === 'exact'", 'a short way: the tokens say the same'],
  ['compile', 'rule.to.length > 0', 'a rule without ranges adds none', '> → >='],
  ['compile', "rule.kind !== 'http' &&", 'other rules have no endpoints', 'condition never'],
  ['encrypted-dns', "query === ''", 'an empty query holds no value: only time changes', 'condition never'],
  [
    'encrypted-dns',
    "!value.includes('%')",
    'without a percent sign decoding changes nothing',
    'condition never',
  ],
  ['compile-rules', 'ranges.some(isOutside)', 'an entry of a list is one range', 'some → every'],
  ['match-path', "form === 'prefix'", 'a short way: the tokens say the same'],
  ['', 'hit !== undefined', 'a cache: without it the same is computed again'],
  ['', 'cache === undefined', 'a cache: without it the same is computed again'],
  ['', 'effective === undefined', 'a cache: without it the same is computed again'],
];

interface Mutant {
  readonly file: string;
  readonly line: number;
  readonly kind: string;
  readonly before: string;
  readonly text: string;
}

const swaps: readonly (readonly [RegExp, string, string])[] = [
  [/ && /g, ' || ', 'and → or'],
  [/ \|\| /g, ' && ', 'or → and'],
  [/ === /g, ' !== ', 'equal → unequal'],
  [/ !== /g, ' === ', 'unequal → equal'],
  [/\.every\(/g, '.some(', 'every → some'],
  [/\.some\(/g, '.every(', 'some → every'],
  [/ <= /g, ' < ', '<= → <'],
  [/ >= /g, ' > ', '>= → >'],
  [/ < /g, ' <= ', '< → <='],
  [/ > /g, ' >= ', '> → >='],
  [/\breturn true;/g, 'return false;', 'true → false'],
  [/\breturn false;/g, 'return true;', 'false → true'],
  [/(?<=[(&|:?!=] |\(|return )!(?=[a-zA-Z(])/g, '', 'negation gone'],
];

function listMutants(file: string, source: string): Mutant[] {
  const mutants: Mutant[] = [];
  const add = (at: number, kind: string, text: string) => {
    const line = source.slice(0, at).split('\n').length;
    const before = source.split('\n')[line - 1]!.trim();
    const isCode = !/^(?:\/\/|\*|\/\*|import |export type|type |interface |readonly |\| )/.test(before);
    if (isCode) mutants.push({ file, line, kind, before, text });
  };
  for (const [pattern, replacement, kind] of swaps) {
    for (const match of source.matchAll(pattern)) {
      add(
        match.index,
        kind,
        source.slice(0, match.index) + replacement + source.slice(match.index + match[0].length),
      );
    }
  }
  for (const match of source.matchAll(/\bif \(/g)) {
    const [start, end] = enclosed(source, match.index + 3);
    const condition = source.slice(start, end);
    const change = (text: string) => source.slice(0, start) + text + source.slice(end);
    add(match.index, 'condition never', change('false'));
    add(match.index, 'condition negated', change(`!(${condition})`));
  }
  for (const match of source.matchAll(/\.filter\(/g)) {
    const [start, end] = enclosed(source, match.index + 7);
    add(match.index, 'filter gone', `${source.slice(0, start)}() => true${source.slice(end)}`);
  }
  for (const match of source.matchAll(/^  '[a-z-]+',\n/gm)) {
    add(
      match.index,
      'entry gone',
      source.slice(0, match.index) + source.slice(match.index + match[0].length),
    );
  }
  return mutants;
}

/** Start and end of what stands between the parenthesis at `open` and its partner. */
function enclosed(source: string, open: number): [start: number, end: number] {
  let depth = 0;
  for (let i = open; i < source.length; i++) {
    if (source[i] === '(') depth++;
    else if (source[i] === ')' && --depth === 0) return [open + 1, i];
  }
  return [open + 1, open + 1];
}

function isEquivalent(mutant: Mutant): boolean {
  return equivalent.some(
    ([file, line, , kind]) =>
      (file === '' || file === mutant.file) &&
      mutant.before.includes(line) &&
      (kind === undefined || kind === mutant.kind),
  );
}

function isNoticed(copy: string, file = ''): boolean {
  const first = firstSuites[file] ?? 'cases';
  return [first, ...suites.filter((suite) => suite !== first)].some((suite) => {
    const { status } = spawnSync(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', join(copy, `test/policy/${suite}.test.ts`)],
      {
        cwd: copy,
        stdio: 'ignore',
        timeout: 60_000,
        // A mutant may loop for ever, and tap listens to SIGTERM.
        killSignal: 'SIGKILL',
        env: { TAP_BAIL: '1', FUZZ_CASES: '300' },
      },
    );
    return status !== 0;
  });
}

const copy = mkdtempSync(join(tmpdir(), 'mutate-'));
for (const folder of ['flow', 'policy', 'test/policy'])
  cpSync(join(root, folder), join(copy, folder), { recursive: true });
cpSync(join(root, 'package.json'), join(copy, 'package.json'));
symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
const wanted = process.argv.slice(2);
const survivors: Mutant[] = [];
let count = 0;
let skipped = 0;
try {
  if (isNoticed(copy)) throw new Error('the tests fail without any change');
  for (const file of files.filter((name) => wanted.length === 0 || wanted.includes(name))) {
    const path = join(copy, 'policy', `${file}.ts`);
    const source = readFileSync(path, 'utf8');
    const mutants = listMutants(file, source);
    process.stderr.write(`policy/${file}.ts: ${mutants.length} mutants\n`);
    for (const mutant of mutants) {
      if (isEquivalent(mutant)) {
        skipped++;
        continue;
      }
      count++;
      writeFileSync(path, mutant.text);
      if (!isNoticed(copy, file)) {
        survivors.push(mutant);
        process.stdout.write(
          `survived  policy/${file}.ts:${mutant.line}  ${mutant.kind}: ${mutant.before}\n`,
        );
      }
    }
    writeFileSync(path, source);
  }
} finally {
  rmSync(copy, { recursive: true });
}
const date = new Date().toISOString().slice(0, 10);
process.stdout.write(
  `${date}: ${count} mutants, ${count - survivors.length} noticed, ${survivors.length} survived; ${skipped} known to change nothing\n`,
);
process.exitCode = survivors.length === 0 ? 0 : 1;
