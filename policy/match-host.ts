// Host patterns: `*` is one label or a piece of one, `**` one or more labels, a bare name covers itself only.
// The index finds the patterns that cover a host in as many look-ups as the host has labels.

import { canonicaliseHost } from './canonicalise-host.ts';
import { matchesSequence, readToken, type Token } from './match-sequence.ts';

export interface HostPattern {
  readonly text: string;
  /** Literal labels at the end, for example `a.example` of `*.a.example`; the whole host of an exact pattern. */
  readonly tail: string;
  /** Tokens before the tail; null for an exact pattern. */
  readonly lead: readonly Token[] | null;
}

export type ReadPattern<P> = { readonly pattern: P } | { readonly problem: string; readonly remedy: string };

const wildLabel = /^[a-z0-9_*-]{1,63}$/;

/** Reads a host pattern of a policy into its canonical form. */
export function readHostPattern(text: string): ReadPattern<HostPattern> {
  const labels = text.replace(/\.$/, '').split('.');
  const lastWild = labels.findLastIndex((label) => label.includes('*'));
  if (lastWild < 0) return readExact(text);
  const tail = labels.slice(lastWild + 1).join('.');
  const host = tail === '' ? null : canonicaliseHost(tail);
  if (host !== null && host.kind !== 'name')
    return unreadable(text, 'no host name stands after the wildcard');
  const lead: Token[] = [];
  for (const label of labels.slice(0, lastWild + 1)) {
    const token = readLabel(label);
    if (token === null) return unreadable(text, `"${label}" is neither a label nor a wildcard`);
    if (token.kind === 'many') lead.push({ kind: 'one' });
    lead.push(token);
  }
  const name = host === null ? '' : host.name;
  return {
    pattern: { text: [...labels.slice(0, lastWild + 1), name].join('.').toLowerCase(), tail: name, lead },
  };
}

function readExact(text: string): ReadPattern<HostPattern> {
  const host = canonicaliseHost(text);
  if (host.kind === 'ambiguous') return unreadable(text, host.detail);
  const name = host.kind === 'name' ? host.name : host.address;
  return { pattern: { text: name, tail: name, lead: null } };
}

function readLabel(label: string): Token | null {
  if (label.includes('*')) {
    const lower = label.toLowerCase();
    return wildLabel.test(lower) ? readToken(lower) : null;
  }
  const host = canonicaliseHost(`${label}.example`);
  return host.kind === 'name' ? { kind: 'literal', text: host.name.slice(0, -'.example'.length) } : null;
}

function unreadable(text: string, problem: string): ReadPattern<HostPattern> {
  return {
    problem: `"${text}" is no host: ${problem}`,
    remedy: 'write a host such as "registry.example", "*.example" (one label) or "**.example" (any depth)',
  };
}

/** True when the pattern covers the canonical host. */
export function matchesHost(pattern: HostPattern, host: string): boolean {
  if (pattern.lead === null) return pattern.tail === host;
  if (pattern.tail !== '' && !host.endsWith(`.${pattern.tail}`)) return false;
  const labels = host.split('.');
  const tailLabels = pattern.tail === '' ? 0 : pattern.tail.split('.').length;
  return !isAddressText(host) && matchesSequence(pattern.lead, labels, labels.length - tailLabels);
}

// A wildcard stands for names; an address is opened only by itself.
function isAddressText(host: string): boolean {
  return host.includes(':') || /\.\d+$/.test(host);
}

/** What a host index holds: rules that may except hosts. */
interface Indexed {
  readonly exceptHosts: readonly HostPattern[];
}

/** All values that give the same pattern. */
export interface HostGroup<V> {
  /** Unique in the process. */
  readonly id: number;
  readonly lead: readonly Token[] | null;
  readonly values: V[];
  /** Some value excepts hosts, so that not all of them hold for every host of the pattern. */
  mayExcept: boolean;
}

export interface HostIndex<V> {
  readonly exact: Map<string, HostGroup<V>>;
  /** By literal tail, then by the whole pattern. */
  readonly wild: Map<string, Map<string, HostGroup<V>>>;
}

export function createHostIndex<V>(): HostIndex<V> {
  return { exact: new Map(), wild: new Map() };
}

let groupCount = 0;

export function addToHostIndex<V extends Indexed>(index: HostIndex<V>, pattern: HostPattern, value: V): void {
  const { lead, tail, text } = pattern;
  let groups = index.exact;
  if (lead !== null) {
    groups = index.wild.get(tail) ?? new Map();
    index.wild.set(tail, groups);
  }
  const key = lead === null ? tail : text;
  let group = groups.get(key);
  if (group === undefined) {
    group = { id: groupCount++, lead, values: [], mayExcept: false };
    groups.set(key, group);
  }
  group.values.push(value);
  if (value.exceptHosts.length > 0) group.mayExcept = true;
}

/** The groups whose pattern covers the canonical host; one probe for each label. */
export function findHostGroups<V>(index: HostIndex<V>, host: string): HostGroup<V>[] {
  const exact = index.exact.get(host);
  const found = exact === undefined ? [] : [exact];
  if (index.wild.size === 0 || isAddressText(host)) return found;
  const labels = host.split('.');
  for (let count = labels.length, tail = ''; count > 0;) {
    for (const group of index.wild.get(tail)?.values() ?? []) {
      if (matchesSequence(group.lead ?? [], labels, count)) found.push(group);
    }
    count--;
    tail = tail === '' ? labels[count]! : `${labels[count]!}.${tail}`;
  }
  return found;
}
