// What a mutation of GitHub's touches. Its input mostly hides that behind ids: a repository without a name then.

import type { FieldNode } from 'graphql';
import type { Access, Touch } from '../../flow/operation.ts';
import { argumentAt, textAt, type Variables } from '../graphql-value.ts';
import { namedRepository, validName } from './graphql-place.ts';
import { mutationNeed } from './graphql-needs.ts';
import { hiddenRepository, ownerTouch, platformTouch } from './touches.ts';

/**
 * What outlives a job or opens the platform: settings and protection of repositories, organizations and enterprises,
 * who may enter. Mutations that no table has are told by the same words.
 */
const administers =
  /Enterprise|(?<!ollow)Organization|IpAllowList|VerifiableDomain|Migrat|importProject|Collaborator|InteractionLimit|NotificationRestriction|WebCommitSignoff|DeployKey|Webhook|Ruleset|BranchProtection|Environment|TeamsRepository|TeamReviewAssignment|accessUserNamespace|Secret|Runner/;
const ofOwner = /ProjectV2|Team|Enterprise|(?<!ollow)Organization|IpAllowList|VerifiableDomain|Migrat/;
const ofUser = /^(?:un)?follow|^changeUserStatus|UserList|^setUser|Sponsor|Patreon|Attribution/;

export function mutationAccess(name: string): Access {
  const isAdmin = mutationNeed(name)?.ungrantable === 'administration: write' || administers.test(name);
  return isAdmin ? 'admin' : 'write';
}

/** What it touches, by its name and input. */
export function mutationTouch(field: FieldNode, variables: Variables): Touch {
  const name = field.name.value;
  const access = mutationAccess(name);
  const text = (...path: string[]): string | null => textAt(field, ['input', ...path], variables);
  switch (name) {
    case 'createCommitOnBranch':
      return commitTouch(field, variables);
    case 'createRef':
      return { ...hidden(access), refs: refsOf([text('name')]) };
    case 'updateRefs':
      return { ...hidden(access), refs: updatedRefs(argumentAt(field, ['input', 'refUpdates'], variables)) };
    case 'createRepository':
    case 'cloneTemplateRepository':
      return { ...hidden(access), name: validName(text('name')) };
    default:
  }
  if (ofUser.test(name)) return platformTouch(access);
  return ofOwner.test(name) ? ownerTouch(null, access) : hidden(access);
}

const maxRefs = 64;

type RepositoryTouch = Touch & { readonly kind: 'repository' };

function hidden(access: Access): RepositoryTouch {
  // hiddenRepository makes no other kind.
  return hiddenRepository(access) as RepositoryTouch;
}

/** The one mutation whose input names its repository: by name alone, for an id beside it may be of another. */
function commitTouch(field: FieldNode, variables: Variables): Touch {
  const text = (name: string): string | null => textAt(field, ['input', 'branch', name], variables);
  const hasId = argumentAt(field, ['input', 'branch', 'id'], variables) !== undefined;
  const branch = text('branchName');
  const refs = branch === null || branch.startsWith('refs/') ? null : refsOf([`refs/heads/${branch}`]);
  const [owner, name, more] = (text('repositoryNameWithOwner') ?? '').split('/');
  const known = validName(owner ?? null);
  const repository = validName(name ?? null);
  if (hasId || more !== undefined || known === null || repository === null)
    return { ...hidden('write'), refs };
  return namedRepository(known, repository, 'write', refs);
}

function updatedRefs(updates: unknown): readonly string[] | null {
  if (!Array.isArray(updates) || updates.length === 0 || updates.length > maxRefs) return null;
  return refsOf(updates.map((update: unknown) => nameOf(update)));
}

function nameOf(update: unknown): string | null {
  if (typeof update !== 'object' || update === null || !('name' in update)) return null;
  return typeof update.name === 'string' ? update.name : null;
}

/** Full refs, all of them or none. */
function refsOf(names: readonly (string | null)[]): readonly string[] | null {
  const refs = names.filter((name): name is string => name !== null && /^refs\/[^\s\0]{1,1000}$/.test(name));
  return refs.length === names.length && refs.length <= maxRefs ? refs : null;
}

/** What a mutation needs besides what the table says of it, in the words of `ungrantable`. */
export function alsoNeeded(field: FieldNode, variables: Variables): string | null {
  if (field.name.value !== 'createCommitOnBranch') return null;
  const isOfWorkflows = ['additions', 'deletions'].some((kind) => {
    const value = argumentAt(field, ['input', 'fileChanges', kind], variables);
    return Array.isArray(value) && changesWorkflows(value);
  });
  return isOfWorkflows ? 'workflows: write' : null;
}

/** The list of a variable is the same one for every field that names it, and may be long: it is looked through once. */
const lookedThrough = new WeakMap<readonly unknown[], boolean>();

function changesWorkflows(changes: readonly unknown[]): boolean {
  const known = lookedThrough.get(changes);
  if (known !== undefined) return known;
  const found = changes.some((change) => /^[./]*\.github\/+workflows(?:\/|$)/i.test(pathOf(change)));
  lookedThrough.set(changes, found);
  return found;
}

function pathOf(change: unknown): string {
  if (typeof change !== 'object' || change === null || !('path' in change)) return '';
  return typeof change.path === 'string' ? change.path : '';
}
