// The thread of the store: SQLite is synchronous, and nobody else waits for it here. It takes what segments hold, passes it
// on to sinks, keeps the store within its size, and answers questions by messages.

import { parentPort, workerData } from 'node:worker_threads';
import { SallyportError } from '../flow/errors.ts';
import { IngestLoop } from './ingest-loop.ts';
import { Ingest } from './ingest.ts';
import { openStore, type StoreSource } from './opened-store.ts';
import { RetentionLoop } from './retention-loop.ts';
import type { RetentionDays } from './retention.ts';
import { openSinks, type SinkTarget } from './sinks/open-sinks.ts';
import { actionsOf, type ActionName } from './store-actions.ts';
import type { StoreEvent } from './store-events.ts';
import { eventOf } from './store-events.ts';
import { questionsOf, type QuestionName, type StoreStatus } from './store-port.ts';

/** What the thread is started with. */
export interface ThreadData {
  readonly source: StoreSource;
  readonly segments: string;
  readonly gateway: string;
  readonly everyMs: number;
  readonly retention: RetentionDays | null;
  readonly maxBytes: number | null;
  readonly retainEveryMs: number;
  readonly sinks: readonly SinkTarget[];
}

export interface ThreadCall {
  readonly id: number;
  readonly kind: 'ask' | 'act' | 'status' | 'dropBefore' | 'pause' | 'resume' | 'close';
  readonly name?: QuestionName | ActionName;
  readonly values: readonly unknown[];
}

export type ThreadMessage =
  | { readonly kind: 'opened' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'problem'; readonly problem: string | null }
  | { readonly kind: 'event'; readonly event: StoreEvent };

const port = parentPort!; // only ever started as a thread
// Given by threaded-store.ts alone.
const data = workerData as ThreadData;
const tell = (message: ThreadMessage): void => port.postMessage(message);
const tellEvent = (event: StoreEvent): void => tell({ kind: 'event', event });

const store = await openStore(data.source);
const [questions, actions] = [questionsOf(store.reader, store.flows), actionsOf(store.writer)];
const sinks = openSinks(data.sinks);
const ingest = new Ingest({
  directory: data.segments,
  gateway: data.gateway,
  sink: store,
  onBatch: (batch) => {
    loop.succeeded(batch.flows.length + batch.jobs.length);
    for (const sink of sinks) for (const line of batch.lines) sink.push(line);
    const event = eventOf(batch);
    if (event !== null) tellEvent(event);
  },
  onRefused: (refused) => tellEvent({ kind: 'refused', ...refused }),
});
const loop = new IngestLoop(ingest, {
  everyMs: data.everyMs,
  onProblem: (problem) => tell({ kind: 'problem', problem }),
});
const retention = new RetentionLoop({
  store,
  days: data.retention,
  maxBytes: data.maxBytes,
  everyMs: data.retainEveryMs,
  onOver: (over) => tellEvent({ kind: 'over', ...over }),
});

async function status(): Promise<StoreStatus> {
  // Where nothing is to be written, a question shows whether it is there.
  const oldest = loop.problem === null ? await oldestDay() : { day: null, problem: null };
  return {
    backlogBytes: await ingest.backlogBytes(),
    lostBytes: ingest.lostBytes,
    flows: loop.flows,
    skippedLines: ingest.skipped,
    problem: loop.problem ?? oldest.problem ?? retention.problem,
    oldestDay: oldest.day,
    sinks: sinks.map((sink, at) => ({ kind: data.sinks[at]!.kind, ...sink.counts })),
  };
}

async function oldestDay(): Promise<{ readonly day: string | null; readonly problem: string | null }> {
  try {
    return { day: (await store.days()).at(-1) ?? null, problem: null };
  } catch (error) {
    return { day: null, problem: error instanceof Error ? error.message : String(error) };
  }
}

async function dropBefore(day: string): Promise<number> {
  const old = (await store.days()).filter((known) => known < day);
  for (const known of old) await store.dropDay(known);
  return old.length;
}

async function pause(forMs: number): Promise<void> {
  await retention.pause(forMs);
  await loop.pause(forMs);
}

async function close(): Promise<void> {
  await retention.end();
  await loop.end();
  await Promise.all(sinks.map((sink) => sink.close()));
  await store.close();
}

async function answer({ kind, name, values }: ThreadCall): Promise<unknown> {
  if (kind === 'status') return status();
  if (kind === 'dropBefore') return dropBefore(String(values[0]));
  if (kind === 'pause') return pause(Number(values[0]));
  if (kind === 'resume') return [retention.resume(), loop.resume()].length;
  if (kind === 'close') return close();
  // The types of both sides are those of `Questions` and `Actions`.
  const asked = kind === 'ask' ? questions[name as QuestionName] : actions[name as ActionName];
  return (asked as (...all: readonly unknown[]) => Promise<unknown>)(...values);
}

port.on('message', (call: ThreadCall) => {
  answer(call).then(
    (value) => tell({ kind: 'answer', id: call.id, value }),
    (error: unknown) =>
      tell({
        kind: 'failed',
        id: call.id,
        code: error instanceof SallyportError ? error.code : 'upstream',
        message: error instanceof Error ? error.message : String(error),
      }),
  );
});
loop.start();
retention.start();
tell({ kind: 'opened' });
