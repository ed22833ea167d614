// The one documented list of what is blocked in audit mode too.

import type { Reason } from '../flow/reason.ts';

/** Reasons that block in every mode; a blocklist file that says `mode: audit` is the one exception. */
export const alwaysEnforced = [
  'blocklist',
  'never-address',
  'private-address',
  'encrypted-dns',
  'quic',
  'spoofed-source',
  'quarantine',
] as const satisfies readonly Reason[];

const enforced: ReadonlySet<Reason> = new Set(alwaysEnforced);

/** True when no mode softens a block for this reason. */
export function isAlwaysEnforced(reason: Reason): boolean {
  return enforced.has(reason);
}
