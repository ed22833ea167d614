// Records as lines of JSON in a file. It is opened anew for each batch, so that whoever rotates it needs to tell nobody.

import { appendFile } from 'node:fs/promises';
import { Delivery } from './delivery.ts';
import { SinkQueue, type QueueLimits, type RecordSink } from './sink-queue.ts';

export function fileSink(path: string, limits?: QueueLimits): RecordSink {
  const queue = new SinkQueue(limits);
  const delivery = new Delivery({
    queue,
    batch: { records: 5_000, characters: 8_388_608 },
    everyMs: 200,
    send: async (lines) => {
      await appendFile(path, `${lines.join('\n')}\n`, { mode: 0o640 });
      return { kind: 'done' };
    },
  });
  return sinkOf(queue, delivery);
}

/** A queue with whoever empties it. */
export function sinkOf(queue: SinkQueue, delivery: Delivery): RecordSink {
  return {
    push: (line) => {
      queue.push(line);
      delivery.wake();
    },
    get counts() {
      return queue.counts;
    },
    close: () => delivery.close(),
  };
}
