// Do rules on operations grant what a request touches, and do they block it? Every touch must be granted by some
// rule; one that is blocked is enough.

import { provenJob, type Attribution } from '../flow/job.ts';
import type { Access, Operation, Permission, Touch } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import type { Candidate } from './host-view.ts';
import { coversCloud, coversEcr, coversImage, coversSegments, findOwnJob } from './cover-subject.ts';
import { coversBelow } from './match-subject.ts';
import { matchesSequence, type Token } from './match-sequence.ts';
import { matchesPurl } from './match-purl.ts';
import { isAmong } from './packages.ts';
import type { OperationRule, PublishTerms } from './rule.ts';
import { isTrusted, noTrust, type LayerTrust } from './trust.ts';

const rank: Readonly<Record<Access, number>> = { read: 0, write: 1, admin: 2 };

/** What deciding about operations needs besides the rules. */
export interface OperationUse {
  readonly operation: Operation;
  readonly attribution: Attribution;
  readonly trusts: ReadonlyMap<string | null, LayerTrust>;
  /** On its port: rules grant nothing of what a token may not go by, and block it all the same. */
  readonly isHttps: boolean;
}

/** Those who say what a request means tell no more touches: the rest may be anything. */
const maxTouches = 64;
const isCut = ({ sureness, touches }: Operation): boolean =>
  sureness === 'unknown' && touches.length >= maxTouches;

type OperationCandidate = Candidate<OperationRule>;

/** The rules of a group that together grant everything the operation touches; none when something is left. */
export function coverOperation(
  group: readonly OperationCandidate[],
  use: OperationUse,
): OperationCandidate[] {
  const { operation } = use;
  if (!use.isHttps) return [];
  const byMutation = findMutationRule(group, use);
  if (byMutation !== null) return [byMutation];
  if (operation.touches.length === 0 || isCut(operation)) return [];
  const found: OperationCandidate[] = [];
  for (const touch of operation.touches) {
    if (goesWithPlace(touch, operation)) continue;
    const granting = group.find((candidate) => grantsTouch(candidate, touch, use));
    if (granting === undefined) return [];
    if (!found.includes(granting)) found.push(granting);
  }
  // The first names the decision; one that is followed is enough.
  const [touch] = operation.touches;
  if (touch === undefined || !group.some(({ rule }) => rule.follow)) return found;
  if (found.some(({ rule }) => rule.follow)) return found;
  const also = group.find((one) => one.rule.follow && grantsTouch(one, touch, use));
  return also === undefined ? found : [...found, also];
}

/** True for a block rule that covers something the operation touches. */
export function blocksOperation({ rule }: OperationCandidate, use: OperationUse): boolean {
  const { operation, attribution } = use;
  if (!isOfServer(rule, use)) return false;
  if (rule.operations !== null && !namesPart(rule.operations, operation.name)) return false;
  if (rule.mutations.size > 0 && !listMutations(operation).some((name) => rule.mutations.has(name)))
    return false;
  return operation.touches.some(
    (touch) => rank[touch.access] >= rank[rule.access] && mayTouch(rule, touch, operation, attribution),
  );
}

/** Why no rule of the group covers the operation: nearest first. */
export function explainUncovered(group: readonly OperationCandidate[], use: OperationUse): Reason {
  const { operation, attribution } = use;
  if (group.length === 0 || !use.isHttps) return 'no-rule';
  for (const touch of operation.touches) {
    if (goesWithPlace(touch, operation)) continue;
    if (group.some((candidate) => grantsTouch(candidate, touch, use))) continue;
    const near = group.filter(
      ({ rule }) => isOfServer(rule, use) && coversTouch(rule, touch, operation, attribution),
    );
    if (near.length === 0 && touch.kind === 'package' && touch.act === 'publish') return 'publish';
    if (near.length === 0) return operation.sureness === 'unknown' ? 'not-understood' : 'repository';
    return near.some(({ rule }) => fitsTouch(rule, touch, use)) ? 'untrusted-write' : 'access';
  }
  return operation.touches.length === 0 || isCut(operation) ? 'not-understood' : 'access';
}

/**
 * True for a package of a forge's registry: who may have what lies there is said of its repository or owner, `packages`
 * says which of it may be installed, and what is published there needs a rule of its own.
 */
function goesWithPlace(touch: Touch, { platform }: Operation): boolean {
  const isForge = platform === 'github' || platform === 'gitlab';
  return isForge && touch.kind === 'package' && touch.act !== 'publish';
}

/** True when one of the alternatives stays within the levels. */
export function isWithin(needs: readonly Permission[], granted: Permission): boolean {
  return needs.some((set) =>
    Object.entries(set).every(([key, level]) => granted[key] === 'write' || granted[key] === level),
  );
}

function grantsTouch({ rule, scope }: OperationCandidate, touch: Touch, use: OperationUse): boolean {
  if (!fitsTouch(rule, touch, use)) return false;
  if (touch.access === 'read') return true;
  return isTrusted(rule, use.trusts.get(scope) ?? noTrust, use.operation, use.attribution);
}

/** True when the rule grants the touch, trust left aside. */
function fitsTouch(rule: OperationRule, touch: Touch, use: OperationUse): boolean {
  const { operation, attribution } = use;
  if (rank[touch.access] > rank[rule.access]) return false;
  if (!isOfServer(rule, use) || !coversTouch(rule, touch, operation, attribution)) return false;
  if (rule.operations !== null && !namesOperation(rule.operations, operation.name)) return false;
  return rule.permissions === null || isPermitted(rule.permissions, operation);
}

function isPermitted(permissions: Permission, { needs, ungrantable, sureness }: Operation): boolean {
  return sureness !== 'unknown' && ungrantable.length === 0 && isWithin(needs, permissions);
}

/** A rule that names all mutations of the document; what they touch is hidden behind ids. */
function findMutationRule(
  group: readonly OperationCandidate[],
  use: OperationUse,
): OperationCandidate | null {
  const mutations = listMutations(use.operation);
  if (mutations.length === 0 || use.operation.sureness === 'unknown') return null;
  return (
    group.find(
      ({ rule, scope }) =>
        mutations.every((name) => rule.mutations.has(name)) &&
        isOfServer(rule, use) &&
        isTrusted(rule, use.trusts.get(scope) ?? noTrust, use.operation, use.attribution),
    ) ?? null
  );
}

/** Mutations of a GraphQL document, from the name of its operation. */
function listMutations({ name }: Operation): string[] {
  const prefix = 'graphql/';
  return name.startsWith(prefix)
    ? name
        .slice(prefix.length)
        .split('+')
        .filter((part) => part !== 'query')
    : [];
}

/** Of a document with several mutations each must be named: no `*` stands for several. */
function namesOperation(operations: readonly Token[], name: string): boolean {
  const isWhole = operations.some((token) => token.kind === 'literal' && token.text === name);
  return isWhole || listParts(name).every((part) => namesOne(operations, part));
}

/** The same for a block: one of them is enough. */
function namesPart(operations: readonly Token[], name: string): boolean {
  return namesOperation(operations, name) || listParts(name).some((part) => namesOne(operations, part));
}

const namesOne = (operations: readonly Token[], name: string): boolean =>
  operations.some((token) => matchesSequence([token], [name], 1));

/** `graphql/a+b` are `graphql/a` and `graphql/b`. */
function listParts(name: string): string[] {
  const slash = name.indexOf('/') + 1;
  const prefix = name.slice(0, slash);
  return name
    .slice(slash)
    .split('+')
    .map((part) => `${prefix}${part}`);
}

/** True when the rule speaks of the server that the operation is for. */
function isOfServer(rule: OperationRule, { operation, attribution }: OperationUse): boolean {
  if (rule.family === 'images' || rule.family === 'packages') return true;
  // Images in a registry of AWS are read like those of any other.
  if (rule.family === 'aws') return operation.platform === 'aws' || operation.platform === 'oci';
  if (operation.platform !== rule.family) return false;
  if (rule.servers !== null) return rule.servers.includes(operation.server);
  const job = provenJob(attribution);
  // Of no known job the well-known server is meant, never one of somebody's own.
  if (job === null) return operation.server === `${rule.family}.com`;
  return job.platform === rule.family && job.server === operation.server;
}

/** True when the rule surely covers the touch: what it hides is not covered. */
function coversTouch(
  rule: OperationRule,
  touch: Touch,
  operation: Operation,
  attribution: Attribution,
): boolean {
  const job = findOwnJob(operation, attribution);
  switch (touch.kind) {
    case 'repository': {
      const segments = readSegments(touch, operation, attribution);
      return segments !== null && coversSegments(rule, segments, job);
    }
    case 'owner': {
      if (rule.family !== 'github' && rule.family !== 'gitlab') return false;
      const owner = touch.owner?.toLowerCase().split('/') ?? null;
      return (
        owner !== null &&
        rule.subjects.some((pattern) => coversBelow(pattern, owner, job)) &&
        (rule.isBlock || rule.exceptSubjects.length === 0)
      );
    }
    case 'platform':
      if (touch.access !== 'read') return namesOutright(rule, operation);
      // What nobody could place may be anything of the platform's.
      if (hidesPlace(operation)) return rule.family === operation.platform && coversAll(rule);
      // An images rule is for its registries' hosts alone: what clients ask of those before any image.
      return (
        rule.family === operation.platform || isOfRegistry(rule, operation) || namesOutright(rule, operation)
      );
    case 'image':
      return coversImage(rule, touch.image, operation, attribution);
    case 'cloud':
      return rule.family === 'aws' && coversCloud(rule, touch);
    case 'package':
      if (rule.family === 'images') return coversRegistry(touch, operation);
      if (rule.family === 'aws')
        return touch.purl === null && touch.access === 'read' && coversEcr(rule, touch.registry);
      return rule.packages !== null && publishes(rule.packages, touch);
    case 'action':
      // Which ones is a matter of `actions`.
      return rule.family === operation.platform;
    case 'identity':
      return namesOutright(rule, operation);
  }
}

/** What is no repository's goes by a rule that spells its operation out: tokens of apps and of identities, logs. */
function namesOutright(
  { family, operations }: OperationRule,
  { platform, name, sureness }: Operation,
): boolean {
  if (family !== platform || sureness === 'unknown') return false;
  return operations?.some((token) => token.kind === 'literal' && token.text === name) === true;
}

/** True where the path told nothing. A document of GraphQL names what it hides by touches of its own. */
const hidesPlace = ({ sureness, name }: Operation): boolean =>
  sureness === 'unknown' && !name.startsWith('graphql/');

/** True for a rule over everything that a server has. */
const coversAll = ({ subjects, exceptSubjects }: OperationRule): boolean =>
  exceptSubjects.length === 0 && subjects.some(({ text }) => text === '**' || text === '*/*');

/** What clients ask of a registry besides images: whether it is one, lists, a login. What nobody understands is none of it. */
function coversRegistry(
  { purl, access }: Extract<Touch, { kind: 'package' }>,
  operation: Operation,
): boolean {
  return operation.platform === 'oci' && operation.sureness === 'known' && purl === null && access === 'read';
}

// The web host of a GitLab hands out the tokens of its registry, and does much else.
function isOfRegistry(rule: OperationRule, { platform, name }: Operation): boolean {
  return rule.family === 'images' && (platform !== 'gitlab' || name.startsWith('container/'));
}

/** True when the touch may be one that the rule names: what is hidden counts, for blocks. */
function mayTouch(
  rule: OperationRule,
  touch: Touch,
  operation: Operation,
  attribution: Attribution,
): boolean {
  const isOfFamily = rule.family === operation.platform;
  if (touch.kind === 'repository' && readSegments(touch, operation, attribution) === null) return isOfFamily;
  // What a platform or registry says of itself is of no repository and no image: who blocks one blocks none of that.
  if (touch.kind === 'platform' && hidesPlace(operation)) return isOfFamily || isOfRegistry(rule, operation);
  if (touch.kind === 'platform') return (isOfFamily && coversAll(rule)) || namesOutright(rule, operation);
  if (touch.kind === 'action') {
    const isHidden = touch.owner === null || touch.name === null;
    const segments = `${touch.owner}/${touch.name}`.toLowerCase().split('/');
    return isOfFamily && (isHidden || coversSegments(rule, segments, findOwnJob(operation, attribution)));
  }
  if (touch.kind === 'package' && rule.family === 'images')
    return operation.platform === 'oci' && hidesPlace(operation);
  if (touch.kind === 'cloud' && rule.family === 'aws')
    return coversCloud(rule, { ...touch, account: touch.account ?? firstOf(rule.cloud?.accounts) });
  return coversTouch(rule, touch, operation, attribution);
}

const firstOf = (set: ReadonlySet<string> | null | undefined): string | null =>
  set?.values().next().value ?? null;

type RepositoryTouch = Extract<Touch, { kind: 'repository' }>;

/** Owner and name in lower case, or null when the request hides them. */
function readSegments(
  { owner, name, id, access }: RepositoryTouch,
  operation: Operation,
  attribution: Attribution,
): string[] | null {
  if (owner !== null && name !== null) return `${owner}/${name}`.toLowerCase().split('/');
  const { credential, root, platform } = operation;
  const job = findOwnJob(operation, attribution);
  const own = job?.repository?.toLowerCase().split('/') ?? null;
  if (own === null) return null;
  if (id !== null) return id === job?.repositoryId ? own : null;
  // A job's own token of GitHub reaches no other repository for writing; one of GitLab does, by allowlists.
  // What was made with it, and the runtime's token, reach no further.
  const reachesOwn = platform === 'github' && (credential === 'job' || root === 'job');
  return owner === null && access !== 'read' && reachesOwn ? own : null;
}

function publishes({ purls, registries }: PublishTerms, touch: Extract<Touch, { kind: 'package' }>): boolean {
  const { act, purl, version } = touch;
  if (act !== 'publish' || purl === null || !isAmong(registries, touch)) return false;
  return purls.some((pattern) => matchesPurl(pattern, purl, version));
}
