// Follows CNAME (and DNAME) records inside one answer, from the asked name to the name that owns the data.
// At most 16 steps; a set of seen names stops loops (RFC 1034 3.6.2, 6672).

import { foldName, isWithin } from './name.ts';
import { foldedOwner, readTarget } from './scan-response.ts';
import type { Response, ResponseRecord } from './scan-response.ts';
import { type as recordType } from './codes.ts';

export const maxChainSteps = 16;

export interface Chain {
  /** Folded targets in order; the last one is the end of the chain. Empty without any CNAME. */
  readonly targets: readonly string[];
  /** Folded name that ends the chain. */
  readonly end: string;
  /** The CNAME records in order, then the records of the asked type that the end owns. */
  readonly records: readonly ResponseRecord[];
  /** Records of the asked type, at the end of the chain. */
  readonly found: number;
}

/** The chain from `name` (folded) for a question of `type`; null when it loops, is too long or contradicts itself. */
export function followChain(response: Response, name: string, type: number): Chain | null {
  const targets: string[] = [];
  const records: ResponseRecord[] = [];
  const seen = new Set([name]);
  const byOwner = new Map<string, ResponseRecord[]>();
  for (const record of response.answers) {
    const owner = foldedOwner(record);
    const list = byOwner.get(owner);
    if (list) list.push(record);
    else byOwner.set(owner, [record]);
  }
  let end = name;
  while (type !== recordType.CNAME) {
    const alias = byOwner.get(end)?.find((record) => record.type === recordType.CNAME);
    if (!alias) break;
    const raw = readTarget(response.message, alias);
    if (raw === null || !isSynthesisRight(response, end, foldName(raw))) return null;
    const target = foldName(raw);
    if (seen.has(target) || targets.length >= maxChainSteps) return null;
    seen.add(target);
    targets.push(target);
    records.push(alias);
    end = target;
  }
  const data = (byOwner.get(end) ?? []).filter((record) => record.type === type);
  return { targets, end, records: [...records, ...data], found: data.length };
}

// Where the answer holds a DNAME above the owner, the CNAME must be exactly what that DNAME makes of it.
function isSynthesisRight(response: Response, owner: string, target: string): boolean {
  for (const record of response.answers) {
    if (record.type !== recordType.DNAME) continue;
    const zone = foldedOwner(record);
    if (zone === owner || !isWithin(owner, zone)) continue;
    const replacement = readTarget(response.message, record);
    if (replacement === null) return false;
    const made = owner.slice(0, owner.length - zone.length) + foldName(replacement);
    if (made !== target) return false;
  }
  return true;
}
