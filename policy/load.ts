// From files to a policy: collects the files that a policy names, checks all of them and lists every problem.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { InvalidInputError, type Problem } from '../flow/errors.ts';
import type { PlatformServer } from '../flow/platform-server.ts';
import { checkPolicyFile } from './check-schema.ts';
import { compilePolicy, type Policy } from './compile.ts';
import { matchesSequence, readToken } from './match-sequence.ts';
import { parseYaml } from './parse-yaml.ts';
import { toList } from './read-values.ts';
import { readOneKey } from './split-yaml.ts';
import { matchKeys, type MatchKey } from './schema.ts';
import type { SteerPool } from './warn-steer.ts';

/** The policy file with every file it names, as text; names are relative to the folder of the policy. */
export interface PolicyBundle {
  readonly entry: string;
  readonly files: Readonly<Record<string, string>>;
}

export interface LoadOptions {
  /** Match keys that the configured sources of jobs supply; default all. */
  readonly suppliedKeys?: ReadonlySet<MatchKey>;
  /** Match keys of which the configured jobs have a value; a scope that asks for another is warned about. Default all. */
  readonly knownKeys?: ReadonlySet<MatchKey>;
  /** In mode steer: whether there are virtual addresses. Default: another mode, or not known. */
  readonly steer?: SteerPool;
  readonly nowMs?: number;
  /** Servers of forges that are known; default github.com and gitlab.com. */
  readonly servers?: readonly PlatformServer[];
}

// Object.keys widens the keys that the schema fixes.
const everyKey: ReadonlySet<MatchKey> = new Set(Object.keys(matchKeys) as MatchKey[]);

/** Reads a policy and the blocklist files that it names. @throws InvalidInputError when a file cannot be read */
export function readPolicyBundle(path: string): PolicyBundle {
  const entry = basename(path);
  const folder = dirname(path);
  const files: Record<string, string> = { [entry]: readText(path, entry) };
  for (const glob of listGlobs(files[entry]!)) {
    for (const name of findFiles(folder, glob)) files[name] ??= readText(join(folder, name), name);
  }
  return { entry, files };
}

/** Checks and compiles a bundle. @throws InvalidInputError with every problem, warnings included */
export function loadPolicy(
  bundle: PolicyBundle,
  options: LoadOptions = {},
): { policy: Policy; warnings: readonly Problem[] } {
  const problems: Problem[] = [];
  const { data, list } = parseYaml(bundle.entry, bundle.files[bundle.entry] ?? '', problems);
  if (data === null && problems.length === 0)
    list.error([], 'the policy is empty', 'begin with "version: 1"');
  const checked = data === null ? null : checkPolicyFile(data, list);
  const file = typeof data === 'object' && !Array.isArray(data) ? checked : null;
  const names = Object.keys(bundle.files).filter((name) => name !== bundle.entry);
  const policy =
    file === null
      ? null
      : compilePolicy({
          file,
          list,
          files: bundle.files,
          matchFiles: (glob) => names.filter((name) => matchesGlob(glob, name)),
          revision: hashBundle(bundle),
          suppliedKeys: options.suppliedKeys ?? everyKey,
          knownKeys: options.knownKeys ?? everyKey,
          nowMs: options.nowMs ?? Date.now(),
          ...(options.steer === undefined ? {} : { steer: options.steer }),
          ...(options.servers === undefined ? {} : { servers: options.servers }),
        });
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  if (policy === null || sorted.some(({ severity }) => severity === 'error')) {
    throw new InvalidInputError('policy-invalid', sorted);
  }
  return { policy, warnings: sorted };
}

function readText(path: string, name: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const detail = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    const message = `the file cannot be read (${detail})`;
    const problem = {
      file: name,
      line: 1,
      column: 1,
      severity: 'error',
      message,
      remedy: 'check the path',
    } as const;
    throw new InvalidInputError('policy-invalid', [problem]);
  }
}

/** File patterns of `blocklist`, as far as the text can be read; loadPolicy reports what is wrong with it. */
function listGlobs(text: string): string[] {
  if (!/\bblocklist\b/.test(text)) return [];
  const entries = toList<unknown>((readOneKey(text, 'blocklist') ?? readBlocklist(text)).value);
  return entries.flatMap((entry) => {
    const files = typeof entry === 'object' && entry !== null && 'files' in entry ? entry.files : [];
    return toList<unknown>(files).filter((glob) => typeof glob === 'string');
  });
}

function readBlocklist(text: string): { readonly value: unknown } {
  const { data } = parseYaml('', text, []);
  return { value: typeof data === 'object' && data !== null && 'blocklist' in data ? data.blocklist : null };
}

const maxFiles = 10_000;

function findFiles(folder: string, glob: string): string[] {
  const parts = glob.split('/');
  const firstWild = parts.findIndex((part) => part.includes('*'));
  if (firstWild < 0) return existsAsFile(folder, glob) ? [glob] : [];
  const base = parts.slice(0, firstWild).join('/');
  const found: string[] = [];
  const walk = (relative: string, depth: number) => {
    for (const entry of listFolder(join(folder, relative))) {
      const name = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (found.length >= maxFiles) return;
      if (entry.isDirectory() && depth < 16) walk(name, depth + 1);
      else if (!entry.isDirectory() && matchesGlob(glob, name)) found.push(name);
    }
  };
  walk(base, 0);
  return found.toSorted();
}

function listFolder(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    // A folder that is not there matches no file, which loadPolicy reports.
    return [];
  }
}

function existsAsFile(folder: string, name: string): boolean {
  return listFolder(join(folder, dirname(name))).some(
    (entry) => entry.name === basename(name) && !entry.isDirectory(),
  );
}

function matchesGlob(glob: string, name: string): boolean {
  const tokens = normalise(glob).map(readToken);
  const parts = normalise(name);
  return (
    matchesSequence(
      tokens.filter((token) => token !== null),
      parts,
      parts.length,
    ) && !tokens.includes(null)
  );
}

function normalise(name: string): string[] {
  return name.replace(/^\.\//, '').split('/');
}

function hashBundle(bundle: PolicyBundle): string {
  const hash = createHash('sha256');
  for (const name of Object.keys(bundle.files).toSorted()) {
    const text = bundle.files[name]!;
    hash.update(`${name.length}:${name}${text.length}:`).update(text);
  }
  return hash.digest('hex').slice(0, 12);
}
