// Writes the table of GraphQL's types and fields (platform/github/graphql-schema.txt) from the schema that GitHub publishes, for
// `npm run schema`. Workers read the table: the schema itself takes 250 ms and 56 MB.

import { readFileSync } from 'node:fs';
import { Kind, parse, type TypeDefinitionNode, type TypeNode, visit } from 'graphql';

const composite = new Set<string>([
  Kind.OBJECT_TYPE_DEFINITION,
  Kind.INTERFACE_TYPE_DEFINITION,
  Kind.UNION_TYPE_DEFINITION,
]);

/**
 * One line a type: its kind (O, I, U), its name, then `field:Type` (`field:*Type` for a list) where a field leads to
 * fields, and after a bar the names of those that do not. Of a union its members stand after the bar.
 */
export function writeGraphqlSchema(): string {
  const path = new URL('schema.graphql', import.meta.resolve('@octokit/graphql-schema'));
  const types = new Map<string, TypeDefinitionNode>();
  const keep = (node: TypeDefinitionNode): undefined => void types.set(node.name.value, node);
  visit(parse(readFileSync(path, 'utf8'), { noLocation: true }), {
    ObjectTypeDefinition: keep,
    InterfaceTypeDefinition: keep,
    UnionTypeDefinition: keep,
  });
  const lines = [...types.values()].sort(byName).map((type) => lineOf(type, types));
  return `${lines.join('\n')}\n`;
}

const byName = (a: TypeDefinitionNode, b: TypeDefinitionNode): number =>
  a.name.value < b.name.value ? -1 : 1;

function lineOf(type: TypeDefinitionNode, types: ReadonlyMap<string, TypeDefinitionNode>): string {
  const name = type.name.value;
  if (type.kind === Kind.UNION_TYPE_DEFINITION)
    return `U ${name} |${(type.types ?? []).map((member) => member.name.value).join(' ')}`;
  const hasFields = type.kind === Kind.OBJECT_TYPE_DEFINITION || type.kind === Kind.INTERFACE_TYPE_DEFINITION;
  const fields = hasFields ? (type.fields ?? []) : [];
  const leads = fields.filter((field) => composite.has(types.get(namedOf(field.type))?.kind ?? ''));
  const leaves = fields.filter((field) => !leads.includes(field)).map((field) => field.name.value);
  const kind = type.kind === Kind.INTERFACE_TYPE_DEFINITION ? 'I' : 'O';
  const named = leads.map(
    (field) => `${field.name.value}:${isList(field.type) ? '*' : ''}${namedOf(field.type)}`,
  );
  return `${kind} ${name} ${[...new Set(named)].join(' ')}|${[...new Set(leaves)].join(' ')}`;
}

function namedOf(type: TypeNode): string {
  return type.kind === Kind.NAMED_TYPE ? type.name.value : namedOf(type.type);
}

function isList(type: TypeNode): boolean {
  if (type.kind === Kind.NAMED_TYPE) return false;
  return type.kind === Kind.LIST_TYPE || isList(type.type);
}
