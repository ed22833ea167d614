// Blocklists: hosts with their subdomains, and addresses, that are blocked in every mode.
// Large lists are plain texts, read line by line; anything else goes through the YAML parser.

import { carriedV4, parseAddress, type Cidr } from '../flow/address.ts';
import type { Problem } from '../flow/errors.ts';
import { canonicaliseHost } from './canonicalise-host.ts';
import { checkBlocklistFile } from './check-schema.ts';
import { matchesHost, type HostPattern } from './match-host.ts';
import { parseYaml } from './parse-yaml.ts';
import { createProblemList, type ProblemList, type ValuePath } from './problem-list.ts';
import { addToRangeIndex, createRangeIndex, findInRangeIndex, type RangeIndex } from './range-index.ts';
import { readCidrs, readHosts, toEntries } from './read-values.ts';
import { runnerServiceHosts } from './runner-service.ts';
import type { BlocklistEntryFile } from './schema.ts';

/** One `blocklist` entry of the policy, or one of its files: what a decision names as its rule. */
export interface BlocklistSource {
  readonly id: string;
  readonly audit: boolean;
  readonly exceptions: readonly { readonly pattern: HostPattern; readonly untilMs: number }[];
}

export interface Blocklist {
  readonly hosts: Map<string, BlocklistSource[]>;
  readonly addresses: { readonly cidr: Cidr; readonly source: BlocklistSource }[];
  /** The same, to be found by address. */
  readonly ranges: RangeIndex<BlocklistSource>;
}

export function createBlocklist(): Blocklist {
  return { hosts: new Map(), addresses: [], ranges: createRangeIndex() };
}

function addRange(blocklist: Blocklist, cidr: Cidr, source: BlocklistSource): void {
  blocklist.addresses.push({ cidr, source });
  addToRangeIndex(blocklist.ranges, cidr, source);
}

/** The list that blocks this canonical host at this time, an enforced one before one that only records; or null. */
export function findBlockedHost(blocklist: Blocklist, host: string, nowMs: number): BlocklistSource | null {
  if (blocklist.hosts.size === 0) return null;
  let recorded: BlocklistSource | null = null;
  for (let at = 0; ;) {
    for (const source of blocklist.hosts.get(at === 0 ? host : host.slice(at)) ?? []) {
      if (isExcepted(source, host, nowMs)) continue;
      if (!source.audit) return source;
      recorded ??= source;
    }
    at = host.indexOf('.', at) + 1;
    if (at === 0) return recorded;
  }
}

function isExcepted(source: BlocklistSource, host: string, nowMs: number): boolean {
  return source.exceptions.some(({ pattern, untilMs }) => nowMs < untilMs && matchesHost(pattern, host));
}

/** The list that blocks this address or the IPv4 one that it carries, an enforced one before one that only records. */
export function findBlockedAddress(blocklist: Blocklist, address: string): BlocklistSource | null {
  if (blocklist.addresses.length === 0) return null;
  const bytes = parseAddress(address);
  if (bytes === null) return null;
  const inner = carriedV4(bytes);
  const hits = [
    ...findInRangeIndex(blocklist.ranges, bytes),
    ...(inner === null ? [] : findInRangeIndex(blocklist.ranges, inner)),
  ];
  return hits.find(({ audit }) => !audit) ?? hits[0] ?? null;
}

/** What compiling one policy's blocklist needs to know. */
export interface BlocklistInput {
  readonly list: ProblemList;
  readonly files: Readonly<Record<string, string>>;
  /** Names of the files that a glob of the policy matches. */
  readonly matchFiles: (glob: string) => readonly string[];
  readonly nowMs: number;
}

/** Adds one `blocklist` entry of the policy with the files that it names. */
export function compileBlocklistEntry(
  blocklist: Blocklist,
  entry: BlocklistEntryFile,
  path: ValuePath,
  input: BlocklistInput,
): void {
  const { list } = input;
  const exceptions = readExceptions(entry, path, input);
  const id = entry.id ?? (typeof path.at(-1) === 'number' ? `blocklist[${path.at(-1)}]` : 'blocklist[0]');
  const source: BlocklistSource = { id, audit: entry.mode === 'audit', exceptions };
  const force = entry.force === true;
  addEntries(blocklist, toEntries<string>(entry.hosts, [...path, 'hosts']), { source, list, force });
  addAddresses(blocklist, entry.addresses, [...path, 'addresses'], { source, list, force });
  for (const [glob, at] of toEntries<string>(entry.files, [...path, 'files'])) {
    const names = input.matchFiles(glob);
    if (names.length === 0)
      list.error(at, `no file matches "${glob}"`, 'paths are relative to the policy file');
    for (const name of names) {
      addFile(blocklist, name, input.files[name] ?? '', {
        audit: source.audit,
        exceptions,
        force,
        problems: list.problems,
      });
    }
  }
}

function readExceptions(
  entry: BlocklistEntryFile,
  path: ValuePath,
  input: BlocklistInput,
): BlocklistSource['exceptions'] {
  return toEntries(entry.except, [...path, 'except']).flatMap(([exception, at]) => {
    const untilMs = Date.parse(`${exception.until}T00:00:00Z`) + 86_400_000;
    if (Number.isNaN(untilMs))
      input.list.error([...at, 'until'], `"${exception.until}" is no date`, 'write 2027-01-31');
    else if (untilMs <= input.nowMs) {
      input.list.warn(
        [...at, 'until'],
        `the exception ended on ${exception.until}`,
        'remove it or set a later day',
      );
    }
    return readHosts(exception.host, [...at, 'host'], input.list).map((pattern) => ({ pattern, untilMs }));
  });
}

interface Target {
  readonly source: BlocklistSource;
  readonly list: ProblemList;
  readonly force: boolean;
}

function addEntries(
  blocklist: Blocklist,
  hosts: readonly (readonly [string, ValuePath])[],
  target: Target,
): void {
  for (const [text, at] of hosts) {
    const problem = addHost(blocklist, text, target);
    if (problem !== null) target.list.error(at, problem.message, problem.remedy);
  }
}

function addAddresses(
  blocklist: Blocklist,
  addresses: BlocklistEntryFile['addresses'],
  path: ValuePath,
  target: Target,
): void {
  for (const cidr of readCidrs(addresses, path, target.list)) addRange(blocklist, cidr, target.source);
}

interface EntryProblem {
  readonly message: string;
  readonly remedy: string;
}

function addHost(blocklist: Blocklist, text: string, { source, force }: Target): EntryProblem | null {
  // An entry covers its subdomains anyway, so that leading wildcards add nothing.
  const host = canonicaliseHost(text.replace(/^(?:\*{1,2}\.)+/, ''));
  if (host.kind === 'ambiguous' || text.includes('**.*')) {
    return { message: `"${text}" is no host`, remedy: 'write one host; its subdomains are covered' };
  }
  if (host.kind === 'address') {
    const bytes = parseAddress(host.address);
    if (bytes !== null) addRange(blocklist, { bytes, prefix: bytes.length * 8 }, source);
    return null;
  }
  const service = force ? undefined : runnerServiceHosts.find((known) => hitsHost(host.name, known));
  if (service !== undefined) {
    return {
      message: `"${text}" would cut runners off from their service (${service})`,
      remedy: 'remove the entry, or say "force: true" when that is meant',
    };
  }
  const sources = blocklist.hosts.get(host.name);
  if (sources === undefined) blocklist.hosts.set(host.name, [source]);
  else if (!sources.includes(source)) sources.push(source);
  return null;
}

function hitsHost(entry: string, service: string): boolean {
  return service === entry || service.endsWith(`.${entry}`);
}

interface FileContext {
  readonly audit: boolean;
  readonly force: boolean;
  readonly exceptions: BlocklistSource['exceptions'];
  readonly problems: Problem[];
}

function addFile(blocklist: Blocklist, name: string, text: string, context: FileContext): void {
  const lines = readPlainFile(name, text);
  if (lines === null) {
    const { data, list } = parseYaml(name, text, context.problems);
    const file = data === null ? {} : checkBlocklistFile(data, list);
    const source = {
      id: name,
      audit: context.audit || file.mode === 'audit',
      exceptions: context.exceptions,
    };
    const target = { source, list, force: context.force || file.force === true };
    addEntries(blocklist, toEntries<string>(file.hosts, ['hosts']), target);
    addAddresses(blocklist, file.addresses, ['addresses'], target);
    return;
  }
  // A path of one number is a line of a plain file.
  const list = createProblemList(
    name,
    (path) => ({ line: Number(path[0] ?? 1), column: 1 }),
    context.problems,
  );
  const source = { id: name, audit: context.audit || lines.audit, exceptions: context.exceptions };
  const target = { source, list, force: context.force || lines.force };
  for (const { line, text: entry, isAddress } of lines.entries) {
    if (isAddress || entry.includes('/')) addAddresses(blocklist, entry, [line], target);
    else addEntries(blocklist, [[entry, [line]]], target);
  }
}

interface PlainFile {
  audit: boolean;
  force: boolean;
  readonly entries: { readonly line: number; readonly text: string; readonly isAddress: boolean }[];
}

const blankLine = /^\s*(?:#.*)?$/;
const itemLine =
  /^\s*- +(?:"([A-Za-z0-9.*_:/-]+)"|'([A-Za-z0-9.*_:/-]+)'|([A-Za-z0-9][A-Za-z0-9._:/-]*))\s*(?:#.*)?$/;
const keyLine = /^(hosts|addresses):\s*(?:#.*)?$/;

/** Reads a text file, or YAML of nothing but lists one item a line; null when the file needs the YAML parser. */
function readPlainFile(name: string, text: string): PlainFile | null {
  const isText = !/\.ya?ml$/.test(name);
  const file: PlainFile = { audit: false, force: false, entries: [] };
  const seen = new Set<string>();
  let isAddress = false;
  let line = 0;
  for (const row of text.split(/\r?\n/)) {
    line++;
    if (blankLine.test(row)) continue;
    if (isText) {
      file.entries.push({ line, text: row.replace(/\s#.*$/, '').trim(), isAddress: false });
      continue;
    }
    const item = seen.has('hosts') || seen.has('addresses') ? itemLine.exec(row) : null;
    if (item !== null) {
      const value = item[1] ?? item[2] ?? item[3]!;
      if (item[3] !== undefined && isYamlWord(value)) return null;
      file.entries.push({ line, text: value, isAddress });
    } else if (!readPlainKey(row, file, seen)) return null;
    else isAddress = row.startsWith('addresses');
  }
  return file;
}

// Unquoted, these are numbers or words of YAML, or mappings.
function isYamlWord(value: string): boolean {
  return (
    value.endsWith(':') ||
    /^(?:null|true|false|\d+(?:\.\d*)?(?:e[-+]?\d+)?|0x[\da-f]+|0o[0-7]+)$/i.test(value)
  );
}

function readPlainKey(row: string, file: PlainFile, seen: Set<string>): boolean {
  const key = /^[a-z]+/.exec(row)?.[0] ?? '';
  if (seen.has(key)) return false;
  seen.add(key);
  if (keyLine.test(row)) return true;
  if (/^mode: +audit\s*(?:#.*)?$/.test(row)) return (file.audit = true);
  return /^force: +true\s*(?:#.*)?$/.test(row) && (file.force = true);
}
