// The thread of the embedded store: SQLite is synchronous, and nobody else waits for it here. It takes what segments hold,
// and answers questions by messages.

import { parentPort, workerData } from 'node:worker_threads';
import { SallyportError } from '../flow/errors.ts';
import { IngestLoop } from './ingest-loop.ts';
import { Ingest } from './ingest.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { SqliteStore } from './sqlite-store.ts';
import { questionsOf, type QuestionName, type StoreStatus } from './store-port.ts';

/** What the thread is started with. */
export interface ThreadData {
  readonly folder: string;
  readonly segments: string;
  readonly gateway: string;
  readonly everyMs: number;
}

export interface ThreadCall {
  readonly id: number;
  readonly call: QuestionName | 'status' | 'dropBefore' | 'close';
  readonly values: readonly unknown[];
}

export type ThreadMessage =
  | { readonly kind: 'opened' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'problem'; readonly problem: string | null };

const port = parentPort!; // only ever started as a thread
// Given by embedded-store.ts alone.
const { folder, segments, gateway, everyMs } = workerData as ThreadData;
const tell = (message: ThreadMessage): void => port.postMessage(message);

const store = new SqliteStore(folder);
const reader = new SqliteReader(folder);
const questions = questionsOf(reader.main, reader.flows);
const ingest = new Ingest({
  directory: segments,
  gateway,
  sink: {
    write: async (records, offsets) => store.write(records, offsets),
    offsets: async (name) => store.offsets(name),
  },
});
const loop = new IngestLoop(ingest, { everyMs, onProblem: (problem) => tell({ kind: 'problem', problem }) });

async function status(): Promise<StoreStatus> {
  return {
    backlogBytes: await ingest.backlogBytes(),
    lostBytes: ingest.lostBytes,
    flows: loop.flows,
    problem: loop.problem,
    oldestDay: store.days().at(-1) ?? null,
  };
}

function dropBefore(day: string): number {
  const old = store.days().filter((known) => known < day);
  for (const known of old) store.dropDay(known);
  return old.length;
}

async function close(): Promise<void> {
  await loop.end();
  await reader.close();
  store.close();
}

async function answer({ call, values }: ThreadCall): Promise<unknown> {
  if (call === 'status') return status();
  if (call === 'dropBefore') return dropBefore(String(values[0]));
  if (call === 'close') return close();
  // The types of both sides are those of `Questions`.
  const ask = questions[call] as (...all: readonly unknown[]) => Promise<unknown>;
  return ask(...values);
}

port.on('message', (call: ThreadCall) => {
  answer(call).then(
    (value) => tell({ kind: 'answer', id: call.id, value }),
    (error: unknown) =>
      tell({
        kind: 'failed',
        id: call.id,
        code: error instanceof SallyportError ? error.code : 'internal',
        message: error instanceof Error ? error.message : String(error),
      }),
  );
});
loop.start();
tell({ kind: 'opened' });
