// Checks data against a schema constant (ajv strict) and turns what ajv says into problems that a person can act on.
// What is wrong is taken out of the data, so that later checks can look at the rest and all problems show at once.

import { Ajv, type ErrorObject } from 'ajv';
import { findNearKey } from './near-key.ts';
import { shareSubschemas } from './share-schema.ts';
import { formatPath, type ProblemList, type ValuePath } from './problem-list.ts';
import {
  blocklistFileSchema,
  laterKeys,
  policySchema,
  type BlocklistFile,
  type PolicyFile,
} from './schema.ts';

const ajv = new Ajv({ strict: true, allErrors: true, verbose: true, inlineRefs: false });
const validators = new Map<object, ReturnType<typeof compile>>();

function compile(schema: object) {
  return ajv.compile(shareSubschemas(schema));
}

/** The part of the data that is a valid policy; problems go to the list. */
export function checkPolicyFile(data: unknown, list: ProblemList): PolicyFile {
  return checkBySchema<PolicyFile>(data, policySchema, list, { version: 1 });
}

/** The part of the data that is a valid blocklist file. */
export function checkBlocklistFile(data: unknown, list: ProblemList): BlocklistFile {
  return checkBySchema<BlocklistFile>(data, blocklistFileSchema, list, {});
}

/** The part of any file's data that fits its schema; `empty` when nothing does. */
export function checkBySchema<T>(data: unknown, schema: object, list: ProblemList, empty: T): T {
  let validate = validators.get(schema);
  if (validate === undefined) validators.set(schema, (validate = compile(schema)));
  // What broke the schema is gone or undefined now, and readers skip undefined; errors keep the rest from being used.
  const checked = data as T;
  if (validate(data)) return checked;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    list.error([], 'the file is no mapping of keys', 'begin with "version: 1"');
    return empty;
  }
  const errors = selectErrors(validate.errors ?? []);
  for (const error of errors) report(error, list, data);
  for (const error of errors) prune(data, toPath(error, data));
  return checked;
}

/** Of the alternatives of an `anyOf` only what the value looks like is worth reading. */
function selectErrors(errors: readonly ErrorObject[]): ErrorObject[] {
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf');
  const wanted = errors.filter(
    (error) => error.keyword === 'anyOf' || unions.every((union) => isWorthReading(error, union)),
  );
  // A union speaks for itself only when nothing more exact was said of its value.
  return wanted.filter(
    (error, index) =>
      error.keyword !== 'anyOf' ||
      !wanted.some((other, at) => isUnder(other, error) && (other.keyword !== 'anyOf' || at < index)),
  );
}

function isUnder(error: ErrorObject, union: ErrorObject): boolean {
  if (error === union) return false;
  return error.instancePath === union.instancePath || error.instancePath.startsWith(`${union.instancePath}/`);
}

function isWorthReading(error: ErrorObject, union: ErrorObject): boolean {
  if (error.instancePath !== union.instancePath) return true;
  // ajv types `schema` as any; an anyOf is always a list of schemas.
  const branches = union.schema as readonly { readonly type?: unknown }[];
  const isListUnion = branches.some(({ type }) => type === 'array');
  if (!isListUnion) return error.keyword !== 'type';
  return Array.isArray(union.data) ? error.keyword === 'minItems' : error.params['type'] !== 'array';
}

function toPath(error: ErrorObject, data: unknown): (string | number)[] {
  const path: (string | number)[] = [];
  let value = data;
  for (const part of error.instancePath.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    const step = Array.isArray(value) ? Number(key) : key;
    path.push(step);
    value = readStep(value, step);
  }
  return path;
}

function readStep(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.getOwnPropertyDescriptor(value, step)?.value;
}

function report(error: ErrorObject, list: ProblemList, data: unknown): void {
  const path = toPath(error, data);
  const where = formatPath(path) || 'the file';
  const { params } = error;
  if (error.keyword === 'additionalProperties') reportKey(error, path, list);
  else if (error.keyword === 'required') {
    list.error(path, `${where} lacks "${params['missingProperty']}"`, `add "${params['missingProperty']}:"`);
  } else if (error.keyword === 'enum' || error.keyword === 'const') reportWord(error, path, list);
  else if (error.keyword === 'type') {
    list.error(path, `${where} must be ${article(String(params['type']))}`, describe(error));
  } else list.error(path, `${where} is not acceptable: ${error.message}`, describe(error));
}

function reportKey(error: ErrorObject, path: ValuePath, list: ProblemList): void {
  const key = String(error.params['additionalProperty']);
  const at = [...path, key];
  const isRule = path.some((part) => part === 'http' || part === 'network' || part === 'opaque');
  if (laterKeys.has(key) && !isRule) {
    list.error(at, `"${key}" is not yet supported`, 'remove it; it would have no effect', 'key');
    return;
  }
  const known = Object.keys(error.parentSchema?.['properties'] ?? {});
  const near = findNearKey(key, known);
  const remedy = near === null ? `known here: ${known.join(', ')}` : `did you mean "${near}"?`;
  list.error(at, `unknown key "${key}"`, remedy, 'key');
}

function reportWord(error: ErrorObject, path: ValuePath, list: ProblemList): void {
  const allowed: readonly unknown[] = error.params['allowedValues'] ?? [error.params['allowedValue']];
  const words = allowed.map(String);
  const near = typeof error.data === 'string' ? findNearKey(error.data, words) : null;
  const remedy =
    near === null ? `one of: ${words.join(', ')}` : `did you mean "${near}"? one of: ${words.join(', ')}`;
  list.error(path, `${formatPath(path)} cannot be ${JSON.stringify(error.data)}`, remedy);
}

function article(type: string): string {
  if (type === 'object') return 'a mapping of keys';
  return /^[aeiou]/.test(type) ? `an ${type}` : `a ${type}`;
}

function describe(error: ErrorObject): string {
  const text: unknown = error.parentSchema?.['description'];
  return typeof text === 'string' ? text : '';
}

/** Takes out the nearest list item around the path, or else the top-level key. */
function prune(data: object, path: ValuePath): void {
  const owners: unknown[] = [data];
  for (const part of path) owners.push(readStep(owners.at(-1), part));
  for (let i = path.length - 1; i >= 0; i--) {
    const owner = owners[i];
    if (Array.isArray(owner)) {
      Reflect.set(owner, path[i]!, undefined);
      return;
    }
  }
  if (path.length > 0) Reflect.deleteProperty(data, path[0]!);
}
