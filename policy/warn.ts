// Warnings about what a policy says and can hardly mean.

import { checkPlatformHosts, findForge } from './check-platform-hosts.ts';
import type { Policy } from './compile.ts';
import { addToHostIndex, createHostIndex, findHostGroups, matchesHost } from './match-host.ts';
import { includesWrite } from './method-set.ts';
import type { ProblemList, ValuePath } from './problem-list.ts';
import { toEntries } from './read-values.ts';
import { coversPort, type HttpRule, type NetworkRule, type OpaqueRule, type Rule } from './rule.ts';
import { blocksWholeHost, needsInspection } from './rule-fit.ts';
import { forgeHosts, rentableSuffixes } from './runner-service.ts';
import type { PolicyFile } from './schema.ts';
import { checkTrust, noTrust } from './trust.ts';
import { warnAboutSteer, type SteerPool } from './warn-steer.ts';

/** Adds the warnings and the errors that need the whole policy. */
export function warnAboutPolicy(
  policy: Policy,
  file: PolicyFile,
  list: ProblemList,
  steer?: SteerPool,
): void {
  if (file.mode === undefined && !list.problems.some(({ severity }) => severity === 'error')) {
    list.warn(
      [],
      'no "mode": flows that no rule allows are recorded and let through',
      'say "mode: audit" or "mode: block"',
    );
  }
  warnAboutModes(policy, list);
  warnAboutService(policy, list);
  warnAboutCeiling(policy, list);
  const places = listPlaces(file);
  const layers = [policy.top, ...policy.scopes.map(({ layer }) => layer)];
  const rules = [...new Set(layers.flatMap(({ indexes }) => indexes.flatMap((index) => index.rules)))];
  const pathOf = (rule: Rule) => places.get(rule.id) ?? [];
  checkOpaque(rules, pathOf, list);
  for (const { scope, indexes } of layers)
    for (const rule of indexes.flatMap((index) => index.rules))
      if (rule.kind === 'operation')
        checkTrust(rule, policy.trusts.get(scope) ?? noTrust, pathOf(rule), list);
  for (const rule of rules) {
    if (rule.id.startsWith('preset:')) continue;
    if (rule.kind === 'http') {
      checkPlatformHosts(rule, policy.servers, pathOf(rule), list);
      warnAboutUnread(rule, policy, pathOf(rule), list);
      if (!rule.isBlock) warnAboutHttp(rule, pathOf(rule), list);
    }
    if (rule.kind === 'opaque') warnAboutUnreadForge(rule, policy, pathOf(rule), list);
    if (rule.kind === 'network' && !rule.isBlock) {
      warnAboutForge(rule, pathOf(rule), list);
      if (steer !== undefined) warnAboutSteer(rule, pathOf(rule), steer, list);
    }
    if (rule.kind === 'network' && rule.isBlock) warnAboutNames(rule, rules, pathOf(rule), list);
  }
}

/** Whoever asks for a job has none yet: in exclusive scopes that lack the runner's service no runner could. */
function warnAboutService({ top, scopes, onUnattributed }: Policy, list: ProblemList): void {
  for (const preset of ['github-runner', 'gitlab-runner'] as const) {
    const has = ({ indexes }: Policy['top']) =>
      indexes.some(({ rules }) => rules.some(({ id }) => id.startsWith(`preset:${preset}`)));
    if (!has(top)) continue;
    for (const [at, { id, exclusive, layer }] of scopes.entries())
      if (exclusive && !has(layer))
        list.warn(
          ['scopes', at],
          `the exclusive scope "${id}" does not open what the preset ${preset} does${onUnattributed === 'narrowest' ? ', so that no runner can ask for jobs' : ''}`,
          `give it "presets: ${preset}"`,
        );
  }
}

const placedKeys = ['network', 'opaque', 'http', 'github', 'gitlab', 'images', 'aws', 'publish'] as const;

/** Where each rule stands, by its id. */
function listPlaces(file: PolicyFile): Map<string, ValuePath> {
  const places = new Map<string, ValuePath>();
  const add = (lists: PolicyFile, path: ValuePath, name: string) => {
    for (const key of placedKeys) {
      const rules = key === 'publish' ? lists.packages?.publish : lists[key];
      const place = key === 'publish' ? [...path, 'packages', key] : [...path, key];
      for (const [rule, at] of toEntries<{ id?: string }>(rules, place)) {
        const last = at.at(-1)!;
        const local = typeof last === 'number' ? `${key}[${last}]` : `${key}[0]`;
        places.set(rule.id ?? (name === '' ? local : `${name}/${local}`), at);
      }
    }
  };
  add(file, [], '');
  for (const [name, bundle] of Object.entries(file.bundles ?? {})) {
    add({ version: 1, ...bundle }, ['bundles', name], `bundle:${name}`);
  }
  for (const [scope, path] of toEntries(file.scopes, ['scopes'])) {
    const { id, match: _match, use: _use, mode: _mode, exclusive: _exclusive, ...lists } = scope;
    add({ version: 1, ...lists }, path, id);
  }
  return places;
}

function warnAboutModes(policy: Policy, list: ProblemList): void {
  const says = (mode: 'audit' | 'block') => policy.scopes.some((scope) => scope.mode === mode);
  for (const [index, scope] of policy.scopes.entries()) {
    const isIdle = scope.mode === policy.mode && (scope.mode === 'audit' || !says('audit'));
    if (isIdle) {
      list.warn(
        ['scopes', index, 'mode'],
        `the mode of scope "${scope.id}" can have no effect`,
        `the top level is in ${policy.mode} already`,
      );
    }
  }
}

/** A policy that blocks, and a ceiling that does not. */
function warnAboutCeiling(policy: Policy, list: ProblemList): void {
  const terms = [policy.permissions, ...policy.scopes.map(({ permissions }) => permissions)];
  const isAsked = terms.some(({ base, ceiling }) => base !== null || ceiling !== null);
  if (policy.mode !== 'block' || !isAsked || terms.some(({ mode }) => mode !== null)) return;
  const message = 'no "permissions.mode": what passes the ceiling is only recorded';
  list.warn(
    policy.permissions.ceiling === null ? [] : ['permissions'],
    message,
    'say "mode: block" or "mode: audit"',
  );
}

/** An opaque host cannot be told apart by path or method. */
function checkOpaque(rules: readonly Rule[], pathOf: (rule: Rule) => ValuePath, list: ProblemList): void {
  const index = createHostIndex<OpaqueRule>();
  const byText = new Map<string, OpaqueRule>();
  for (const rule of rules) {
    if (rule.kind !== 'opaque') continue;
    for (const pattern of rule.hosts) {
      addToHostIndex(index, pattern, rule);
      byText.set(pattern.text, rule);
    }
  }
  if (byText.size === 0) return;
  for (const rule of rules) {
    if (rule.kind !== 'http' || !isSelective(rule)) continue;
    const exact = rule.hosts.filter(({ lead }) => lead === null);
    const found = exact.flatMap(({ text }) => findHostGroups(index, text).flatMap(({ values }) => values));
    const other =
      rule.hosts.map(({ text }) => byText.get(text)).find((known) => known !== undefined) ?? found[0];
    if (other === undefined) continue;
    const message = `${rule.id} names a path or method on a host that ${other.id} passes through unread`;
    list.error(pathOf(rule), message, 'drop the path or method, or the opaque rule');
  }
}

/** True when the rule speaks of some requests only, and says so: the default `read` of an allow does not count. */
function isSelective(rule: HttpRule): boolean {
  if (rule.paths !== null || rule.exceptPaths.length > 0) return true;
  return rule.methods.named.size > 0 || (rule.isBlock && !blocksWholeHost(rule));
}

function warnAboutUnread(rule: HttpRule, policy: Policy, path: ValuePath, list: ProblemList): void {
  const { intercept } = policy;
  const isHttps = rule.endpoints?.some(({ scheme }) => scheme === 'https') ?? true;
  if (intercept === null || !isHttps || !(rule.isBlock ? !blocksWholeHost(rule) : needsInspection(rule)))
    return;
  const isOpened = (text: string) =>
    intercept.some((pattern) => pattern.text === text || matchesHost(pattern, text));
  const unread = rule.hosts.find(({ text }) => !isOpened(text));
  if (unread === undefined) return;
  const message = `${rule.id} needs to read requests to "${unread.text}", whose TLS is not opened (tls.intercept)`;
  list.warn(path, message, 'use an opaque rule, or have the host opened');
}

function warnAboutHttp(rule: HttpRule, path: ValuePath, list: ProblemList): void {
  if (!includesWrite(rule.methods)) return;
  for (const { text, lead } of rule.hosts) {
    const suffix = rentableSuffixes.find((known) => text === known || text.endsWith(`.${known}`));
    const isShared = suffix !== undefined && (lead !== null || text === suffix || isSharedHost(text));
    if (isShared && rule.paths === null) {
      list.warn(
        path,
        `${rule.id} allows writes to ${text}, where anybody can rent a name`,
        'name the one host or path that is yours',
      );
    }
  }
}

/** Hosts that serve every customer, told apart by path only. */
function isSharedHost(text: string): boolean {
  return /^(?:s3|storage|hooks|www|api)\./.test(text);
}

/** Packets carry no name: what a range opens stays open for the addresses of a host that is blocked by name. */
function warnAboutNames(
  block: NetworkRule,
  rules: readonly Rule[],
  path: ValuePath,
  list: ProblemList,
): void {
  if (block.hosts.length === 0) return;
  const other = rules.find(
    (rule) => rule.kind === 'network' && !rule.isBlock && rule.to.length > 0 && overlap(rule, block),
  );
  if (other !== undefined) {
    const message = `${block.id} blocks a name, and packets carry none: addresses that ${other.id} opens stay open`;
    list.warn(path, message, 'block the range as well (`to`), or take it out of the other rule (`except`)');
  }
}

function overlap(a: NetworkRule, b: NetworkRule): boolean {
  if (!a.protocols.some((protocol) => b.protocols.includes(protocol))) return false;
  if (a.ports === null || b.ports === null) return true;
  return a.ports.some(([from, to]) => b.ports!.some(([first, last]) => from <= last && first <= to));
}

/** Where a forge passes unread, rules on repositories hold nothing. */
function warnAboutUnreadForge(rule: OpaqueRule, policy: Policy, path: ValuePath, list: ProblemList): void {
  const found = rule.hosts.map((pattern) => findForge(pattern, rule.exceptHosts, policy.servers));
  const forge = found.find((each) => each !== null);
  if (forge == null) return;
  const message = `${rule.id} passes ${forge.host} unread: every repository there can be read and written`;
  list.warn(path, message, `use ${forge.server.platform} rules`);
}

function warnAboutForge(rule: NetworkRule, path: ValuePath, list: ProblemList): void {
  if (!rule.protocols.includes('tcp') || !coversPort(rule.ports, 22)) return;
  const forge = forgeHosts.find((host) => rule.hosts.some((pattern) => matchesHost(pattern, host)));
  if (forge !== undefined) {
    list.warn(
      path,
      `${rule.id} opens SSH to ${forge}: every repository there can be read and written`,
      'prefer https, where rules see the path',
    );
  }
}
