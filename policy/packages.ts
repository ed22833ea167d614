// What policy says of the packages that a request touches: their age, the malware feed, names of one's own, lists.

import type { Operation, Touch } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { publicRegistries, RegistryHosts, registryName } from '../flow/registry-server.ts';
import { matchesPurl, readPurlPattern, type PurlPattern } from './match-purl.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { toEntries, toList } from './read-values.ts';
import type { PackagesFile } from './schema.ts';

type Word = 'allow' | 'detect' | 'block';
type PackageTouch = Extract<Touch, { kind: 'package' }>;

interface Term {
  readonly id: string;
  readonly purls: readonly PurlPattern[];
  /** Null: every registry. */
  readonly registries: readonly string[] | null;
}

interface AgeTerm extends Term {
  readonly minMs: number;
}

interface Exception extends Term {
  readonly untilMs: number;
  readonly coversMalware: boolean;
}

export interface PackageTerms {
  readonly age: readonly AgeTerm[];
  readonly unknownAge: Word;
  readonly malware: Word;
  /** Lists of versions are shortened on their way. */
  readonly rewrite: boolean;
  readonly internal: readonly Term[];
  readonly allow: readonly Term[];
  readonly block: readonly Term[];
  readonly except: readonly Exception[];
}

/** Why a package is not let through; `detect` where it is only recorded. */
export interface PackageRefusal {
  readonly reason: Reason;
  readonly rule: string | null;
  readonly isRecordedOnly: boolean;
}

/** Reads the key of the top level; null where it is not there. */
export function readPackageTerms(
  file: PackagesFile | undefined,
  path: ValuePath,
  list: ProblemList,
): PackageTerms | null {
  if (file === undefined) return null;
  const read = (key: 'age' | 'internal' | 'allow' | 'block' | 'except') =>
    toEntries<TermFile>(file[key], [...path, key]).map(([term, at]) => readTerm(term, at, key, list));
  return {
    age: read('age'),
    unknownAge: file.unknownAge ?? 'detect',
    malware: file.malware ?? 'block',
    rewrite: file.rewrite === true,
    internal: read('internal'),
    allow: read('allow'),
    block: read('block'),
    except: read('except'),
  };
}

interface TermFile {
  readonly id?: string;
  readonly purl?: string | readonly string[];
  readonly registry?: string | readonly string[];
  readonly min?: string;
  readonly until?: string;
  readonly malware?: boolean;
}

function readTerm(file: TermFile, at: ValuePath, key: string, list: ProblemList): AgeTerm & Exception {
  const last = at.at(-1)!;
  if (file.purl === undefined && file.registry === undefined)
    list.error(at, 'it names no package and no registry', 'add "purl" or "registry"');
  return {
    id: file.id ?? `packages.${key}[${typeof last === 'number' ? last : 0}]`,
    purls: readPurls(file.purl, [...at, 'purl'], list),
    registries: file.registry === undefined ? null : readRegistries(file.registry),
    minMs: readDuration(file.min ?? '0m'),
    // The whole of the last day counts.
    untilMs: file.until === undefined ? 0 : Date.parse(`${file.until}T00:00:00Z`) + 86_400_000,
    coversMalware: file.malware === true,
  };
}

const publicHosts = new RegistryHosts(publicRegistries);

/** Registries by the name that requests have them under: a host of a known one is that one. */
export function readRegistries(value: string | readonly string[]): string[] {
  return toList<string>(value).map((text) => registryName(publicHosts, text.toLowerCase()));
}

export function readPurls(
  value: string | readonly string[] | undefined,
  path: ValuePath,
  list: ProblemList,
): PurlPattern[] {
  return toEntries<string>(value, path).flatMap(([text, at]) => {
    const read = readPurlPattern(text);
    if ('pattern' in read) return [read.pattern];
    list.error(at, read.problem, read.remedy);
    return [];
  });
}

const unitsMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };

function readDuration(text: string): number {
  return Number(text.slice(0, -1)) * unitsMs[text.at(-1)!]!;
}

/** The first reason why something that the operation touches may not be had, or null. */
export function findPackageRefusal(
  terms: PackageTerms,
  operation: Operation,
  nowMs: number,
): PackageRefusal | null {
  let recorded: PackageRefusal | null = null;
  for (const touch of operation.touches) {
    if (touch.kind !== 'package' || touch.purl === null) continue;
    const refusal = judgePackage(terms, touch, nowMs);
    if (refusal !== null && !refusal.isRecordedOnly) return refusal;
    recorded ??= refusal;
  }
  return recorded;
}

/** Why one package may not be had, or null. */
export function judgePackage(terms: PackageTerms, touch: PackageTouch, nowMs: number): PackageRefusal | null {
  if (touch.act !== 'install' && touch.act !== 'metadata') return null;
  const internal = findTerm(terms.internal, touch, true);
  if (internal !== undefined && !internal.registries!.includes(touch.registry.toLowerCase()))
    return refuse('internal-package', internal.id);
  const blocked = findTerm(terms.block, touch);
  if (blocked !== undefined) return refuse('package-blocked', blocked.id);
  if (touch.act === 'install' && isUnlisted(terms.allow, touch)) return refuse('package-unlisted', null);
  const exception = terms.except.find((term) => term.untilMs > nowMs && covers(term, touch));
  if (touch.facts?.malicious != null && exception?.coversMalware !== true && terms.malware !== 'allow')
    return refuse('malicious-package', touch.facts.malicious, terms.malware === 'detect');
  if (touch.act !== 'install' || exception !== undefined) return null;
  return judgeAge(terms, touch);
}

function judgeAge(terms: PackageTerms, touch: PackageTouch): PackageRefusal | null {
  const term = findAgeTerm(terms.age, touch);
  if (term === null || term.minMs === 0) return null;
  const ageMs = touch.facts?.ageMs ?? touch.facts?.atLeastMs ?? null;
  if (ageMs !== null && ageMs >= term.minMs) return null;
  if (touch.facts?.ageMs != null) return refuse('package-age', term.id);
  if (terms.unknownAge === 'allow') return null;
  return refuse('unknown-age', term.id, terms.unknownAge === 'detect');
}

/** The term that says most of the package. */
function findAgeTerm(terms: readonly AgeTerm[], touch: PackageTouch): AgeTerm | null {
  let best: AgeTerm | null = null;
  for (const term of terms) {
    if (!covers(term, touch)) continue;
    const order = best === null ? 1 : compareTerms(term, best, touch);
    if (best === null || order > 0 || (order === 0 && term.minMs > best.minMs)) best = term;
  }
  return best;
}

function compareTerms(a: AgeTerm, b: AgeTerm, touch: PackageTouch): number {
  const byRegistry = Number(a.registries !== null) - Number(b.registries !== null);
  return byRegistry || literals(a, touch) - literals(b, touch);
}

/** How much of the package's name the term spells out, in characters. */
function literals(term: Term, { purl, version }: PackageTouch): number {
  const lengths = term.purls
    .filter((pattern) => matchesPurl(pattern, purl!, version))
    .map(({ text }) => text.replaceAll('*', '').length);
  return Math.max(0, ...lengths);
}

/** Of an ecosystem of which something is listed only that is installed. */
function isUnlisted(allow: readonly Term[], touch: PackageTouch): boolean {
  const type = /^pkg:[^/]+\//.exec(touch.purl!)?.[0].toLowerCase() ?? '';
  const isGoverned = allow.some(({ purls }) => purls.some(({ text }) => text.toLowerCase().startsWith(type)));
  return isGoverned && findTerm(allow, touch) === undefined;
}

function findTerm(terms: readonly Term[], touch: PackageTouch, anyRegistry = false): Term | undefined {
  return terms.find((term) => covers(anyRegistry ? { ...term, registries: null } : term, touch));
}

function covers({ purls, registries }: Term, { purl, version, registry }: PackageTouch): boolean {
  if (registries !== null && !registries.includes(registry.toLowerCase())) return false;
  return purls.length === 0 || purls.some((pattern) => matchesPurl(pattern, purl!, version));
}

function refuse(reason: Reason, rule: string | null, isRecordedOnly = false): PackageRefusal {
  return { reason, rule, isRecordedOnly };
}
