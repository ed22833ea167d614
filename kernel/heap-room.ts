// How much room V8 has for objects in our processes. Of one that relays every read is a buffer outside of its heap, dead a
// moment later.

import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/**
 * Flags of node for a process that relays large bodies. Without them V8 collects its whole heap, 10 ms each time, after
 * every 64 MB of buffers: a sixth of all time, during which everybody waits. With them the heap as a whole decides.
 * Of the two halves of the young generation each has 32 MB at most. With V8's own size the largest policy takes 325 MB
 * to load in place of 264; with 16 MB buffers move to the old generation while they are young, and a body of 400 MB
 * takes up to 190 MB in place of 60. Empty for a release of node that may not know them: an unknown flag would end it
 * at once.
 */
export const relayFlags: readonly string[] = process.versions.node.startsWith('24.')
  ? ['--external-memory-accounted-in-global-limit', '--max-semi-space-size=32']
  : [];

/**
 * Flags of node for control, which keeps its store in a thread. It has the largest policy in memory in several forms at
 * its start, and waits otherwise: with a small young generation it then takes 100 MB less. The thread has room of its own.
 */
export const controlFlags: readonly string[] = ['--allow-worker', '--max-semi-space-size=8'];

/** What V8 has taken for objects of this process that are young, in bytes; it grows by steps and is bounded by V8. */
export function youngGenerationBytes(): number {
  const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
  return young?.physical_space_size ?? 0;
}

/** The young generation of this process stays as small as it is: for one that does little and lives for months. */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}
