// What a workflow grants today, as a person writes it, and how that differs from what its job needs.

import { SallyportError } from '../flow/errors.ts';
import type { Permission } from '../flow/operation.ts';

/** Keys of `permissions:` with the highest level that each has (docs.github.com, "Workflow syntax"). */
const keys: Readonly<Record<string, 'read' | 'write'>> = {
  actions: 'write',
  'artifact-metadata': 'write',
  attestations: 'write',
  checks: 'write',
  'code-quality': 'write',
  contents: 'write',
  'copilot-requests': 'write',
  deployments: 'write',
  discussions: 'write',
  drives: 'write',
  'id-token': 'write',
  issues: 'write',
  models: 'read',
  packages: 'write',
  pages: 'write',
  'pull-requests': 'write',
  'repository-projects': 'write',
  'security-events': 'write',
  statuses: 'write',
  'vulnerability-alerts': 'read',
};
/** Without a read level: what `read-all` does not hold. */
const writeOnly: ReadonlySet<string> = new Set(['id-token', 'copilot-requests']);

/** Differences to what is granted, each list in the order of the keys' names. */
export interface GrantDifference {
  /** Granted, and no call needs it. */
  readonly remove: readonly string[];
  /** Granted as write, and needed as read. */
  readonly lower: readonly string[];
  /** Needed, and not granted or only as read. */
  readonly add: readonly string[];
}

/**
 * Reads `contents: write, issues: read`, `read-all`, `write-all`, `{}` or `none`.
 * @throws SallyportError usage, which names the part that cannot be read
 */
export function readGranted(text: string): Permission {
  const word = text
    .trim()
    .replace(/^\{(.*)\}$/s, '$1')
    .trim();
  if (word === '' || word === 'none') return {};
  if (word === 'write-all') return keys;
  if (word === 'read-all') return Object.fromEntries(readable().map((key) => [key, 'read'] as const));
  return Object.fromEntries(word.split(',').flatMap(readPair));
}

function readable(): string[] {
  return Object.keys(keys).filter((key) => !writeOnly.has(key));
}

function readPair(text: string): (readonly [string, 'read' | 'write'])[] {
  const match = /^\s*([a-z-]+)\s*:\s*(read|write|none)\s*$/.exec(text);
  const [, key = '', level] = match ?? [];
  if (match === null || !Object.hasOwn(keys, key))
    throw new SallyportError(
      'usage',
      `--granted: "${text.trim()}" is no key of permissions: with read, write or none`,
    );
  return level === 'read' || level === 'write' ? [[key, level]] : [];
}

/** Compares what is granted to what is needed. */
export function compareGranted(granted: Permission, needed: Permission): GrantDifference {
  const names = (from: Permission, isOdd: (key: string) => boolean): string[] =>
    Object.keys(from).filter(isOdd).toSorted();
  return {
    remove: names(granted, (key) => needed[key] === undefined),
    lower: names(granted, (key) => granted[key] === 'write' && needed[key] === 'read'),
    add: names(needed, (key) => granted[key] !== 'write' && granted[key] !== needed[key]),
  };
}
