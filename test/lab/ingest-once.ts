// Ingests a directory of segments into a store, until all is read: the program that a test kills.

import { Ingest } from '../../store/ingest.ts';
import { SqliteStore } from '../../store/sqlite-store.ts';

const [segments, folder, batchSize] = process.argv.slice(2) as [string, string, string];
const store = new SqliteStore(folder);
const ingest = new Ingest({
  directory: segments,
  gateway: 'gw',
  batchSize: Number(batchSize),
  sink: {
    write: async (records, offsets) => store.write(records, offsets),
    offsets: async (gateway) => store.offsets(gateway),
  },
});
process.stdout.write('begun\n');
await ingest.catchUp();
process.stdout.write(`done ${await ingest.backlogBytes()}\n`);
store.close();
