// What a refused job is told of the operation that it tried: its name, what it touched, and what it would have needed.

import type { Operation, Touch } from '../flow/operation.ts';
import type { Reason } from '../flow/reason.ts';
import { redactPath } from '../flow/redact.ts';

const reasonsOfMeaning: ReadonlySet<Reason> = new Set([
  'repository',
  'access',
  'untrusted-write',
  'not-understood',
  'permission',
  'foreign-owner',
  'oidc-audience',
  'package-age',
  'unknown-age',
  'malicious-package',
  'internal-package',
  'package-blocked',
  'package-unlisted',
  'publish',
]);

/** One clause for the answer, or undefined where the meaning is not what was refused. */
export function tellOperation(operation: Operation | null, reason: Reason): string | undefined {
  if (operation === null || !reasonsOfMeaning.has(reason)) return undefined;
  const { name, access, needs, ungrantable, touches } = operation;
  const where = touches.slice(0, 4).flatMap((touch) => nameOf(touch) ?? []);
  const on = where.length === 0 ? '' : ` on ${where.join(', ')}`;
  const wanted = [...new Set([...needs.map(formatNeed).filter((text) => text !== ''), ...ungrantable])];
  const need = wanted.length === 0 ? '' : `, which needs ${wanted.join(' or ')}`;
  return redactPath(`${name} (${access})${on}${need}`);
}

const formatNeed = (need: Operation['needs'][number]): string =>
  Object.entries(need)
    .map(([key, level]) => `${key}: ${level}`)
    .join(' and ');

function nameOf(touch: Touch): string | null {
  switch (touch.kind) {
    case 'repository':
      return touch.owner !== null && touch.name !== null ? `${touch.owner}/${touch.name}` : null;
    case 'owner':
      return touch.owner;
    case 'image':
      return touch.image;
    case 'package':
      return touch.purl === null || touch.version === null ? touch.purl : `${touch.purl}@${touch.version}`;
    case 'cloud':
      return touch.bucket ?? touch.account ?? touch.service;
    case 'platform':
    case 'action':
    case 'identity':
      return null;
  }
}
