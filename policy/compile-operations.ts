// Compiles `github`, `gitlab`, `images` and `aws`: rules on what requests mean.

import type { Permission } from '../flow/operation.ts';
import type { Platform } from '../flow/job.ts';
import { ownServer, type PlatformServer } from '../flow/platform-server.ts';
import { canonicaliseHost } from './canonicalise-host.ts';
import { readHostPattern, type HostPattern } from './match-host.ts';
import { readToken, type Token } from './match-sequence.ts';
import { readSubjectPattern, type SubjectPattern } from './match-subject.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { readHosts, toEntries, toList } from './read-values.ts';
import { nameRegistry, readPurls, readRegistries } from './packages.ts';
import { findPackageHosts, findRegistryHosts } from './registry-hosts.ts';
import type { OperationFamily, OperationRule } from './rule.ts';
import type { AwsRuleFile, GithubRuleFile, GitlabRuleFile, ImageRuleFile, PublishFile } from './schema.ts';

/** What every rule has got already. */
export interface RuleStart {
  readonly id: string;
  readonly order: number;
}

interface Terms {
  readonly action?: 'allow' | 'block' | undefined;
  readonly audit?: true | undefined;
  readonly access?: 'read' | 'write' | 'admin' | undefined;
  readonly anyRef?: string | undefined;
  readonly follow?: boolean | undefined;
}

type Common = Omit<OperationRule, 'hosts' | 'subjects' | 'exceptSubjects' | 'servers' | 'family'>;

function readCommon(file: Terms, start: RuleStart, at: ValuePath, list: ProblemList): Common {
  const isBlock = file.action === 'block';
  if (file.audit === true && !isBlock)
    list.error([...at, 'audit'], '"audit" belongs to a block rule', 'add "action: block", or remove "audit"');
  return {
    ...start,
    kind: 'operation',
    isBlock,
    audit: isBlock && file.audit === true,
    exceptHosts: [],
    addresses: [],
    access: file.access ?? 'read',
    permissions: null,
    operations: null,
    mutations: new Set(),
    cloud: null,
    packages: null,
    anyRef: file.anyRef !== undefined,
    follow: file.follow === true && !isBlock,
  };
}

/** A rule of `github`. `servers` are those that are known besides the ones that the rule names. */
export function compileGithub(
  file: GithubRuleFile,
  start: RuleStart,
  at: ValuePath,
  list: ProblemList,
  servers: readonly PlatformServer[],
): OperationRule {
  const common = readCommon(file, start, at, list);
  const permissions = file.permissions === undefined ? null : readPermission(file.permissions);
  const operations = readOperations(file.operations);
  const mutations = new Set(toList<string>(file.graphql?.mutations));
  const isWrite = permissions !== null && Object.values(permissions).includes('write');
  const implied = operations !== null ? 'admin' : isWrite ? 'write' : 'read';
  const subjects = readSubjects(file.repo, [...at, 'repo'], list, checkRepository);
  return {
    ...common,
    family: 'github',
    access: file.access ?? (common.isBlock ? 'read' : implied),
    ...readServers('github', file.server, [...at, 'server'], list, servers),
    subjects,
    exceptSubjects: readSubjects(file.except, [...at, 'except'], list, checkRepository),
    permissions,
    operations,
    mutations,
  };
}

/** A rule of `gitlab`. */
export function compileGitlab(
  file: GitlabRuleFile,
  start: RuleStart,
  at: ValuePath,
  list: ProblemList,
  servers: readonly PlatformServer[],
): OperationRule {
  const common = readCommon(file, start, at, list);
  const operations = readOperations(file.operations);
  return {
    ...common,
    family: 'gitlab',
    access: file.access ?? (operations === null || common.isBlock ? 'read' : 'admin'),
    ...readServers('gitlab', file.server, [...at, 'server'], list, servers),
    subjects: readSubjects(file.project, [...at, 'project'], list, checkProject),
    exceptSubjects: readSubjects(file.except, [...at, 'except'], list, checkProject),
    operations,
  };
}

/** A rule of `images`. */
export function compileImage(
  file: ImageRuleFile,
  start: RuleStart,
  at: ValuePath,
  list: ProblemList,
  servers: readonly PlatformServer[],
): OperationRule {
  const subjects = readSubjects(file.image, [...at, 'image'], list, checkImage);
  const registries = new Set(subjects.map(({ text }) => text.toLowerCase().split('/')[0]!));
  return {
    ...readCommon(file, start, at, list),
    family: 'images',
    servers: null,
    hosts: readHosts(
      [...registries].flatMap((registry) => findRegistryHosts(registry, servers)),
      [...at, 'image'],
      list,
    ),
    subjects,
    exceptSubjects: readSubjects(file.except, [...at, 'except'], list, checkImage),
  };
}

/** A rule of `aws`. */
export function compileAws(
  file: AwsRuleFile,
  start: RuleStart,
  at: ValuePath,
  list: ProblemList,
): OperationRule {
  const set = (value: AwsRuleFile['accounts']) =>
    value === undefined ? null : new Set(toList<string>(value));
  const common = readCommon(file, start, at, list);
  if (file.accounts === undefined && file.buckets === undefined && !common.isBlock)
    list.error(
      at,
      `${common.id} names no account and no bucket`,
      'add "accounts": anybody can have an account',
    );
  return {
    ...common,
    family: 'aws',
    servers: null,
    hosts: readHosts(['**.amazonaws.com', '**.amazonaws.com.cn', '**.api.aws'], at, list),
    subjects: [],
    exceptSubjects: [],
    cloud: {
      accounts: set(file.accounts),
      services: set(file.services),
      buckets: file.buckets === undefined ? null : readGlobs(file.buckets),
    },
  };
}

/** An entry of `packages.publish`. */
export function compilePublish(
  file: PublishFile,
  start: RuleStart,
  at: ValuePath,
  list: ProblemList,
): OperationRule {
  const registries = readRegistries(file.registry, [...at, 'registry'], list);
  return {
    ...readCommon(file, start, at, list),
    family: 'packages',
    access: 'write',
    servers: null,
    hosts: readHosts(registries.flatMap(findPackageHosts), [...at, 'registry'], list),
    subjects: [],
    exceptSubjects: [],
    packages: { purls: readPurls(file.purl, [...at, 'purl'], list), registries },
  };
}

function readPermission(file: NonNullable<GithubRuleFile['permissions']>): Permission {
  const levels: Record<string, 'read' | 'write'> = {};
  for (const [key, level] of Object.entries(file))
    if (level === 'read' || level === 'write') levels[key] = level;
  return levels;
}

function readOperations(value: GithubRuleFile['operations']): readonly Token[] | null {
  return value === undefined ? null : readGlobs(value);
}

function readGlobs(value: string | readonly string[]): Token[] {
  return toList<string>(value).map((text) => readToken(text.replace(/\*+/g, '*'))!);
}

function readSubjects(
  value: string | string[] | undefined,
  path: ValuePath,
  list: ProblemList,
  check: (pattern: SubjectPattern) => string | null,
): SubjectPattern[] {
  return toEntries<string>(value, path).flatMap(([text, at]) => {
    const read = readSubjectPattern(text);
    const problem = 'problem' in read ? read.problem : check(read.pattern);
    const remedy = 'problem' in read ? read.remedy : 'see docs/policy.md';
    if (problem !== null) list.error(at, problem, remedy);
    return 'pattern' in read && problem === null ? [read.pattern] : [];
  });
}

const isOwn = ({ parts }: SubjectPattern) =>
  parts.some((part) => part.kind === 'job' && part.field === 'repo');

/** What addresses of git have at their end is no part of a name. */
const endsAsAddress = (text: string) => /\.git$/i.test(text);

function checkRepository(pattern: SubjectPattern): string | null {
  const { parts, text } = pattern;
  if (endsAsAddress(text)) return `"${text}" names a repository by its address: leave ".git" out`;
  if (isOwn(pattern)) return parts.length === 1 ? null : `"${text}": {job.repo} stands alone`;
  if (text === '**') return null;
  if (parts.some((part) => part.kind === 'many')) return `"${text}": a repository has one owner and one name`;
  return parts.length === 2 ? null : `"${text}" is no owner/name; all of an owner is "${text}/*"`;
}

function checkProject(pattern: SubjectPattern): string | null {
  const { parts, text } = pattern;
  if (endsAsAddress(text)) return `"${text}" names a project by its address: leave ".git" out`;
  if (isOwn(pattern)) return parts.length === 1 ? null : `"${text}": {job.project} stands alone`;
  return parts.length >= 2 ? null : `"${text}" is no path of a project; all of a group is "${text}/**"`;
}

function checkImage({ parts, text }: SubjectPattern): string | null {
  const [first] = parts;
  if (parts.length < 2) return `"${text}" names no registry; write for example docker.io/library/${text}`;
  const registry = text.split('/')[0]!;
  const known = nameRegistry(registry.toLowerCase());
  if (known !== registry.toLowerCase())
    return `"${text}": the name of that registry is ${known}; write ${known}${text.slice(registry.length)}`;
  // Of Docker Hub every image has an owner: those that are official have this one.
  if (known === 'docker.io' && parts.length === 2)
    return `"${text}" names no image: official ones are docker.io/library/${text.slice(registry.length + 1)}`;
  const isHost =
    first!.kind === 'literal' ? registry.includes('.') || registry === 'localhost' : first!.kind === 'glob';
  return isHost ? null : `"${text}" begins with no registry; write for example docker.io/${text}`;
}

function readServers(
  platform: Platform,
  value: GithubRuleFile['server'],
  path: ValuePath,
  list: ProblemList,
  known: readonly PlatformServer[],
): Pick<OperationRule, 'servers' | 'hosts'> {
  const ofPlatform = known.filter((server) => server.platform === platform);
  if (value === undefined) return { servers: null, hosts: ofPlatform.flatMap(hostsOf) };
  const named = toEntries<string>(value, path).flatMap(([text, at]) => {
    const host = canonicaliseHost(text);
    if (host.kind === 'name') return [host.name];
    list.error(at, `"${text}" is no host of a server`, 'write for example github.com or ghes.corp.example');
    return [];
  });
  const servers = named.map(
    (name) => ofPlatform.find(({ server }) => server === name) ?? ownServer(platform, name),
  );
  return { servers: named, hosts: servers.flatMap(hostsOf) };
}

function hostsOf({ hosts }: PlatformServer): HostPattern[] {
  return hosts.flatMap(({ host }) => {
    const read = readHostPattern(host);
    return 'pattern' in read ? [read.pattern] : [];
  });
}

/** Which keys of a policy hold rules on operations. */
export const operationFamilies: readonly OperationFamily[] = [
  'github',
  'gitlab',
  'images',
  'aws',
  'packages',
];
