// Where in GitHub's graph a selection stands: inside a repository that the request names, at an account, or anywhere
// else. It tells what a document touches; whatever it is not sure of is a repository without a name.

import type { FieldNode } from 'graphql';
import type { Access, Touch } from '../../flow/operation.ts';
import { textAt, type Variables } from '../graphql-value.ts';
import { isNothing } from '../need-sets.ts';
import { isStructural, typeNeed } from './graphql-needs.ts';
import { findType } from './graphql-schema.ts';
import { searchedRepository } from './graphql-search.ts';
import { hiddenRepository, ownerTouch, platformTouch } from './touches.ts';

export type Place =
  | { readonly kind: 'repository'; readonly owner: string; readonly name: string | null }
  /** An account that the request names by its login. */
  | { readonly kind: 'account'; readonly owner: string }
  /** The list of an organization's repositories. */
  | { readonly kind: 'repositories'; readonly owner: string }
  /** An issue or pull request that one of a named repository leads to. */
  | { readonly kind: 'linked' }
  /** A repository that a named one leads to: its own scalars are part of what REST tells of the named one as well. */
  | { readonly kind: 'glimpse' }
  | { readonly kind: 'elsewhere' };

/** Where a field leads, and what it touches by itself. */
export interface Step {
  readonly place: Place;
  readonly touch: Touch | null;
  /** What it touches besides. */
  readonly other?: Touch;
}

/** The same text for the same place. */
export function placeKey(place: Place): string {
  if (!('owner' in place)) return place.kind;
  return `${place.kind} ${place.owner} ${place.kind === 'repository' ? place.name : ''}`;
}

export const elsewhere: Place = { kind: 'elsewhere' };
const nameShape = /^[A-Za-z0-9._-]{1,100}$/;

export function namedRepository(
  owner: string,
  name: string | null,
  access: Access,
  refs: readonly string[] | null = null,
): Touch {
  return { kind: 'repository', access, owner, name, id: null, refs };
}

/** A field of the root. */
export function stepFromRoot(field: FieldNode, variables: Variables): Step {
  const text = (name: string): string | null => validName(textAt(field, [name], variables));
  switch (field.name.value) {
    case 'repository':
      return intoRepository(text('owner'), text('name'));
    case 'organization':
    case 'repositoryOwner':
    case 'user':
      return intoAccount(text('login'));
    case 'node':
    case 'nodes':
    case 'resource':
      return { place: elsewhere, touch: hiddenRepository('read') };
    case 'search':
      return intoSearch(textAt(field, ['query'], variables));
    case 'relay':
      return { place: elsewhere, touch: null };
    default:
      return { place: elsewhere, touch: platformTouch('read') };
  }
}

function intoRepository(owner: string | null, name: string | null): Step {
  if (owner === null || name === null) return { place: elsewhere, touch: hiddenRepository('read') };
  return { place: { kind: 'repository', owner, name }, touch: namedRepository(owner, name, 'read') };
}

function intoSearch(text: string | null): Step {
  const found = searchedRepository(text);
  if (found === null) return { place: elsewhere, touch: platformTouch('read') };
  return { ...intoRepository(found.owner, found.name), other: platformTouch('read') };
}

function intoAccount(login: string | null): Step {
  const place: Place = login === null ? elsewhere : { kind: 'account', owner: login };
  return { place, touch: ownerTouch(login, 'read') };
}

/** Names with other characters are no names of GitHub's, and nothing is made of them. */
export function validName(text: string | null): string | null {
  return text !== null && nameShape.test(text) ? text : null;
}

/** A field of any other type; `target` is the type of its fields. */
export function stepThrough(
  place: Place,
  parent: string,
  field: FieldNode,
  target: string,
  variables: Variables,
): Step {
  const name = field.name.value;
  if (place.kind === 'glimpse') return stepFromGlimpse(place, parent, name);
  if (target === 'Repository') return stepIntoRepository(place, parent, field, variables);
  if (place.kind !== 'repository') {
    if (place.kind === 'account' && parent === 'Organization' && name === 'repositories')
      return { place: { kind: 'repositories', owner: place.owner }, touch: null };
    // What a list holds was counted where the list was entered; what a mutation answers with, as what it changes.
    if (isStructural(parent)) return { place, touch: null };
    if (parent.endsWith('Payload')) return { place: elsewhere, touch: null };
    return { place: elsewhere, touch: isContent(target) ? hiddenRepository('read') : null };
  }
  if (links.get(parent)?.has(name) === true) return { place: { kind: 'linked' }, touch: null };
  return { place: staysInside(target) ? place : elsewhere, touch: null };
}

/** Whose it is and the name of its main branch are part of the glimpse; what else there is, is not. */
function stepFromGlimpse(place: Place, parent: string, name: string): Step {
  if (parent === 'Repository' && name === 'owner') return { place: elsewhere, touch: null };
  if (parent === 'Repository' && name === 'defaultBranchRef') return { place, touch: null };
  return { place: elsewhere, touch: hiddenRepository('read') };
}

/** A scalar of an object: none but a repository's credentials says more than a glimpse may. */
export function touchOfScalar(place: Place, name: string): Touch | null {
  return name === 'tempCloneToken' && place.kind !== 'repository' ? hiddenRepository('read') : null;
}

function stepIntoRepository(place: Place, parent: string, field: FieldNode, variables: Variables): Step {
  const name = field.name.value;
  if (place.kind === 'repository' && backReferences.has(name) && staysInside(parent))
    return { place, touch: null };
  const isGlimpse =
    place.kind === 'linked' ? name === 'repository' : place.kind === 'repository' && glimpses.has(name);
  if (isGlimpse) return { place: { kind: 'glimpse' }, touch: null };
  if (place.kind === 'repositories' && isStructural(parent))
    return {
      place: { kind: 'repository', owner: place.owner, name: null },
      touch: namedRepository(place.owner, null, 'read'),
    };
  if (place.kind === 'account' && name === 'repository' && accounts.has(parent))
    return intoRepository(place.owner, validName(textAt(field, ['name'], variables)));
  if (parent.endsWith('Payload')) return { place: elsewhere, touch: null };
  return { place: elsewhere, touch: hiddenRepository('read') };
}

/** A fragment that says which type an object is: inside, that it leads out; elsewhere, that it is content. */
export function stepIntoType(place: Place, type: string): Step {
  if (place.kind === 'repository') return { place: staysInside(type) ? place : elsewhere, touch: null };
  const isHidden = type === 'Repository' || isContent(type);
  return { place, touch: isHidden ? hiddenRepository('read') : null };
}

const accounts: ReadonlySet<string> = new Set(['Organization', 'RepositoryOwner', 'User']);
const backReferences: ReadonlySet<string> = new Set(['repository', 'baseRepository']);

const glimpses: ReadonlySet<string> = new Set(['headRepository', 'parent', 'templateRepository']);

/** Fields whose objects may belong to another repository, though their type does not say so. */
const links: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  `Issue closedByPullRequestsReferences parent subIssues trackedInIssues trackedIssues blockedBy blocking
  PullRequest closingIssuesReferences headRef
  Commit associatedPullRequests
  Ref associatedPullRequests
  CheckSuite matchingPullRequests
  CrossReferencedEvent source target
  ConnectedEvent source subject
  DisconnectedEvent source subject
  MarkedAsDuplicateEvent canonical duplicate
  UnmarkedAsDuplicateEvent canonical duplicate
  ReferencedEvent commit subject
  SubIssueAddedEvent subIssue
  SubIssueRemovedEvent subIssue
  ParentIssueAddedEvent parent
  ParentIssueRemovedEvent parent
  ProjectCard content
  LinkedBranch ref`
    .split('\n')
    .map((line) => line.trim().split(' '))
    .map(([type = '', ...fields]) => [type, new Set(fields)] as const),
);
/** Types that need a repository's permissions and lead out of it. */
const doors: ReadonlySet<string> = new Set(['DependencyGraphDependency', 'Subscribable']);
const inside = new Map<string, boolean>();

function isContent(type: string): boolean {
  return !isNothing(typeNeed(type).needs);
}

/** True when every object of the type that is reached inside a repository belongs to it. */
function staysInside(type: string): boolean {
  const found = inside.get(type);
  if (found !== undefined) return found;
  const stays = findStay(type);
  if (findType(type) !== null) inside.set(type, stays);
  return stays;
}

function findStay(type: string): boolean {
  if (isStructural(type) || type.endsWith('Payload') || type === 'Repository') return true;
  // Each fragment on it says what it is.
  if (type === 'SearchResultItem') return true;
  const members = findType(type)?.members ?? [];
  return members.length > 0 ? members.every(staysInside) : isContent(type) && !doors.has(type);
}
