// What policy says of the packages that a request touches: their age, the malware feed, names of one's own, lists.

import { readImageName } from '../flow/image-purl.ts';
import type { Operation, Touch } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { publicRegistries, RegistryHosts, registryName } from '../flow/registry-server.ts';
import { matchesPurl, readPurlPattern, type PurlPattern } from './match-purl.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { toEntries } from './read-values.ts';
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
    registries: file.registry === undefined ? null : readRegistries(file.registry, [...at, 'registry'], list),
    minMs: readDuration(file.min ?? '0m'),
    untilMs: file.until === undefined ? 0 : readLastDay(file.until, [...at, 'until'], list),
    coversMalware: file.malware === true,
  };
}

const publicHosts = new RegistryHosts(publicRegistries);

/** The name that requests to a host of a known registry have; of any other the host itself. */
export const nameRegistry = (host: string): string => registryName(publicHosts, host);

/** The end of the day (UTC): the whole of it counts. */
function readLastDay(text: string, at: ValuePath, list: ProblemList): number {
  const startMs = Date.parse(`${text}T00:00:00Z`);
  if (Number.isNaN(startMs) || !new Date(startMs).toISOString().startsWith(text))
    list.error(at, `"${text}" is no date`, 'write 2027-01-31');
  return startMs + 86_400_000;
}

/** Registries by the name that requests have them under: a host of a known one is that one. */
export function readRegistries(
  value: string | readonly string[],
  path: ValuePath,
  list: ProblemList,
): string[] {
  return toEntries<string>(value, path).map(([text, at]) => {
    const name = text.toLowerCase();
    const meant = nameRegistry(`x.${name}`);
    if (!/^[a-z0-9][a-z0-9.-]*(?:\/[^\s?#:]*)?$/.test(name))
      list.error(
        at,
        `"${text}" is no registry`,
        'write its name or host alone: npmjs.com, nexus.corp.example',
      );
    else if (nameRegistry(name) === name && meant !== `x.${name}` && meant !== name)
      list.error(at, `"${text}" is the name of no registry`, `write ${meant}`);
    return nameRegistry(name);
  });
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
  for (const touched of operation.touches) {
    const refusal = judgeTouch(terms, touched, operation, nowMs);
    if (refusal !== null && isForLater(touched, refusal)) continue;
    if (refusal !== null && !refusal.isRecordedOnly) return refusal;
    recorded ??= refusal;
  }
  return recorded;
}

function judgeTouch(
  terms: PackageTerms,
  touched: Touch,
  operation: Operation,
  nowMs: number,
): PackageRefusal | null {
  const touch = asPackage(touched);
  if (touch === null) return judgeHidden(terms, touched, operation);
  const mayInstall = touch.act === 'metadata' && isUnplaced(operation);
  return judgePackage(terms, mayInstall ? { ...touch, act: 'install' } : touch, nowMs);
}

/** True for a read at a registry that nobody could place: what it answers with may be a file. */
const isUnplaced = ({ sureness, byShape, access }: Operation): boolean =>
  sureness === 'unknown' && byShape !== true && access === 'read';

/** A file of a package that the path does not tell: it has no age and is on no list. */
function judgeHidden(terms: PackageTerms, touch: Touch, operation: Operation): PackageRefusal | null {
  if (touch.kind !== 'package' || touch.purl !== null) return null;
  // On a forge nobody says of which ecosystem it is.
  const isForge = operation.platform === 'github' || operation.platform === 'gitlab';
  if (!isUnplaced(operation) && !(isForge && touch.act === 'install')) return null;
  const mayBe = ({ purls }: Term): boolean =>
    isForge || purls.length === 0 || purls.some(({ text }) => isOfType(text, operation.platform));
  if (terms.allow.some((term) => term.purls.length > 0 && mayBe(term)))
    return refuse('package-unlisted', null);
  const near = terms.age.filter(
    (term) => mayBe(term) && (term.registries === null || isAmong(term.registries, touch)),
  );
  const named = near.filter(({ registries }) => registries !== null);
  const term = (named.length > 0 ? named : near).find(({ minMs }) => minMs > 0);
  if (term === undefined || terms.unknownAge === 'allow') return null;
  return refuse('unknown-age', term.id, terms.unknownAge === 'detect');
}

const isOfType = (pattern: string, type: string): boolean =>
  new RegExp(`^pkg:(?:${type}|\\*)/`, 'i').test(pattern);

/** A package by its name, an image as one of type `oci`; null: nothing that has a name. Pushes are for `images`. */
function asPackage(touch: Touch): PackageTouch | null {
  if (touch.kind === 'package') return touch.purl === null ? null : touch;
  if (touch.kind !== 'image' || touch.access !== 'read') return null;
  const { access, reference, facts } = touch;
  const name = readImageName(touch.image);
  const act = reference === null ? 'metadata' : 'install';
  return name && { kind: 'package', access, act, version: reference, ...name, ...(facts && { facts }) };
}

/** The configuration of an image tells its age, and is asked for after the manifest: until then what is known counts. */
function isForLater(touch: Touch, { reason }: PackageRefusal): boolean {
  if (touch.kind !== 'image') return false;
  if (reason === 'unknown-age') return touch.ageDue !== 'now';
  return reason === 'package-age' && touch.ageDue === 'later';
}

/** True where an age is asked of images: answers that tell it are waited for. */
export function asksImageAges({ age }: PackageTerms): boolean {
  return age.some(
    ({ purls }) => purls.length === 0 || purls.some(({ text }) => /^pkg:(?:oci|\*)\//.test(text)),
  );
}

/** Why one package may not be had, or null. */
export function judgePackage(terms: PackageTerms, touch: PackageTouch, nowMs: number): PackageRefusal | null {
  if (touch.act !== 'install' && touch.act !== 'metadata') return null;
  const internal = findTerm(terms.internal, touch, true);
  if (internal !== undefined && !isAmong(internal.registries!, touch))
    return refuse('internal-package', internal.id);
  const blocked = findTerm(terms.block, touch);
  if (blocked !== undefined) return refuse('package-blocked', blocked.id);
  if (touch.act === 'install' && isUnlisted(terms.allow, touch)) return refuse('package-unlisted', null);
  const exception = terms.except.find((term) => term.untilMs > nowMs && covers(term, touch));
  const malicious = exception?.coversMalware === true ? null : judgeMalware(terms, touch);
  if (malicious?.isRecordedOnly === false || touch.act !== 'install' || exception !== undefined)
    return malicious;
  // What is only recorded takes nothing from an age that is asked.
  const young = judgeAge(terms, touch);
  return young?.isRecordedOnly === false ? young : (malicious ?? young);
}

function judgeMalware({ malware }: PackageTerms, { facts }: PackageTouch): PackageRefusal | null {
  if (facts?.malicious == null || malware === 'allow') return null;
  return refuse('malicious-package', facts.malicious, malware === 'detect');
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

/** True when the list names the touch's registry, or the part of it that is meant. */
export function isAmong(
  registries: readonly string[],
  { registry, part }: Pick<PackageTouch, 'registry' | 'part'>,
): boolean {
  const name = registry.toLowerCase();
  return (
    registries.includes(name) || (part !== undefined && registries.includes(`${name}${part}`.toLowerCase()))
  );
}

function covers({ purls, registries }: Term, touch: PackageTouch): boolean {
  const { purl, version } = touch;
  if (registries !== null && !isAmong(registries, touch)) return false;
  return purls.length === 0 || purls.some((pattern) => matchesPurl(pattern, purl!, version));
}

function refuse(reason: Reason, rule: string | null, isRecordedOnly = false): PackageRefusal {
  return { reason, rule, isRecordedOnly };
}
