// The two files by which processes tell each other who runs where: each worker's own table, and what control makes of all
// of them. A worker may be in other hands: whatever is not exactly of the form is no table at all.

import type { JobMessage } from '../flow/job-message.ts';
import type { Attribution, AttributionSource, Certainty } from '../flow/job.ts';
import {
  flag,
  integer,
  list,
  nullable,
  oneOf,
  optional,
  record,
  ReadProblem,
  shape,
  text,
  union,
  type Read,
} from './read-shape.ts';

/** One job on one address, as one source knows it. */
export interface LiveEntry {
  /** Canonical. */
  readonly address: string;
  /** Program that asked for the job, as its platform names it; null: not known. */
  readonly agent: string | null;
  readonly source: AttributionSource;
  /** `unknown`: it runs elsewhere, started by the manager at this address. */
  readonly certainty: Certainty;
  /** Milliseconds since 1970. */
  readonly sinceMs: number;
  readonly untilMs: number;
  /** A source that does not know the platform’s id of the job says '' for it. */
  readonly message: JobMessage;
  /** One text for the addresses of the machine that runs it, where they are known to be one machine’s. */
  readonly machine?: string;
}

/** A job that was heard to end: whoever still has it on this address is to forget it. */
export interface EndedJob {
  readonly address: string;
  /** `jobInstance` of flow/job-record.ts. */
  readonly job: string;
  readonly atMs: number;
}

/** What one worker has heard: `state.jobs/NAME.json`. */
export interface LiveTable {
  readonly v: 1;
  /** Start of the process, in milliseconds since 1970: tells it from the one before it of the same name. */
  readonly startedMs: number;
  readonly atMs: number;
  /** `keyIdOf` the key of its hashes: under another one they say nothing. */
  readonly keyId: string;
  readonly jobs: readonly LiveEntry[];
  /** Addresses whose runner starts its jobs elsewhere. */
  readonly managers: readonly string[];
  /** Addresses that a second job or agent claims. */
  readonly conflicts: readonly string[];
  readonly ended: readonly EndedJob[];
}

/** What control makes of all sources: `state.policy/jobs.current.json`. */
export interface PublishedTable {
  readonly v: 1;
  readonly atMs: number;
  /** Base64 of 32 bytes: hashes of tokens are made under it. */
  readonly key: string;
  /** What is believed; an address may have several, of different sources. */
  readonly jobs: readonly LiveEntry[];
  /** Known from before, and believed again once a renewal was heard on the very address. */
  readonly recall: readonly LiveEntry[];
  readonly managers: readonly string[];
  readonly conflicts: readonly string[];
  /** Addresses of one machine each, where that is certain. */
  readonly machines?: readonly (readonly string[])[];
}

/** Most bytes of either file; a longer one is none. */
export const maxTableBytes = 64 * 1024 * 1024;
/** Most jobs of a table, and most addresses of a list of them: the reader refuses more. */
export const maxEntries = 16_384;
export const maxAddresses = 65_536;
const maxMachine = 64;
const maxSteps = 2_000;
const maxUses = 4_000;
const maxKeys = 256;

const word = text(1024);
const address = text(45);
const time = integer(0, Number.MAX_SAFE_INTEGER);
const words = nullable(word);

const readJob: Read<JobMessage['job']> = shape({
  platform: oneOf('github', 'gitlab'),
  server: word,
  repository: words,
  repositoryId: words,
  workflow: words,
  calledWorkflow: words,
  ref: words,
  event: words,
  environment: words,
  name: words,
  runId: words,
  runnerGroup: words,
  actor: words,
  fork: nullable(flag),
  protected: nullable(flag),
  private: nullable(flag),
});

/** Reads the message of a job, from wherever it comes. @throws ReadProblem when it is none */
export const readMessage: Read<JobMessage> = shape({
  job: readJob,
  jobId: word,
  planId: words,
  runAttempt: words,
  stage: words,
  sha: words,
  headRef: words,
  baseRef: words,
  matrix: nullable(record(maxKeys, word, nullable(union(word, flag, finite)))),
  granted: nullable(record(maxKeys, word, word)),
  hasIdentity: flag,
  uses: list(maxUses, text(4096)),
  steps: list(maxSteps, shape({ id: word, name: word })),
  tokens: shape({ own: words, runtime: words }),
  leaseMs: nullable(integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
});

const sources = [
  'declared',
  'job-message',
  'kubernetes',
  'job-token',
  'confirmed-claim',
  'hook-claim',
  'process',
] as const;

/** Reads one entry, from wherever it comes. @throws ReadProblem when it is none */
export const readLiveEntry: Read<LiveEntry> = shape(
  {
    address,
    agent: words,
    source: oneOf(...sources),
    certainty: oneOf('certain', 'likely', 'unknown'),
    sinceMs: time,
    untilMs: time,
    message: readMessage,
  },
  { machine: optional(text(256)) },
);

/** True for an entry that every reader of a table takes: one that it does not take costs all others their word. */
export function isPublishable(entry: LiveEntry): boolean {
  try {
    readLiveEntry(entry);
    return true;
  } catch (error) {
    if (error instanceof ReadProblem) return false;
    throw error;
  }
}

/** Reads the end of a job, from wherever it comes. @throws ReadProblem when it is none */
export const readEndedJob: Read<EndedJob> = shape({ address, job: text(2100), atMs: time });

const entries = list(maxEntries, readLiveEntry);
const addresses = list(maxAddresses, address);

const readTable: Read<LiveTable> = shape({
  v: oneOf(1),
  startedMs: time,
  atMs: time,
  keyId: text(64),
  jobs: entries,
  managers: addresses,
  conflicts: addresses,
  ended: list(maxEntries, readEndedJob),
});

/** Entries stand in it as `read` takes them. */
const publishedOf = (read: Read<LiveEntry>): Read<PublishedTable> =>
  shape(
    {
      v: oneOf(1),
      atMs: time,
      key: text(44),
      jobs: list(maxEntries, read),
      recall: list(maxEntries, read),
      managers: addresses,
      conflicts: addresses,
    },
    { machines: optional(list(maxAddresses, list(maxMachine, address))) },
  );

/** The table of a worker out of its file’s text; null when it is none. */
export function readLiveTable(json: string): LiveTable | null {
  return readWhole(json, readTable);
}

/** Control’s table out of its file’s text, whose entries `read` takes; null when it is none. */
export function readPublishedTable(
  json: string,
  read: Read<LiveEntry> = readLiveEntry,
): PublishedTable | null {
  const table = readWhole(json, publishedOf(read));
  return table !== null && Buffer.from(table.key, 'base64').length === 32 ? table : null;
}

function readWhole<T>(json: string, read: Read<T>): T | null {
  if (json.length > maxTableBytes) return null;
  try {
    return read(JSON.parse(json));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof ReadProblem) return null;
    throw error;
  }
}

function finite(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new ReadProblem();
  return value;
}

/** What an entry says of the flows of its address. */
export function attributionOfEntry({ message, source, certainty, machine }: LiveEntry): Attribution {
  const { job, jobId } = message;
  return {
    job,
    source,
    certainty,
    conflict: false,
    ...(jobId === '' ? {} : { jobId: instanceOf(message) }),
    ...(machine === undefined ? {} : { machine }),
  };
}

/** Stable name of the job of a message; '' where its source does not know it. */
export function instanceOf({ job, jobId }: JobMessage): string {
  return jobId === '' ? '' : `${job.server}/${jobId}`;
}

/** An entry whose hashes were made under another key: its job’s tokens are not known. */
export function withoutTokens(entry: LiveEntry): LiveEntry {
  return { ...entry, message: { ...entry.message, tokens: { own: null, runtime: null } } };
}
