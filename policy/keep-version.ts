// Which versions stay in a list that a registry answers with, where the policy has lists shortened: those that a
// download of would not be refused, so that resolvers fall back to an older one.

import type { KeepVersion } from '../flow/asked-request.ts';
import type { Operation, Touch } from '../flow/operation.ts';
import { asksImageAges, judgePackage } from './packages.ts';
import type { EffectivePolicy } from './scope.ts';

/** Id of the advisory that names a version, or null. */
export type FindMalware = (purl: string, version: string) => string | null;

/** True where lists are shortened: refused downloads are enough where blocks are only recorded. */
export function shortensLists({ policy, mode }: EffectivePolicy): boolean {
  return policy.packages?.rewrite === true && mode === 'block';
}

/** True where answers that tell how old an image is are waited for. */
export function judgesImages({ policy, mode }: EffectivePolicy): boolean {
  return mode === 'block' && policy.packages !== null && asksImageAges(policy.packages);
}

/** Policy's word on the versions of the list that the operation asks for; null: the list stays as it is. */
export function keepVersionOf(
  effective: EffectivePolicy,
  operation: Operation,
  findMalware: FindMalware,
): KeepVersion | null {
  const terms = effective.policy.packages;
  const list = operation.touches.find(isList);
  if (terms === null || list === undefined || !shortensLists(effective)) return null;
  return (version, timeMs, file) => {
    const nowMs = Date.now();
    const ageMs = timeMs === null ? null : Math.max(0, nowMs - timeMs);
    const malicious = version === '' ? null : findMalware(list.purl!, version);
    const touch: PackageTouch = {
      ...list,
      act: 'install',
      version: version === '' ? null : version,
      ...(file === null ? {} : { file }),
      facts: { ageMs, atLeastMs: ageMs, timeClass: 'registry-stated', malicious },
    };
    const refusal = judgePackage(terms, touch, nowMs);
    return refusal === null || refusal.isRecordedOnly;
  };
}

type PackageTouch = Extract<Touch, { kind: 'package' }>;

const isList = (touch: Touch): touch is PackageTouch =>
  touch.kind === 'package' && touch.act === 'metadata' && touch.purl !== null;
