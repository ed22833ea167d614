// Walks what a GraphQL document selects over GitHub's schema: which mutations it runs, what it touches, what its
// fields need. What the schema cannot place makes the whole document opaque; the walk is bounded in steps.

import type { FieldNode, InlineFragmentNode, SelectionNode, SelectionSetNode } from 'graphql';
import { OperationTypeNode } from 'graphql/language/ast.js';
import { Kind } from 'graphql/language/kinds.js';
import type { Touch } from '../../flow/operation.ts';
import { redactName } from '../../flow/redact.ts';
import { type GraphqlDocument, selectionsOf } from '../graphql-document.ts';
import { type Variables, variablesOf } from '../graphql-value.ts';
import type { NeedSet } from '../need-sets.ts';
import {
  addByTarget,
  addNeed,
  branchOf,
  type Branches,
  branchesOf,
  joinBranches,
  type Needs,
  noneYet,
  settled,
  settledByTargets,
} from './graphql-gather.ts';
import { alsoNeeded, mutationTouch } from './graphql-mutations.ts';
import { fieldNeed, type GraphqlNeed, mutationNeed, typeNeed } from './graphql-needs.ts';
import {
  elsewhere,
  type Place,
  placeKey,
  type Step,
  stepFromRoot,
  stepIntoType,
  stepThrough,
  touchOfScalar,
} from './graphql-place.ts';
import { findType, type GraphqlType } from './graphql-schema.ts';
import { narrowByTarget } from './graphql-target.ts';

/** What documents came to. */
export interface Walked {
  readonly mutations: ReadonlySet<string>;
  readonly touches: readonly Touch[];
  readonly needs: NeedSet;
  /** The same, as far as ids of targets tell which alternative it is. */
  readonly decided: NeedSet;
  readonly ungrantable: readonly string[];
  /** Fields and mutations of the schema whose needs nobody knows. */
  readonly unknown: readonly string[];
}

const maxSteps = 20_000;
/** Of all documents; each is walked by itself, with the fragments that it spreads. */
const maxOperations = 64;
const maxMutations = 64;
const maxTouches = 64;
const maxUnknown = 8;
/** Fields of every type and of the root that tell of the schema alone. */
const introspection: ReadonlySet<string> = new Set(['__typename', '__schema', '__type']);

/** Not an error of ours: a document that is opaque. */
class Opaque extends Error {}

interface Walk {
  readonly document: GraphqlDocument;
  readonly variables: Variables;
  readonly found: Found;
  /** Names of the fragments that are being walked. */
  readonly open: Set<string>;
}

interface Found {
  readonly mutations: Set<string>;
  readonly touches: Map<string, Touch>;
  readonly ungrantable: Set<string>;
  readonly unknown: Set<string>;
  steps: number;
}

/** Answers why, when the documents are opaque. Never throws. */
export function walkDocuments(documents: readonly GraphqlDocument[]): Walked | { readonly opaque: string } {
  const found: Found = {
    mutations: new Set(),
    touches: new Map(),
    ungrantable: new Set(),
    unknown: new Set(),
    steps: 0,
  };
  const needs = noneYet();
  const operations = documents.reduce((sum, document) => sum + document.operations.length, 0);
  if (operations > maxOperations) return { opaque: `more than ${maxOperations} operations` };
  try {
    for (const document of documents)
      for (const operation of document.operations) {
        const variables = variablesOf(operation, document.variables);
        needs.walked.clear();
        const walk: Walk = { document, variables, found, open: new Set() };
        const root = operation.operation === OperationTypeNode.MUTATION ? 'Mutation' : 'Query';
        walkSelections(walk, operation.selectionSet, placed(root), elsewhere, needs, true);
      }
  } catch (error) {
    if (error instanceof Opaque) return { opaque: error.message };
    // Depth is bounded by the document's and that of its fragments: the stack's end is no surprise either.
    if (error instanceof RangeError) return { opaque: 'nested too deep' };
    throw error;
  }
  return {
    mutations: found.mutations,
    touches: [...found.touches.values()],
    needs: settled(needs),
    decided: settledByTargets(needs),
    ungrantable: [...found.ungrantable],
    unknown: [...found.unknown],
  };
}

function placed(name: string): GraphqlType {
  const type = findType(name);
  if (type === null) throw new Opaque(`the type ${name.slice(0, 80)} is not in the schema`);
  return type;
}

function walkSelections(
  walk: Walk,
  set: SelectionSetNode | undefined,
  type: GraphqlType,
  place: Place,
  needs: Needs,
  isList: boolean,
): void {
  const branches = isList || type.kind === 'object' ? null : branchesOf(type);
  for (const selection of selectionsOf(set)) walkSelection(walk, selection, type, place, needs, branches);
  if (branches !== null) joinBranches(needs, branches);
}

function walkSelection(
  walk: Walk,
  selection: SelectionNode,
  type: GraphqlType,
  place: Place,
  needs: Needs,
  branches: Branches | null,
): void {
  if (++walk.found.steps > maxSteps) throw new Opaque(`more than ${maxSteps} selections`);
  if (selection.kind === Kind.FIELD) {
    if (type.name === 'Mutation') walkMutation(walk, selection, needs);
    else walkField(walk, selection, type, place, needs);
  } else if (selection.kind === Kind.INLINE_FRAGMENT)
    walkFragment(walk, selection, type, place, needs, branches);
  else walkSpread(walk, selection.name.value, type, place, needs, branches);
}

function walkSpread(
  walk: Walk,
  name: string,
  type: GraphqlType,
  place: Place,
  needs: Needs,
  branches: Branches | null,
): void {
  const fragment = walk.document.fragments.get(name);
  if (fragment === undefined) throw new Opaque('a fragment that is not there');
  if (walk.open.has(name)) throw new Opaque('fragments that spread one another');
  const key = branches === null ? `${name} ${type.name} ${placeKey(place)}` : '';
  if (needs.walked.has(key)) return;
  walk.open.add(name);
  walkFragment(walk, fragment, type, place, needs, branches);
  walk.open.delete(name);
  if (key !== '') needs.walked.add(key);
}

function walkFragment(
  walk: Walk,
  fragment: Pick<InlineFragmentNode, 'typeCondition' | 'selectionSet'>,
  type: GraphqlType,
  place: Place,
  needs: Needs,
  branches: Branches | null,
): void {
  const name = fragment.typeCondition?.name.value ?? type.name;
  if (name === type.name) {
    for (const selection of selectionsOf(fragment.selectionSet))
      walkSelection(walk, selection, type, place, needs, branches);
    return;
  }
  const inner = placed(name);
  if ((inner.name === 'Mutation') !== (type.name === 'Mutation')) throw new Opaque('a fragment out of place');
  const own = branches === null ? needs : branchOf(branches, name);
  const need = typeNeed(name);
  if (need.isUnknown) note(walk, name);
  count(walk, need, own);
  const step = stepIntoType(place, name);
  touch(walk, step.touch);
  walkSelections(walk, fragment.selectionSet, inner, step.place, own, branches === null);
}

function walkField(walk: Walk, field: FieldNode, type: GraphqlType, place: Place, needs: Needs): void {
  const name = field.name.value;
  if (introspection.has(name)) return;
  const known = type.fields.get(name);
  if (known === undefined)
    throw new Opaque(`the field ${type.name}.${name.slice(0, 80)} is not in the schema`);
  const need = fieldNeed(type.name, name, known.type);
  if (need.isUnknown) note(walk, `${type.name}.${name}`);
  count(walk, need, needs);
  if (known.type === null) {
    const isRoot = type.name === 'Query';
    touch(walk, isRoot ? stepFromRoot(field, walk.variables).touch : touchOfScalar(place, name));
    return;
  }
  const step: Step =
    type.name === 'Query'
      ? stepFromRoot(field, walk.variables)
      : stepThrough(place, type.name, field, known.type, walk.variables);
  touch(walk, step.touch);
  touch(walk, step.other ?? null);
  walkSelections(walk, field.selectionSet, placed(known.type), step.place, needs, known.isList);
}

function walkMutation(walk: Walk, field: FieldNode, needs: Needs): void {
  const name = field.name.value;
  if (introspection.has(name)) return;
  const { mutations } = walk.found;
  const payload = findType('Mutation')?.fields.get(name)?.type ?? null;
  const isOfSchema = payload !== null;
  if (name.length > 80 || mutations.size >= maxMutations) throw new Opaque('too many mutations');
  // A job chooses names that are not the schema's: they may be anything.
  mutations.add(isOfSchema ? name : redactName(name));
  const own = mutationTouch(field, walk.variables);
  touch(walk, own);
  const need = mutationNeed(name);
  if (need === null) note(walk, name);
  else if (need.isByTarget)
    addByTarget(needs, name, need.needs, narrowByTarget(need.needs, field, walk.variables));
  else count(walk, need, needs);
  const also = alsoNeeded(field, walk.variables);
  if (also !== null) walk.found.ungrantable.add(also);
  // What a mutation answers that is not in the schema either: it is unknown already.
  if (payload === null) return;
  walkSelections(walk, field.selectionSet, placed(payload), placeOf(own), needs, false);
}

function placeOf(own: Touch): Place {
  if (own.kind !== 'repository' || own.owner === null) return elsewhere;
  return { kind: 'repository', owner: own.owner, name: own.name };
}

function count(walk: Walk, need: GraphqlNeed, needs: Needs): void {
  if (need.ungrantable !== null) walk.found.ungrantable.add(need.ungrantable);
  addNeed(needs, need);
}

function note(walk: Walk, name: string): void {
  if (walk.found.unknown.size < maxUnknown) walk.found.unknown.add(name);
}

function touch(walk: Walk, one: Touch | null): void {
  if (one === null) return;
  const { touches } = walk.found;
  const key = JSON.stringify(one);
  if (touches.has(key)) return;
  if (touches.size >= maxTouches) throw new Opaque(`more than ${maxTouches} repositories and accounts`);
  touches.set(key, one);
}
