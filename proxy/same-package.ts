// A file that a registry keeps elsewhere: the host it lies on knows nothing of its age, and the registry that sent the
// job there was asked for that very file.

import type { Operation, Touch } from '../flow/operation.ts';

/** True when everything that is asked for is a package that the request before asked for. */
export function isSamePackage(before: Operation | null, operation: Operation | null): boolean {
  if (before === null || operation === null) return false;
  const known = new Set(before.touches.flatMap(keyOf));
  return operation.touches.every((touch) => keyOf(touch).some((key) => known.has(key)));
}

function keyOf(touch: Touch): string[] {
  if (touch.kind !== 'package' || touch.purl === null || touch.version === null) return [];
  return [`${touch.purl.toLowerCase()} ${touch.version}`];
}
