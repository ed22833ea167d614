// Values of arguments in a GraphQL document, with the variables of the request put in. What is not certain has none.

import type { ArgumentNode, FieldNode, OperationDefinitionNode, ValueNode } from 'graphql';
import { Kind } from 'graphql/language/kinds.js';

/** Values of variables by name; one that is not in here has no known value. */
export type Variables = ReadonlyMap<string, unknown>;

/** The variables of one operation: what the request gives, else the defaults that the document names. */
export function variablesOf(
  operation: OperationDefinitionNode,
  given: ReadonlyMap<string, unknown> | null,
): Variables {
  const values = new Map<string, unknown>();
  if (given === null) return values;
  const none: Variables = new Map();
  const seen = new Set<string>();
  for (const definition of operation.variableDefinitions ?? []) {
    const name = definition.variable.name.value;
    const isTwice = seen.has(name);
    seen.add(name);
    if (isTwice) values.delete(name);
    else if (given.has(name)) values.set(name, given.get(name));
    else if (definition.defaultValue !== undefined) values.set(name, valueOf(definition.defaultValue, none));
  }
  return values;
}

/** The value at `path` below the arguments of a field, or undefined. */
export function argumentAt(field: FieldNode, path: readonly string[], variables: Variables): unknown {
  const [first = '', ...rest] = path;
  let value = valueOf(only(field.arguments ?? [], first)?.value, variables);
  for (const step of rest) value = memberOf(value, step);
  return value;
}

/** The text at `path`, or null where there is none or it is no text. */
export function textAt(field: FieldNode, path: readonly string[], variables: Variables): string | null {
  const value = argumentAt(field, path, variables);
  return typeof value === 'string' ? value : null;
}

/** The one entry of that name; none when it is there twice. */
function only<T extends Pick<ArgumentNode, 'name'>>(entries: readonly T[], name: string): T | undefined {
  const found = entries.filter((entry) => entry.name.value === name);
  return found.length === 1 ? found[0] : undefined;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Object.hasOwn(value, name)) return undefined;
  return (value as Record<string, unknown>)[name]; // an object with this key, as just seen
}

/** Depth is bounded by that of the document. */
function valueOf(node: ValueNode | undefined, variables: Variables): unknown {
  switch (node?.kind) {
    case Kind.STRING:
      return node.value;
    case Kind.VARIABLE:
      return variables.get(node.name.value);
    case Kind.LIST:
      return node.values.map((value) => valueOf(value, variables));
    case Kind.OBJECT: {
      const names = node.fields.map((entry) => entry.name.value);
      if (new Set(names).size !== names.length) return undefined;
      return Object.fromEntries(
        node.fields.map((entry) => [entry.name.value, valueOf(entry.value, variables)]),
      );
    }
    // `input: null` and an argument that is not there say the same; numbers and words name nothing that we ask for.
    default:
      return undefined;
  }
}
