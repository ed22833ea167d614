// Ingests a folder of segments into a store until nothing is left, and prints milliseconds of work: the program that
// bench/store.ts starts on one core.

import { Ingest } from '../store/ingest.ts';
import { openStore, type StoreSource } from '../store/opened-store.ts';

const [segments = '', place = ''] = process.argv.slice(2);
const source: StoreSource = place.startsWith('postgres:')
  ? {
      kind: 'postgres',
      config: { host: place.slice('postgres:'.length), user: 'sallyport', database: 'postgres' },
    }
  : { kind: 'embedded', folder: place };
const store = await openStore(source);
const ingest = new Ingest({ directory: segments, gateway: 'gateway-0', sink: store });
const before = performance.now();
const records = await ingest.catchUp();
const wallMs = performance.now() - before;
process.stdout.write(`${JSON.stringify({ records, wallMs })}\n`);
await store.close();
