// What is known of a package or image that a request touches: its age, who says so, and whether the feed names it as
// malicious. Policy decides by it.

import { readImageName } from '../flow/image-purl.ts';
import type { Touch } from '../flow/operation.ts';
import { imageKey } from './purl.ts';
import type { PackageTimes, TimeClass } from './times.ts';

export interface PackageEvidence {
  /** Milliseconds since it was published; 0 for a time to come; null: not known. */
  readonly ageMs: number | null;
  /** At least this old: its age, or that of the list that named it already. */
  readonly atLeastMs: number | null;
  readonly timeClass: TimeClass;
  /** Id of the advisory that names it, or null. */
  readonly malicious: string | null;
}

/** Looks a package up in the malware feed; without a version only where all of them are named. */
export interface MalwareLookup {
  find(purl: string, version: string | null): string | null;
}

const nothing: PackageEvidence = { ageMs: null, atLeastMs: null, timeClass: 'unknown', malicious: null };

/** Puts together what is known of a touch; of those that are no package or image nothing is. */
export function packageEvidence(
  touch: Touch,
  times: PackageTimes | null,
  feed: MalwareLookup | null,
  nowMs: number,
): PackageEvidence {
  if (touch.kind === 'image') return imageEvidence(touch, times, feed, nowMs);
  if (touch.kind !== 'package' || touch.purl === null) return nothing;
  const malicious = feed?.find(touch.purl, touch.version) ?? null;
  if (touch.version === null) return { ...nothing, malicious };
  const registry = `${touch.registry}${touch.part ?? ''}`;
  return ageOf(times, registry, touch.purl, touch.version, touch.file ?? null, nowMs, malicious);
}

function imageEvidence(
  { image, reference }: Extract<Touch, { kind: 'image' }>,
  times: PackageTimes | null,
  feed: MalwareLookup | null,
  nowMs: number,
): PackageEvidence {
  const name = readImageName(image);
  const malicious =
    name === null ? null : (feed?.find(imageKey(name.registry, name.purl), reference) ?? null);
  if (reference === null) return { ...nothing, malicious };
  return ageOf(times, imageRegistry(image), image, reference, null, nowMs, malicious);
}

/** Images are kept under the host that their name begins with. */
export function imageRegistry(image: string): string {
  const slash = image.indexOf('/');
  return slash < 0 ? image : image.slice(0, slash);
}

function ageOf(
  times: PackageTimes | null,
  registry: string,
  purl: string,
  version: string,
  file: string | null,
  nowMs: number,
  malicious: string | null,
): PackageEvidence {
  const time = times?.find(registry, purl, version, file) ?? null;
  if (time !== null) {
    const ageMs = Math.max(0, nowMs - time.timeMs);
    return { ageMs, atLeastMs: ageMs, timeClass: time.timeClass, malicious };
  }
  const bound = times?.findAtLatest(registry, purl, version) ?? null;
  if (bound === null) return { ...nothing, malicious };
  return { ageMs: null, atLeastMs: Math.max(0, nowMs - bound.timeMs), timeClass: bound.timeClass, malicious };
}
