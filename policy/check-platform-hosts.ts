// http rules on hosts of a forge: such a rule sees paths of one of its many APIs, so it is refused, with the rule that
// says the same of repositories.

import { findPlatformHost, type HostRole, type PlatformServer } from '../flow/platform-server.ts';
import { matchesHost, type HostPattern } from './match-host.ts';
import { includesWrite } from './method-set.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import type { HttpRule } from './rule.ts';
import { blocksWholeHost } from './rule-fit.ts';

/** Reports an http rule that names a host on which repositories are governed; a block of a whole host may stay. */
export function checkPlatformHosts(
  rule: HttpRule,
  servers: readonly PlatformServer[],
  at: ValuePath,
  list: ProblemList,
): void {
  if (rule.isBlock && blocksWholeHost(rule)) return;
  for (const pattern of rule.hosts) {
    const found = findForge(pattern, rule.exceptHosts, servers);
    if (found === null) continue;
    if (isBroad(pattern)) {
      warnAboutBroad(rule, found, at, list);
      continue;
    }
    const { server, host } = found;
    const key = server.platform;
    const message = `${rule.id} is an http rule for ${host}, where rules go by ${key === 'github' ? 'repository' : 'project'}`;
    list.error([...at, 'host'], message, `write instead: ${replacement(rule, found)}`);
    return;
  }
}

interface Named {
  readonly server: PlatformServer;
  readonly role: HostRole;
  readonly host: string;
}

/** The host of a forge that the pattern covers; the runner's own service is no matter of repositories. */
export function findForge(
  pattern: HostPattern,
  except: readonly HostPattern[],
  servers: readonly PlatformServer[],
): Named | null {
  const isExcepted = (host: string): boolean => except.some((other) => matchesHost(other, host));
  if (pattern.lead === null) {
    const found = findPlatformHost(servers, pattern.text);
    return found === null || found.role === 'service' || isExcepted(pattern.text)
      ? null
      : { ...found, host: pattern.text };
  }
  for (const server of servers)
    for (const { host, role } of server.hosts)
      if (role !== 'service' && !host.startsWith('*') && matchesHost(pattern, host) && !isExcepted(host))
        return { server, role, host };
  return null;
}

/** True for what stands for half the world: no word of a name is spelt out before its last label. */
function isBroad({ lead, tail }: HostPattern): boolean {
  return (
    lead !== null && !tail.includes('.') && !lead.some(({ kind }) => kind === 'literal' || kind === 'glob')
  );
}

function warnAboutBroad(rule: HttpRule, { host }: Named, at: ValuePath, list: ProblemList): void {
  if (rule.isBlock || list.problems.some(({ severity }) => severity === 'error')) return;
  const message = `${rule.id} opens ${host} too, to every repository there`;
  list.warn([...at, 'host'], message, `add "except: ${host}" and its like, or name the hosts`);
}

/** The rule that grants, or blocks, the same repositories. */
function replacement(rule: HttpRule, { server, role, host }: Named): string {
  const isGithub = server.platform === 'github';
  const access = includesWrite(rule.methods) && !rule.isBlock ? 'write' : 'read';
  const blocked = rule.methods.read ? 'action: block' : 'access: write, action: block';
  const terms = rule.isBlock ? blocked : `access: ${access}`;
  const id = /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(rule.id) ? `id: ${rule.id}, ` : '';
  const names = findNames(rule, role, isGithub);
  if (role === 'container') {
    const images = names.map((name) => `${host}/${name}`.replace(/(?:\/\*)?$/, name === '**' ? '' : '/**'));
    return `images: {${id}image: ${quoteList(images)}, ${terms}}`;
  }
  const own = server.server === `${server.platform}.com` ? '' : `, server: ${server.server}`;
  const key = isGithub ? 'repo' : 'project';
  return `${server.platform}: {${id}${key}: ${quoteList(names)}${own}, ${terms}}`;
}

const quoteList = (names: readonly string[]): string => {
  const quoted = names.map((name) => (/[*{]/.test(name) ? `"${name}"` : name));
  return quoted.length === 1 ? quoted[0]! : `[${quoted.join(', ')}]`;
};

/** Repositories that the rule's paths are about; all of them where they do not say. */
function findNames(rule: HttpRule, role: HostRole, isGithub: boolean): string[] {
  const names = (rule.paths ?? []).map(({ text }) => {
    const segments = text.split('/').filter((segment) => segment !== '');
    if (isGithub && segments[0] === 'api' && segments[1] === 'v3') segments.splice(0, 2);
    const isApi = role === 'api' || role === 'uploads' || segments[0] === 'repos';
    if (isApi && segments.shift() !== 'repos') return '**';
    if (role === 'container' && segments[0] === 'v2') segments.shift();
    return isGithub || role === 'container' ? readOwnerAndName(segments) : readProject(segments);
  });
  return names.length === 0 ? ['**'] : [...new Set(names)];
}

function readOwnerAndName([owner, name]: readonly string[]): string {
  if (owner === undefined || owner.includes('*')) return '**';
  const isAll = name === undefined || name === '**' || name === '*';
  return isAll ? `${owner}/*` : `${owner}/${name.replace(/\.git$/, '')}`;
}

/** A project lies in front of what GitLab marks with a dash, and of git's own paths. */
function readProject(segments: readonly string[]): string {
  const api = /^api\/v4\/projects\/([^/]+)/.exec(segments.join('/'));
  if (api !== null) return decodeURIComponent(api[1]!.replace(/%(?!2f)/gi, '%25'));
  const end = segments.findIndex(
    (segment) => segment === '-' || segment === 'info' || segment.startsWith('git-'),
  );
  const path = (end < 0 ? segments : segments.slice(0, end)).map((segment) => segment.replace(/\.git$/, ''));
  return path.length < 2 || path[0]!.includes('*') ? '**' : path.join('/');
}
