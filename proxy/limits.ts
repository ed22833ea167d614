// Limits of every state of a connection, and of what a runner and all runners may hold at a time (limiter.ts).

/** Times in milliseconds, sizes in bytes, the rest are counts. */
export interface Limits {
  readonly attributionMs: number;
  readonly peekMs: number;
  /** How long a client may say nothing before its server is asked to speak first, where that may be. */
  readonly silenceMs: number;
  readonly handshakeMs: number;
  readonly headMs: number;
  readonly idleMs: number;
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly bodyIdleMs: number;
  readonly tunnelIdleMs: number;
  /** How long a client may go on sending after its answer before it is cut. */
  readonly lingerMs: number;
  readonly drainMs: number;
  /** How long a client may ask nothing, once its worker is being replaced, before its connection is closed. */
  readonly retireIdleMs: number;
  readonly pooledIdleMs: number;
  readonly headBytes: number;
  readonly helloBytes: number;
  readonly pipelineBytes: number;
  readonly connectionsPerRunner: number;
  readonly connections: number;
  /** Connections that have not yet brought one whole request or tunnel. */
  readonly halfOpenPerRunner: number;
  readonly halfOpen: number;
  /** Bytes that wait here: of heads, of pipelined requests, of answers that a client does not read. */
  readonly keptBytesPerRunner: number;
  readonly keptBytes: number;
  readonly requestsPerRunner: number;
  readonly requests: number;
  readonly pooledPerRunner: number;
}

export const defaultLimits: Limits = {
  attributionMs: 5_000,
  peekMs: 10_000,
  silenceMs: 300,
  handshakeMs: 10_000,
  headMs: 20_000,
  idleMs: 90_000,
  connectMs: 10_000,
  firstByteMs: 300_000,
  bodyIdleMs: 120_000,
  tunnelIdleMs: 3_600_000,
  lingerMs: 5_000,
  drainMs: 30_000,
  retireIdleMs: 5_000,
  pooledIdleMs: 55_000,
  headBytes: 65_536,
  helloBytes: 32_768,
  pipelineBytes: 65_536,
  connectionsPerRunner: 4_096,
  connections: 16_384,
  halfOpenPerRunner: 1_024,
  halfOpen: 8_192,
  keptBytesPerRunner: 64 * 1_048_576,
  keptBytes: 512 * 1_048_576,
  requestsPerRunner: 2_048,
  requests: 8_192,
  pooledPerRunner: 128,
};
