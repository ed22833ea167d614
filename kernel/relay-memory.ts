// How V8 collects the memory of a process that relays: every read is a buffer outside of its heap, dead a moment later.

/**
 * Flags of node for a process that relays large bodies. Without them V8 collects its whole heap, 10 ms each time, after
 * every 64 MB of buffers: a sixth of all time, during which everybody waits. With them the heap as a whole decides. The
 * young generation may have 16 MB a half: of itself it grows to 128 MB after some minutes and stays there; a much
 * smaller one would cost requests a quarter more. Empty for a release of node that may not know them: an unknown flag
 * would end it at once.
 */
export const relayFlags: readonly string[] = process.versions.node.startsWith('24.')
  ? ['--external-memory-accounted-in-global-limit', '--max-semi-space-size=16']
  : [];
