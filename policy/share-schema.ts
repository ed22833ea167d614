// Gives sub-schemas that stand in several places one definition, so that the check's compiled code stays small.

interface Found {
  readonly schema: object;
  readonly key: string;
  count: number;
}

/** The same schema with `$defs`; sub-schemas are the same when they are the same object. */
export function shareSubschemas(root: object): object {
  const found = new Map<object, Found>();
  count(root, '', found);
  const names = new Map<object, string>();
  for (const { schema, key, count } of found.values()) {
    if (count > 1 && schema !== root) names.set(schema, pickName(key, new Set(names.values())));
  }
  const defs = Object.fromEntries([...names].map(([schema, name]) => [name, copy(schema, names, true)]));
  return { ...copy(root, names, true), ...(names.size > 0 && { $defs: defs }) };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isSchema(value: object): boolean {
  return (
    'anyOf' in value ||
    ('type' in value && (value.type === 'object' || 'minLength' in value || 'pattern' in value))
  );
}

function count(value: object, key: string, found: Map<object, Found>): void {
  if (isSchema(value)) {
    const known = found.get(value);
    if (known !== undefined) {
      known.count++;
      return;
    }
    found.set(value, { schema: value, key, count: 1 });
  }
  for (const [name, child] of Object.entries(value)) {
    if (isObject(child)) count(child, /^\d+$/.test(name) || name === 'anyOf' ? key : name, found);
  }
}

function pickName(key: string, taken: ReadonlySet<string>): string {
  let name = key;
  for (let i = 2; taken.has(name); i++) name = `${key}${i}`;
  return name;
}

function copy(value: object, names: ReadonlyMap<object, string>, isTop: boolean): object {
  const name = isTop ? undefined : names.get(value);
  if (name !== undefined) return { $ref: `#/$defs/${name}` };
  const part = (child: unknown): unknown => (isObject(child) ? copy(child, names, false) : child);
  if (Array.isArray(value)) return value.map(part);
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, part(child)]));
}
