// What a worker that was taken over can do to control by the files it writes: nothing.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readWorkerStats } from '../../api/worker-stats.ts';

const directory = mkdtempSync(join(tmpdir(), 'stats-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const at = (index: number): string => join(directory, `worker-${index}.json`);
const now = 1_700_000_000_000;
const good = {
  instance: 'worker-0-77',
  time: now - 400,
  revision: '0123456789ab',
  snapshot: [{ name: 'x' }],
};

const cases: readonly (readonly [what: string, make: (path: string) => void, expected: object])[] = [
  [
    'what a worker writes, with its padding',
    (path) => writeFileSync(path, JSON.stringify(good).padEnd(32_768)),
    {
      instance: 'worker-0/worker-0-77',
      time: now - 400,
      revision: '0123456789ab',
      snapshot: [{ name: 'x' }],
    },
  ],
  ['no file', () => {}, { problem: 'missing' }],
  ['a pipe', (path) => void spawnSync('mkfifo', [path]), { problem: 'no regular file' }],
  ['a folder', (path) => mkdirSync(path), { problem: 'no regular file' }],
  ['a link to a secret', (path) => symlinkSync('/etc/passwd', path), { problem: 'no regular file' }],
  ['a link to nothing', (path) => symlinkSync('/nonexistent', path), { problem: 'no regular file' }],
  [
    'a gigabyte',
    (path) => {
      const fd = openSync(path, 'w');
      ftruncateSync(fd, 1024 ** 3);
      closeSync(fd);
    },
    { problem: 'too large' },
  ],
  ['half a text', (path) => writeFileSync(path, '{"instance":"secret'), { problem: 'no statistics' }],
  ['another type', (path) => writeFileSync(path, 'null'), { problem: 'no statistics' }],
  [
    'no instance',
    (path) => writeFileSync(path, JSON.stringify({ ...good, instance: 5 })),
    { problem: 'no statistics' },
  ],
  [
    'a long instance',
    (path) => writeFileSync(path, JSON.stringify({ ...good, instance: 'x'.repeat(65) })),
    { problem: 'no statistics' },
  ],
  [
    'a time to come',
    (path) => writeFileSync(path, JSON.stringify({ ...good, time: 1e18 })),
    { problem: 'no statistics' },
  ],
  [
    'no time',
    (path) => writeFileSync(path, JSON.stringify({ ...good, time: null })),
    { problem: 'no statistics' },
  ],
  [
    'a revision that is none',
    (path) => writeFileSync(path, JSON.stringify({ ...good, revision: '<script>' })),
    { revision: null },
  ],
];

t.test('each file is read for what it is, at once and by its own worker’s name', async (t) => {
  cases.forEach(([, make], index) => make(at(index)));
  // Others in the folder are not looked at, however many.
  for (let i = 0; i < 1000; i++) writeFileSync(join(directory, `worker-x${i}.json`), '{');
  const started = performance.now();
  const found = readWorkerStats(
    directory,
    cases.map((_, index) => `worker-${index}`),
    now,
  );
  t.ok(performance.now() - started < 200);
  t.equal(found.length, cases.length);
  for (const [index, [what, , expected]] of cases.entries())
    t.match(found[index], { worker: `worker-${index}`, ...expected }, what);
  t.notMatch(JSON.stringify(found), /secret|root:/);
  t.same(readWorkerStats('/nonexistent', ['worker-0'], now), [{ worker: 'worker-0', problem: 'missing' }]);
});
