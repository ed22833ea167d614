// Types and fields of GitHub's GraphQL API, from the table that `npm run schema` writes (graphql-schema.txt). A
// worker reads the text when it starts; a type's line is taken apart when a document first names it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a field leads to: the type of its fields, or null for a scalar or enumeration. */
export interface GraphqlField {
  readonly type: string | null;
  readonly isList: boolean;
}

export interface GraphqlType {
  readonly name: string;
  readonly kind: 'object' | 'interface' | 'union';
  readonly fields: ReadonlyMap<string, GraphqlField>;
  /** Of a union; else empty. */
  readonly members: readonly string[];
}

/** Fields that the published schema does not have yet, and clients ask for (`gh` 2.74 and later). */
const newer = [
  'O Issue issueType:IssueType assignedActors:AssigneeConnection suggestedActors:AssigneeConnection blockedBy:IssueConnection blocking:IssueConnection|',
  'O PullRequest assignedActors:AssigneeConnection suggestedActors:AssigneeConnection|',
  'O Repository issueTypes:IssueTypeConnection suggestedActors:AssigneeConnection|',
  'O AssigneeConnection edges:*AssigneeEdge nodes:*Assignee pageInfo:PageInfo|totalCount',
  'O AssigneeEdge node:Assignee|cursor',
  'O IssueType |color description id isEnabled isPrivate name',
  'O IssueTypeConnection edges:*IssueTypeEdge nodes:*IssueType pageInfo:PageInfo|totalCount',
  'O IssueTypeEdge node:IssueType|cursor',
  'O Mutation replaceActorsForAssignable:ReplaceActorsForAssignablePayload|',
  'O ReplaceActorsForAssignablePayload assignable:Assignable|clientMutationId',
];

const kinds = { O: 'object', I: 'interface', U: 'union' } as const;
const leaf: GraphqlField = { type: null, isList: false };
const lines = splitLines(readFileSync(join(import.meta.dirname, 'graphql-schema.txt'), 'latin1'));
const known = new Map<string, GraphqlType | null>();

function splitLines(text: string): ReadonlyMap<string, readonly string[]> {
  const byName = new Map<string, readonly string[]>();
  for (const line of [...text.split('\n'), ...newer]) {
    const name = line.slice(2, line.indexOf(' ', 2));
    if (name !== '') byName.set(name, [...(byName.get(name) ?? []), line]);
  }
  return byName;
}

/** The type of this name, or null. */
export function findType(name: string): GraphqlType | null {
  const found = known.get(name);
  if (found !== undefined) return found;
  const ofType = lines.get(name);
  // Names that are not there are not remembered: a job chooses them.
  if (ofType === undefined) return null;
  const type = readType(name, ofType);
  known.set(name, type);
  return type;
}

/** The names of all types. */
export function typeNames(): readonly string[] {
  return [...lines.keys()];
}

function readType(name: string, ofType: readonly string[]): GraphqlType {
  const fields = new Map<string, GraphqlField>();
  const members: string[] = [];
  const letter = ofType[0]?.[0];
  const kind = kinds[letter === 'I' || letter === 'U' ? letter : 'O'];
  for (const line of ofType) {
    const [leads = '', leaves = ''] = line.slice(3 + name.length).split('|');
    for (const entry of words(leads)) {
      const colon = entry.indexOf(':');
      const isList = entry[colon + 1] === '*';
      fields.set(entry.slice(0, colon), { type: entry.slice(colon + (isList ? 2 : 1)), isList });
    }
    for (const entry of words(leaves))
      if (kind === 'union') members.push(entry);
      else fields.set(entry, leaf);
  }
  return { name, kind, fields, members };
}

function words(text: string): readonly string[] {
  return text.split(' ').filter((word) => word !== '');
}
