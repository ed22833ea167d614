// Turns the rule lists of a policy file into compiled rules. Reports what cannot be read or could not take effect.

import { cidrContains, formatCidr, type Cidr } from '../flow/address.ts';
import type { PlatformServer } from '../flow/platform-server.ts';
import { subtractCidrs } from './cidr-set.ts';
import {
  compileAws,
  compileGithub,
  compileGitlab,
  compileImage,
  compilePublish,
} from './compile-operations.ts';
import { readMethodSet } from './method-set.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import {
  readCidrs,
  readHosts,
  readPaths,
  readPorts,
  readSizeBytes,
  toEntries,
  toList,
} from './read-values.ts';
import {
  coversPort,
  type Endpoint,
  type HttpRule,
  type NetworkRule,
  type OpaqueRule,
  type OperationRule,
  type Rule,
} from './rule.ts';
import type {
  AwsRuleFile,
  GithubRuleFile,
  GitlabRuleFile,
  HttpRuleFile,
  ImageRuleFile,
  NetworkRuleFile,
  OpaqueRuleFile,
  PublishFile,
  RuleListsFile,
} from './schema.ts';

/** Where rules come from: `name` makes default ids (`release/http[0]`), `order` counts through the whole policy. */
export interface RuleSource {
  readonly list: ProblemList;
  readonly path: ValuePath;
  /** Empty at top level. */
  readonly name: string;
  /** Servers of forges, for rules on what is done there. */
  readonly servers: readonly PlatformServer[];
  nextOrder(): number;
  claimId(id: string, path: ValuePath, list: ProblemList): void;
}

/** Compiles the rule lists of the top level, a bundle, a scope or a preset. */
export function compileRuleLists(file: RuleListsFile, source: RuleSource): Rule[] {
  const { list, path } = source;
  const rules: Rule[] = [];
  const names = readHosts(file.dns?.allow, [...path, 'dns', 'allow'], list);
  if (names.length > 0) {
    rules.push({
      kind: 'name',
      id: defaultId(source, 'dns'),
      hosts: names,
      exceptHosts: [],
      order: source.nextOrder(),
    });
  }
  for (const [rule, at] of toEntries<NetworkRuleFile>(file.network, [...path, 'network'])) {
    rules.push(compileNetwork(rule, at, source));
  }
  for (const [rule, at] of toEntries<OpaqueRuleFile>(file.opaque, [...path, 'opaque'])) {
    rules.push(compileOpaque(rule, at, source));
  }
  for (const [rule, at] of toEntries<HttpRuleFile>(file.http, [...path, 'http'])) {
    rules.push(compileHttp(rule, at, source));
  }
  rules.push(...compileOperationRules(file, source));
  return rules;
}

function compileOperationRules(file: RuleListsFile, source: RuleSource): OperationRule[] {
  const { list, path, servers } = source;
  const start = (id: string | undefined, at: ValuePath) => ({
    id: readId(id, at, source),
    order: source.nextOrder(),
  });
  return [
    ...toEntries<GithubRuleFile>(file.github, [...path, 'github']).map(([rule, at]) =>
      compileGithub(rule, start(rule.id, at), at, list, servers),
    ),
    ...toEntries<GitlabRuleFile>(file.gitlab, [...path, 'gitlab']).map(([rule, at]) =>
      compileGitlab(rule, start(rule.id, at), at, list, servers),
    ),
    ...toEntries<ImageRuleFile>(file.images, [...path, 'images']).map(([rule, at]) =>
      compileImage(rule, start(rule.id, at), at, list, servers),
    ),
    ...toEntries<AwsRuleFile>(file.aws, [...path, 'aws']).map(([rule, at]) =>
      compileAws(rule, start(rule.id, at), at, list),
    ),
    ...toEntries<PublishFile>(file.packages?.publish, [...path, 'packages', 'publish']).map(([rule, at]) =>
      compilePublish(rule, start(rule.id, at), at, list),
    ),
  ];
}

function defaultId(source: RuleSource, local: string): string {
  return source.name === '' ? local : `${source.name}/${local}`;
}

function readId(id: string | undefined, at: ValuePath, source: RuleSource): string {
  if (id !== undefined) {
    source.claimId(id, [...at, 'id'], source.list);
    return id;
  }
  const last = at.at(-1)!;
  return defaultId(source, typeof last === 'number' ? `${at.at(-2)}[${last}]` : `${last}[0]`);
}

function compileHttp(file: HttpRuleFile, at: ValuePath, source: RuleSource): HttpRule {
  const { list } = source;
  const isBlock = file.action === 'block';
  if (file.audit === true && !isBlock) reportAudit(list, at);
  const except = splitExcept(file.except, [...at, 'except'], list);
  const words = toList<string>(file.methods);
  return {
    kind: 'http',
    id: readId(file.id, at, source),
    order: source.nextOrder(),
    isBlock,
    audit: isBlock && file.audit === true,
    hosts: readHosts(file.host, [...at, 'host'], list),
    endpoints: readEndpoints(file, at, isBlock, list),
    methods: readMethodSet(words.length > 0 ? words : [isBlock ? 'any' : 'read']),
    paths: file.paths === undefined ? null : readPaths(file.paths, [...at, 'paths'], list),
    addresses: readCidrs(file.addresses, [...at, 'addresses'], list),
    websocket: file.websocket === true,
    follow: file.follow === true,
    maxUploadBytes: readSizeBytes(file.maxUpload),
    ...except,
  };
}

function reportAudit(list: ProblemList, at: ValuePath): void {
  list.error([...at, 'audit'], '"audit" belongs to a block rule', 'add "action: block", or remove "audit"');
}

function splitExcept(
  except: HttpRuleFile['except'],
  path: ValuePath,
  list: ProblemList,
): Pick<HttpRule, 'exceptHosts' | 'exceptPaths'> {
  const entries = toEntries<string>(except, path);
  const hosts = entries.filter(([text]) => !text.startsWith('/'));
  const paths = entries.filter(([text]) => text.startsWith('/'));
  return {
    exceptHosts: hosts.flatMap(([text, at]) => readHosts(text, at, list)),
    exceptPaths: paths.flatMap(([text, at]) => readPaths(text, at, list)),
  };
}

function readEndpoints(
  file: HttpRuleFile,
  at: ValuePath,
  isBlock: boolean,
  list: ProblemList,
): readonly Endpoint[] | null {
  if (isBlock && file.scheme === undefined && file.port === undefined) return null;
  const ports = readPorts(file.port, [...at, 'port'], list);
  const named = toList<'http' | 'https'>(file.scheme);
  const schemes = named.length > 0 ? named : isBlock ? (['https', 'http'] as const) : (['https'] as const);
  return schemes.map((scheme) => {
    const standard = scheme === 'https' ? 443 : 80;
    return { scheme, ports: ports ?? [[standard, standard]] };
  });
}

function compileOpaque(file: OpaqueRuleFile, at: ValuePath, source: RuleSource): OpaqueRule {
  const { list } = source;
  return {
    kind: 'opaque',
    id: readId(file.id, at, source),
    order: source.nextOrder(),
    hosts: readHosts(file.host, [...at, 'host'], list),
    exceptHosts: readHosts(file.except, [...at, 'except'], list),
    endpoints: [{ scheme: 'https', ports: readPorts(file.port, [...at, 'port'], list) ?? [[443, 443]] }],
    addresses: readCidrs(file.addresses, [...at, 'addresses'], list),
  };
}

function compileNetwork(file: NetworkRuleFile, at: ValuePath, source: RuleSource): NetworkRule {
  const { list } = source;
  const byHost = file.host !== undefined;
  const isBlock = file.action === 'block';
  if (file.audit === true && !isBlock) reportAudit(list, at);
  if (byHost === (file.to !== undefined)) {
    list.error(at, 'a network rule needs either "to" (ranges) or "host"', 'give one of the two');
  }
  const exceptPath = [...at, 'except'];
  const to = readCidrs(file.to, [...at, 'to'], list);
  const except = toEntries<string>(byHost ? undefined : file.except, exceptPath).flatMap(([text, path]) => {
    const ranges = readCidrs(text, path, list);
    const isOutside = (range: Cidr) => !to.some((outer) => isInside(range, outer));
    if (ranges.some(isOutside)) list.warn(path, `"${text}" lies outside of "to"`, 'remove it');
    return ranges;
  });
  const rule: NetworkRule = {
    kind: 'network',
    id: readId(file.id, at, source),
    order: source.nextOrder(),
    isBlock,
    audit: isBlock && file.audit === true,
    hosts: readHosts(file.host, [...at, 'host'], list),
    exceptHosts: byHost ? readHosts(file.except, exceptPath, list) : [],
    to: subtractCidrs(to, except),
    protocols:
      file.protocol === undefined ? (isBlock ? ['tcp', 'udp', 'icmp'] : ['tcp']) : toList(file.protocol),
    ports: readPorts(file.port, [...at, 'port'], list),
    inspect: file.inspect !== false,
    direct: file.direct === true,
    addresses: readCidrs(file.addresses, [...at, 'addresses'], list),
  };
  checkNetwork(file, rule, at, list);
  return rule;
}

function isInside(inner: Cidr, outer: Cidr): boolean {
  return inner.prefix >= outer.prefix && cidrContains(outer, inner.bytes);
}

const maxBoundPorts = 1024;

function checkNetwork(file: NetworkRuleFile, rule: NetworkRule, at: ValuePath, list: ProblemList): void {
  const byHost = file.host !== undefined;
  if (rule.protocols.includes('icmp') && file.port !== undefined && rule.protocols.length === 1) {
    list.error([...at, 'port'], 'icmp has no ports', 'remove "port"');
  }
  if (byHost) {
    checkNetworkHost(file, rule, at, list);
    return;
  }
  if (file.addresses !== undefined)
    list.error([...at, 'addresses'], '"addresses" goes with "host"', 'use "to" alone');
  const touchesWeb = rule.protocols.includes('tcp') && [80, 443].some((port) => coversPort(rule.ports, port));
  if (touchesWeb && !rule.isBlock && rule.inspect && !rule.direct) {
    list.error(
      at,
      `${rule.id} covers port 80 or 443, which the proxy inspects`,
      'use an http or opaque rule, or say "inspect: false" (never led to the proxy) or "direct: true" (connections without a name)',
    );
  }
  for (const range of rule.to) {
    if (range.prefix === 0 && !rule.isBlock && rule.ports === null && !rule.inspect) {
      list.warn([...at, 'to'], `${formatCidr(range)} without ports opens everything`, 'name ranges or ports');
    }
  }
}

function checkNetworkHost(file: NetworkRuleFile, rule: NetworkRule, at: ValuePath, list: ProblemList): void {
  if (rule.isBlock) return;
  const count = (rule.ports ?? []).reduce((sum, [from, to]) => sum + to - from + 1, 0);
  if (rule.ports === null) list.error(at, 'a network rule by host needs ports', 'add "port"');
  if (count > maxBoundPorts)
    list.error([...at, 'port'], `more than ${maxBoundPorts} ports by host`, 'use "to"');
  if (rule.protocols.includes('icmp'))
    list.error([...at, 'protocol'], 'icmp is opened by "to" only', 'use "to"');
  if (file.inspect === false)
    list.error([...at, 'inspect'], '"inspect" goes with "to"', 'use an opaque rule');
  if (file.direct === true) list.error([...at, 'direct'], '"direct" goes with "to"', 'remove it');
  if ([80, 443].some((port) => coversPort(rule.ports ?? [], port)) && rule.protocols.includes('tcp')) {
    list.error([...at, 'port'], 'ports 80 and 443 of a host are inspected', 'use an http or opaque rule');
  }
}
