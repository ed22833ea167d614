// Walks GraphQL documents without GitLab's schema: what the top of a query names is read, and below it every object
// that is not known to belong to a project may be anybody's. A field without selections is a plain value.

import type { FieldNode, SelectionNode, SelectionSetNode } from 'graphql';
import { OperationTypeNode } from 'graphql/language/ast.js';
import { Kind } from 'graphql/language/kinds.js';
import type { Access, Touch } from '../../flow/operation.ts';
import { ownerTouch, platformTouch } from '../github/touches.ts';
import type { GraphqlDocument } from '../graphql-document.ts';
import { textAt, variablesOf, type Variables } from '../graphql-value.ts';
import { areNames, hiddenProject, projectTouch } from './touches.ts';

export interface Walked {
  /** Names of mutations, in their order. */
  readonly mutations: readonly string[];
  readonly touches: readonly Touch[];
  /** Fields below a named project or group that may lead out of it; bounded. */
  readonly leadsOut: readonly string[];
}

const maxSelections = 20_000;
const maxTouches = 64;
const maxListed = 8;

/** Objects that belong to the project below which they are read; names of groups and of other projects are not here. */
const inside: ReadonlySet<string> = new Set(
  (
    'nodes edges node pageInfo repository tree trees blobs blob submodules lastCommit commit commits rootRef branch ' +
    'pipelines pipeline headPipeline jobs job stages stage needs detailedStatus action testReportSummary testSuite ' +
    'total testCases artifacts codeQualityReports issues issue notes note discussions discussion mergeRequests ' +
    'mergeRequest labels label releases release assets links sources evidences environments environment ' +
    'lastDeployment deployments deployment packages package versions packageFiles pipelinesOfPackage ' +
    'containerRepositories containerRepository tags tag statistics languages userPermissions permissions diffStats ' +
    'diffStatsSummary diffRefs conflicts approvalState rules terraformStates terraformState latestVersion ' +
    'alertManagementAlerts alertManagementAlert timelogs designCollection designs badges author assignees assignee ' +
    'participants reviewers approvedBy mergeUser committer user commenters createdBy updatedBy taskCompletionStatus ' +
    'ciTemplate ciVariables jobArtifacts artifactsSizes webPath securityReportSummary downloads'
  ).split(' '),
);

/** What belongs to a group besides: its projects and the groups below it. */
const insideGroup: ReadonlySet<string> = new Set([
  ...inside,
  'projects',
  'descendantGroups',
  'epics',
  'epic',
]);

interface Walk {
  readonly touches: Touch[];
  readonly mutations: string[];
  readonly leadsOut: Set<string>;
  document: GraphqlDocument;
  variables: Variables;
  selections: number;
}

/** Never throws; `opaque` says why the documents are not understood. */
export function walkDocuments(documents: readonly GraphqlDocument[]): Walked | { readonly opaque: string } {
  const walk: Walk = {
    touches: [],
    mutations: [],
    leadsOut: new Set(),
    document: documents[0]!,
    variables: new Map(),
    selections: 0,
  };
  for (const document of documents) {
    walk.document = document;
    for (const operation of document.operations) {
      walk.variables = variablesOf(operation, document.variables);
      const isMutation = operation.operation === OperationTypeNode.MUTATION;
      const walked = eachField(walk, operation.selectionSet, new Set(), (field, open) =>
        isMutation ? mutate(walk, field) : query(walk, field, open),
      );
      if (!walked) return { opaque: `more than ${maxSelections} selections, or fragments in a circle` };
    }
  }
  if (walk.touches.length > maxTouches) return { opaque: `more than ${maxTouches} places` };
  return { mutations: walk.mutations, touches: walk.touches, leadsOut: [...walk.leadsOut] };
}

/** `open` are the fragments around the field. */
type Visit = (field: FieldNode, open: ReadonlySet<string>) => boolean;

/** Calls back for each field, through fragments; false when it is too much, or goes in a circle. */
function eachField(
  walk: Walk,
  set: SelectionSetNode | undefined,
  open: ReadonlySet<string>,
  visit: Visit,
): boolean {
  return (set?.selections ?? []).every((selection) => {
    walk.selections += 1;
    return walk.selections <= maxSelections && step(walk, selection, open, visit);
  });
}

function step(walk: Walk, selection: SelectionNode, open: ReadonlySet<string>, visit: Visit): boolean {
  if (selection.kind === Kind.FIELD) return visit(selection, open);
  if (selection.kind === Kind.INLINE_FRAGMENT) return eachField(walk, selection.selectionSet, open, visit);
  const name = selection.name.value;
  const fragment = walk.document.fragments.get(name);
  if (fragment === undefined || open.has(name)) return false;
  return eachField(walk, fragment.selectionSet, new Set([...open, name]), visit);
}

const administers =
  /Protected|Protection|Settings|Approval\w*Rule|SecurityPolicy|PipelineSchedule|PipelineTrigger|BranchRule|Runner|Variable|Token|Member|Hook|DeployKey|SshKey|Namespace|Integration|AuditEvent|Secret|Agent|(?:project|group|organization)(?:Create|Update|Delete|Destroy|Remove|Settings|Transfer|Share)/i;

function mutate(walk: Walk, field: FieldNode): boolean {
  const name = field.name.value;
  if (!walk.mutations.includes(name)) walk.mutations.push(name.slice(0, 100));
  addTouch(walk, hiddenProject(administers.test(name) ? 'admin' : 'write'));
  return walk.mutations.length <= maxTouches;
}

/** Fields at the top of a query that name nothing of anybody's. */
const plain: ReadonlySet<string> = new Set(['__typename', '__schema', '__type', 'metadata', 'echo']);

function query(walk: Walk, field: FieldNode, open: ReadonlySet<string>): boolean {
  const name = field.name.value;
  switch (name) {
    case 'project':
      addTouch(walk, projectOf(textAt(field, ['fullPath'], walk.variables)));
      return below(walk, field, inside, open);
    case 'ciConfig':
      addTouch(walk, projectOf(textAt(field, ['projectPath'], walk.variables)));
      return true;
    case 'group':
    case 'namespace':
      addTouch(walk, groupOf(textAt(field, ['fullPath'], walk.variables)));
      return below(walk, field, insideGroup, open);
    case 'currentUser':
      addTouch(walk, platformTouch('read'));
      return below(walk, field, new Set(), open);
    default:
      addTouch(walk, plain.has(name) ? platformTouch('read') : hiddenProject('read'));
      return true;
  }
}

/** Walks what is selected below; an object that is not known to stay inside may be of any project. */
function below(walk: Walk, field: FieldNode, known: ReadonlySet<string>, open: ReadonlySet<string>): boolean {
  return eachField(walk, field.selectionSet, open, (inner, around) => {
    const { name, selectionSet } = inner;
    if (selectionSet === undefined) return true;
    if (known.has(name.value)) return below(walk, inner, known, around);
    if (walk.leadsOut.size < maxListed) walk.leadsOut.add(name.value.slice(0, 100));
    addTouch(walk, hiddenProject('read'));
    return true;
  });
}

function projectOf(path: string | null): Touch {
  return path === null ? hiddenProject('read') : projectTouch(path.split('/'), 'read');
}

function groupOf(path: string | null): Touch {
  const isNamed = path !== null && areNames(path.split('/'));
  return ownerTouch(isNamed ? path : null, 'read');
}

function addTouch(walk: Walk, touch: Touch): void {
  const text = keyOf(touch);
  if (walk.touches.length <= maxTouches && !walk.touches.some((known) => keyOf(known) === text))
    walk.touches.push(touch);
}

function keyOf(touch: Touch): string {
  const access: Access = touch.access;
  if (touch.kind === 'repository') return `${access} ${touch.owner ?? ''}/${touch.name ?? ''}`;
  return touch.kind === 'owner' ? `${access} group ${touch.owner ?? ''}` : `${access} ${touch.kind}`;
}
