// A policy written out: what presets and bundles stand for, with every default said.

import { formatCidr } from '../flow/address.ts';
import type { PermissionTerms } from './ceiling.ts';
import type { CredentialTerms } from './credentials.ts';
import type { PackageTerms } from './packages.ts';
import type { ActionTerms } from './actions.ts';
import type { Layer, Policy } from './compile.ts';
import type { MethodSet } from './method-set.ts';
import { operationFamilies } from './compile-operations.ts';
import type { Token } from './match-sequence.ts';
import type { HttpRule, NetworkRule, OperationFamily, OperationRule, PortRange, Rule } from './rule.ts';

/** Plain data for printing: rules of the top level and of each scope, in their order. */
export function expandPolicy(policy: Policy): Record<string, unknown> {
  return {
    mode: policy.mode,
    onUnattributed: policy.onUnattributed,
    interceptedPorts: policy.interceptedPorts,
    ...expandPermissions(policy.permissions),
    ...expandCredentials(policy.credentials),
    ...(policy.packages !== null && { packages: expandPackages(policy.packages) }),
    ...(policy.actions !== null && { actions: expandActions(policy.actions) }),
    top: expandLayer(policy.top),
    scopes: policy.scopes.map(({ id, mode, exclusive, permissions, credentials, layer }) => ({
      id,
      mode: mode ?? policy.mode,
      exclusive,
      ...expandPermissions(permissions),
      ...expandCredentials(credentials),
      ...expandLayer(layer),
    })),
    blocklist: { hosts: policy.blocklist.hosts.size, addresses: policy.blocklist.addresses.length },
  };
}

function expandPackages(terms: PackageTerms): Record<string, unknown> {
  const named = (key: 'internal' | 'allow' | 'block') =>
    list(
      key,
      terms[key].flatMap(({ purls }) => texts(purls)),
    );
  return {
    age: terms.age.map(({ purls, registries, minMs }) => ({
      ...list('purl', texts(purls)),
      ...list('registry', registries ?? []),
      minHours: minMs / 3_600_000,
    })),
    unknownAge: terms.unknownAge,
    malware: terms.malware,
    ...(terms.rewrite && { rewrite: true }),
    ...named('internal'),
    ...named('allow'),
    ...named('block'),
    exceptions: terms.except.length,
  };
}

function expandActions(terms: ActionTerms): Record<string, unknown> {
  return {
    ...(terms.allow !== null && { allow: texts(terms.allow) }),
    unpinned: terms.unpinned,
    ...list('allowUnpinned', texts(terms.allowUnpinned)),
    movedRef: terms.movedRef,
    ...list('allowMoves', texts(terms.allowMoves)),
    offBranch: terms.offBranch,
    ...list('allowOffBranch', texts(terms.allowOffBranch)),
  };
}

function expandPermissions({ mode, base, ceiling }: PermissionTerms): Record<string, unknown> {
  if (mode === null && base === null && ceiling === null) return {};
  return {
    permissions: {
      mode: mode ?? 'audit',
      ...(base !== null && { default: base }),
      ...(ceiling !== null && { ceiling }),
    },
  };
}

function expandCredentials(terms: CredentialTerms): Record<string, unknown> {
  const { foreignToken, foreignOwner, kinds, audiences, takers } = terms;
  const formatAudience = (audience: string) => {
    const hosts = takers.get(audience);
    return hosts === undefined ? audience : { audience, host: texts(hosts) };
  };
  const isAsked = foreignToken !== null || foreignOwner !== null || kinds.length > 0;
  return {
    ...(isAsked && {
      credentials: {
        ...(foreignToken !== null && { foreignToken }),
        ...(foreignOwner !== null && { foreignOwner }),
        ...(kinds.length > 0 && {
          kinds: kinds.map(({ hosts, allow }) => ({ host: texts(hosts), allow: [...allow] })),
        }),
      },
    }),
    ...(audiences !== null && { oidc: { audiences: [...audiences].map(formatAudience) } }),
  };
}

function expandLayer(layer: Layer): Record<string, unknown> {
  const rules = layer.indexes.flatMap((index) => index.rules);
  const of = (kind: Rule['kind']) => rules.filter((rule) => rule.kind === kind).map(expandRule);
  const ofFamily = (family: OperationFamily) =>
    rules.filter((rule) => rule.kind === 'operation' && rule.family === family).map(expandRule);
  const families = operationFamilies.flatMap((family) => {
    const found = ofFamily(family);
    return found.length === 0 ? [] : [[family, found] as const];
  });
  const lists = { dns: of('name'), network: of('network'), opaque: of('opaque'), http: of('http') };
  return { ...lists, ...Object.fromEntries(families) };
}

function expandRule(rule: Rule): Record<string, unknown> {
  const base = {
    id: rule.id,
    ...list('host', texts(rule.hosts)),
    ...list('exceptHosts', texts(rule.exceptHosts)),
  };
  if (rule.kind === 'name') return base;
  const addresses = list('addresses', rule.addresses.map(formatCidr));
  if (rule.kind === 'opaque') return { ...base, ports: formatPorts(rule.endpoints[0]!.ports), ...addresses };
  const acting = {
    action: rule.isBlock ? 'block' : 'allow',
    ...(rule.audit && { audit: true }),
    ...addresses,
  };
  if (rule.kind === 'operation') return { ...base, ...expandOperation(rule), ...acting };
  return rule.kind === 'http'
    ? { ...base, ...expandHttp(rule), ...acting }
    : { ...base, ...expandNetwork(rule), ...acting };
}

function expandOperation(rule: OperationRule): Record<string, unknown> {
  const { family, servers, cloud } = rule;
  return {
    ...(family === 'github' || family === 'gitlab' ? { server: servers ?? 'the job’s own' } : {}),
    ...list('subjects', texts(rule.subjects)),
    ...list('except', texts(rule.exceptSubjects)),
    access: rule.access,
    ...(rule.permissions !== null && { permissions: rule.permissions }),
    ...(rule.operations !== null && { operations: rule.operations.map(formatToken) }),
    ...list('mutations', [...rule.mutations]),
    ...list('accounts', [...(cloud?.accounts ?? [])]),
    ...list('services', [...(cloud?.services ?? [])]),
    ...list('buckets', (cloud?.buckets ?? []).map(formatToken)),
    ...list('publish', texts(rule.packages?.purls ?? [])),
    ...list('registry', rule.packages?.registries ?? []),
    ...(rule.anyRef && { anyRef: true }),
    ...(rule.follow && { follow: true }),
  };
}

function formatToken(token: Token): string {
  if (token.kind === 'literal') return token.text;
  return token.kind === 'glob' ? token.pieces.join('*') : token.kind === 'many' ? '**' : '*';
}

function expandHttp(rule: HttpRule): Record<string, unknown> {
  const endpoints = rule.endpoints?.map(({ scheme, ports }) => `${scheme} ${formatPorts(ports)}`);
  return {
    endpoints: endpoints ?? 'every scheme and port',
    methods: formatMethods(rule.methods),
    ...list('paths', texts(rule.paths ?? [])),
    ...list('exceptPaths', texts(rule.exceptPaths)),
    ...(rule.websocket && { websocket: true }),
    ...(rule.follow && { follow: true }),
    ...(rule.maxUploadBytes !== null && { maxUploadBytes: rule.maxUploadBytes }),
  };
}

function expandNetwork(rule: NetworkRule): Record<string, unknown> {
  return {
    ...list('to', rule.to.map(formatCidr)),
    protocols: rule.protocols,
    ports: rule.ports === null ? 'every port' : formatPorts(rule.ports),
    ...(!rule.inspect && { inspect: false }),
    ...(rule.direct && { direct: true }),
  };
}

function list(key: string, values: readonly string[]): Record<string, readonly string[]> {
  return values.length === 0 ? {} : { [key]: values };
}

function texts(patterns: readonly { readonly text: string }[]): string[] {
  return patterns.map(({ text }) => text);
}

function formatPorts(ports: readonly PortRange[]): string {
  return ports.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

function formatMethods({ read, write, named }: MethodSet): string {
  if (read && write) return 'any';
  return [...(read ? ['read'] : []), ...(write ? ['write'] : []), ...named].join(', ');
}
