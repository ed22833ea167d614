// A policy in the form that decisions are made from: rules indexed by host, one layer for the top level and one for
// each scope. Reads no files; reports every problem of meaning.

import type { Mode } from '../flow/decision.ts';
import { defaultServers, ownServer, type PlatformServer } from '../flow/platform-server.ts';
import { readActionTerms, type ActionTerms } from './actions.ts';
import { compileBlocklistEntry, createBlocklist, type Blocklist } from './blocklist.ts';
import { readPermissionTerms, type PermissionTerms } from './ceiling.ts';
import { readCredentialTerms, type CredentialTerms } from './credentials.ts';
import { compileRuleLists, type RuleSource } from './compile-rules.ts';
import { compileMatch, type ScopeMatch } from './match-scope.ts';
import { addToHostIndex, createHostIndex, type HostIndex, type HostPattern } from './match-host.ts';
import { findNearKey } from './near-key.ts';
import { readPackageTerms, type PackageTerms } from './packages.ts';
import { presets } from './presets/all.ts';
import { createProblemList, type ProblemList, type ValuePath } from './problem-list.ts';
import { addToRangeIndex, createRangeIndex, type RangeIndex } from './range-index.ts';
import { readHosts, toEntries, toList } from './read-values.ts';
import type { NetworkRule, PortRange, Rule } from './rule.ts';
import type { MatchKey, PolicyFile, PresetName, RuleListsFile, ScopeFile } from './schema.ts';
import { noTrust, readTrust, type LayerTrust } from './trust.ts';
import type { SteerPool } from './warn-steer.ts';
import { warnAboutPolicy } from './warn.ts';

/** Rules of one place: found by host, or by address range. */
export interface RuleIndex {
  readonly rules: readonly Rule[];
  readonly byHost: HostIndex<Rule>;
  /** Network rules with ranges, in their order. */
  readonly byRange: readonly NetworkRule[];
  readonly ranges: RangeIndex<NetworkRule>;
}

/** The rules that apply together: the top level with its presets, or a scope with its bundles. */
export interface Layer {
  /** Id of the scope, or null for the top level. */
  readonly scope: string | null;
  readonly indexes: readonly RuleIndex[];
}

export interface CompiledScope {
  readonly id: string;
  readonly match: ScopeMatch;
  readonly mode: Mode | null;
  readonly exclusive: boolean;
  readonly permissions: PermissionTerms;
  readonly credentials: CredentialTerms;
  readonly layer: Layer;
}

export interface Policy {
  /** 12 hexadecimal digits of SHA-256 over the bundle. */
  readonly revision: string;
  readonly mode: Mode;
  readonly onUnattributed: 'narrowest' | 'fleet' | 'block';
  /** 80, 443 and every port that an http, an opaque or a direct network rule names; ascending. */
  readonly interceptedPorts: readonly number[];
  /** Those of them that are here for direct rules alone: nothing on them is HTTP, and every network rule holds. */
  readonly unreadPorts: ReadonlySet<number>;
  /** Hosts whose TLS is opened, when not all are: empty for none, null for all. */
  readonly intercept: readonly HostPattern[] | null;
  readonly top: Layer;
  readonly scopes: readonly CompiledScope[];
  readonly blocklist: Blocklist;
  readonly permissions: PermissionTerms;
  readonly credentials: CredentialTerms;
  /** Null where the policy says nothing of packages. */
  readonly packages: PackageTerms | null;
  /** Null where the policy says nothing of actions. */
  readonly actions: ActionTerms | null;
  /** Servers of forges that are known: given, or named by a rule. */
  readonly servers: readonly PlatformServer[];
  /** What each scope says of the runs that it is for; null: the top level. */
  readonly trusts: ReadonlyMap<string | null, LayerTrust>;
  /** Rules of bundles that no scope uses are not in it. */
  readonly ruleCount: number;
}

export interface CompileInput {
  readonly file: PolicyFile;
  readonly list: ProblemList;
  readonly files: Readonly<Record<string, string>>;
  readonly matchFiles: (glob: string) => readonly string[];
  readonly revision: string;
  readonly suppliedKeys: ReadonlySet<MatchKey>;
  readonly knownKeys: ReadonlySet<MatchKey>;
  readonly nowMs: number;
  readonly steer?: SteerPool;
  /** Servers of forges; default github.com and gitlab.com. */
  readonly servers?: readonly PlatformServer[];
}

/** Compiles the valid part of a policy file; problems go to `input.list`. */
export function compilePolicy(input: CompileInput): Policy {
  const { file, list } = input;
  const sources = createRuleSources(list, input.servers ?? defaultServers);
  const own = createRuleIndex(compileRuleLists(file, sources.at([], '')));
  const chosen = sources.presetsOf(file);
  const bundles = new Map<string, readonly RuleIndex[]>();
  for (const [name, bundle] of Object.entries<RuleListsFile>(file.bundles ?? {})) {
    const rules = compileRuleLists(bundle, sources.at(['bundles', name], `bundle:${name}`));
    bundles.set(name, [createRuleIndex(rules), ...sources.presetsOf(bundle)]);
  }
  const scopes = toEntries<ScopeFile>(file.scopes, ['scopes']).map(([scope, path]) =>
    compileScope(scope, path, { input, bundles, sources }),
  );
  const top: Layer = { scope: null, indexes: [own, ...chosen] };
  const layers = [top, ...scopes.map(({ layer }) => layer)];
  const rules = layers.flatMap(({ indexes }) => indexes.flatMap((index) => index.rules));
  const policy: Policy = {
    revision: input.revision,
    mode: file.mode ?? 'audit',
    onUnattributed: file.onUnattributed ?? 'narrowest',
    ...findInterceptedPorts(rules, list),
    intercept: readIntercept(file, list),
    top,
    scopes,
    blocklist: compileBlocklist(input),
    permissions: readPermissionTerms(file.permissions),
    credentials: readCredentialTerms(file, [], list),
    packages: readPackageTerms(file.packages, ['packages'], list),
    actions: readActionTerms(file.actions, ['actions'], list),
    servers: findServers(rules, input.servers ?? defaultServers),
    trusts: new Map([
      [null, noTrust],
      ...scopes.map(({ id }, at) => [id, readTrust(toList<ScopeFile>(file.scopes)[at]!.match)] as const),
    ]),
    ruleCount: rules.length,
  };
  warnAboutPolicy(policy, file, list, input.steer);
  return policy;
}

interface RuleSources {
  at(path: ValuePath, name: string): RuleSource;
  /** The presets that are named here, each compiled once. */
  presetsOf(named: Pick<RuleListsFile, 'presets'>): readonly RuleIndex[];
}

function createRuleSources(list: ProblemList, servers: readonly PlatformServer[]): RuleSources {
  const seen = new Set<string>();
  let order = 0;
  const nextOrder = () => order++;
  const claimId = (id: string, path: ValuePath, list: ProblemList) => {
    if (seen.has(id)) list.error(path, `the id "${id}" stands twice`, 'ids are unique in the whole policy');
    seen.add(id);
  };
  // What is wrong in a preset is a bug of ours, not of the policy.
  const silent = createProblemList('preset', () => ({ line: 1, column: 1 }), []);
  const compiled = new Map<PresetName, RuleIndex>();
  const preset = (name: PresetName): RuleIndex => {
    const source = { path: [], name: `preset:${name}`, list: silent, servers, nextOrder, claimId: () => {} };
    const index = compiled.get(name) ?? createRuleIndex(compileRuleLists(presets[name].rules, source));
    compiled.set(name, index);
    return index;
  };
  return {
    at: (path, name) => ({ path, name, list, servers, nextOrder, claimId }),
    presetsOf: (named) => toList<PresetName>(named.presets).map(preset),
  };
}

/** The known servers and those that rules name. */
function findServers(rules: readonly Rule[], known: readonly PlatformServer[]): readonly PlatformServer[] {
  const servers = new Map(known.map((server) => [`${server.platform} ${server.server}`, server]));
  for (const rule of rules) {
    if (rule.kind !== 'operation' || (rule.family !== 'github' && rule.family !== 'gitlab')) continue;
    for (const name of rule.servers ?? []) {
      const key = `${rule.family} ${name}`;
      if (!servers.has(key)) servers.set(key, ownServer(rule.family, name));
    }
  }
  return [...servers.values()];
}

/** Indexes rules by the hosts and ranges that they name. */
export function createRuleIndex(rules: readonly Rule[]): RuleIndex {
  const byHost = createHostIndex<Rule>();
  for (const rule of rules) for (const pattern of rule.hosts) addToHostIndex(byHost, pattern, rule);
  const byRange = rules.filter((rule): rule is NetworkRule => rule.kind === 'network' && rule.to.length > 0);
  const ranges = createRangeIndex<NetworkRule>();
  for (const rule of byRange) for (const cidr of rule.to) addToRangeIndex(ranges, cidr, rule);
  return { rules, byHost, byRange, ranges };
}

interface ScopeContext {
  readonly input: CompileInput;
  readonly bundles: ReadonlyMap<string, readonly RuleIndex[]>;
  readonly sources: RuleSources;
}

function compileScope(scope: ScopeFile, path: ValuePath, context: ScopeContext): CompiledScope {
  const { input, bundles, sources } = context;
  const source = sources.at(path, scope.id);
  source.claimId(`scope ${scope.id}`, [...path, 'id'], input.list);
  const used = toEntries<string>(scope.use, [...path, 'use']).flatMap(([name, at]) => {
    const bundle = bundles.get(name);
    if (bundle === undefined) reportBundle(name, at, context);
    return bundle ?? [];
  });
  return {
    id: scope.id,
    match: compileMatch(scope.match, [...path, 'match'], input.list, input),
    mode: scope.mode ?? null,
    exclusive: scope.exclusive === true,
    permissions: readPermissionTerms(scope.permissions),
    credentials: readCredentialTerms(scope, path, input.list),
    layer: {
      scope: scope.id,
      indexes: [createRuleIndex(compileRuleLists(scope, source)), ...used, ...sources.presetsOf(scope)],
    },
  };
}

function reportBundle(name: string, at: ValuePath, { input, bundles }: ScopeContext): void {
  const near = findNearKey(name, bundles.keys());
  const known = [...bundles.keys()].join(', ') || 'none';
  input.list.error(
    at,
    `no bundle is called "${name}"`,
    near === null ? `known: ${known}` : `did you mean "${near}"?`,
  );
}

const maxInterceptedPorts = 256;

function findInterceptedPorts(
  rules: readonly Rule[],
  list: ProblemList,
): Pick<Policy, 'interceptedPorts' | 'unreadPorts'> {
  const ports = new Set([80, 443]);
  const add = (ranges: readonly PortRange[]) => {
    for (const [from, to] of ranges)
      for (let port = from; port <= to && ports.size <= maxInterceptedPorts; port++) ports.add(port);
  };
  for (const rule of rules)
    if (rule.kind === 'http' || rule.kind === 'opaque')
      add((rule.endpoints ?? []).flatMap((endpoint) => endpoint.ports));
  const read = new Set(ports);
  // Without ports a direct rule is for what is led to the proxy anyway.
  for (const rule of rules)
    if (rule.kind === 'network' && rule.direct && !rule.isBlock && rule.protocols.includes('tcp'))
      add(rule.ports ?? []);
  if (ports.size > maxInterceptedPorts) {
    const message = `http, opaque and direct rules name more than ${maxInterceptedPorts} ports`;
    list.error(['http'], message, 'name fewer ports');
  }
  return {
    interceptedPorts: [...ports].toSorted((a, b) => a - b),
    unreadPorts: ports.difference(read),
  };
}

function readIntercept(file: PolicyFile, list: ProblemList): readonly HostPattern[] | null {
  const words = toList<string>(file.tls?.intercept);
  if (words.length === 0 || (words.length === 1 && words[0] === 'all')) return null;
  if (words.length === 1 && words[0] === 'none') return [];
  for (const word of ['all', 'none', 'hosts']) {
    if (words.includes(word))
      list.error(['tls', 'intercept'], `"${word}" is no host`, 'write all, none, or a list of hosts');
  }
  return readHosts(file.tls?.intercept, ['tls', 'intercept'], list);
}

function compileBlocklist(input: CompileInput): Blocklist {
  const blocklist = createBlocklist();
  for (const [entry, path] of toEntries(input.file.blocklist, ['blocklist'])) {
    compileBlocklistEntry(blocklist, entry, path, input);
  }
  return blocklist;
}
