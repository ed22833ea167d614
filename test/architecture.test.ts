// Holds the import table of ARCHITECTURE.md, the size of files, and the words that are not ours.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import t from 'tap';

const root = resolve(import.meta.dirname, '..');
const table: Readonly<Record<string, readonly string[]>> = {
  flow: [],
  policy: ['flow'],
  certs: ['flow'],
  kernel: ['flow'],
  dns: ['flow', 'policy'],
  jobs: ['flow'],
  proxy: ['flow', 'policy', 'certs', 'kernel'],
  store: ['flow'],
  platform: ['flow'],
  registry: ['flow'],
  actions: ['flow'],
  advise: ['flow', 'policy', 'platform', 'store'],
  api: ['flow', 'policy', 'store', 'detect', 'advise', 'jobs'],
  netns: ['flow', 'certs', 'kernel', 'policy', 'store'],
  doctor: ['flow', 'netns', 'policy', 'store'],
};
function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) =>
    relative(root, resolve(dirname(file), match[1]!)),
  );
}

const folders = Object.keys(table).filter((folder) => {
  try {
    return statSync(join(root, folder)).isDirectory();
  } catch {
    return false;
  }
});

t.test('each folder imports only what the table allows', async (t) => {
  for (const folder of folders) {
    const allowed = new Set([folder, ...table[folder]!]);
    const wrong = sources(join(root, folder)).flatMap((file) =>
      importsOf(file)
        .filter((path) => !allowed.has(path.split('/')[0]!))
        .map((path) => `${relative(root, file)} imports ${path}`),
    );
    t.same(wrong, [], folder);
  }
});

t.test('nothing imports a root file but root files', async (t) => {
  const wrong = folders
    .flatMap((folder) => sources(join(root, folder)))
    .flatMap((file) =>
      importsOf(file)
        .filter((path) => !path.includes('/'))
        .map((path) => `${relative(root, file)} imports ${path}`),
    );
  t.same(wrong, []);
});

t.test('no folder takes part in an import cycle of files', async (t) => {
  const graph = new Map(
    folders
      .flatMap((folder) => sources(join(root, folder)))
      .map((file) => [relative(root, file), runtimeImports(file)] as const),
  );
  const state = new Map<string, 'open' | 'done'>();
  const cycles: string[] = [];
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      cycles.push([...trail.slice(trail.indexOf(file)), file].join(' > '));
      return;
    }
    state.set(file, 'open');
    for (const next of graph.get(file) ?? []) visit(next, [...trail, file]);
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file, []);
  t.same(cycles, []);
});

// A type-only import is erased and makes no cycle at run time.
function runtimeImports(file: string): string[] {
  const text = readFileSync(file, 'utf8').replaceAll(/import type [^;]+;/g, '');
  return [...text.matchAll(/from\s+'(\.[^']+)'/g)].map((match) =>
    relative(root, resolve(dirname(file), match[1]!)),
  );
}

t.test('every source file says first what it owns', async (t) => {
  const silent = folders
    .flatMap((folder) => sources(join(root, folder)))
    .filter((file) => !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(readFileSync(file, 'utf8')));
  t.same(
    silent.map((file) => relative(root, file)),
    [],
  );
});
