// Fills a store in a folder with so many flows over 30 days, each by its last record alone, and tells how far it is:
// the program that bench/store.ts starts once.

import { openStore } from '../store/opened-store.ts';
import { flowsOfDay } from './store-flows.ts';

const [folder = '', total = '', days = '30'] = process.argv.slice(2);
const dayMs = 86_400_000;
const batch = 5_000;
const store = await openStore({ kind: 'embedded', folder });
const perDay = Math.ceil(Number(total) / Number(days));
const today = Math.floor(Date.now() / dayMs) * dayMs;
for (let day = Number(days); day > 0; day--) {
  const startMs = today - day * dayMs;
  for (let from = 0; from < perDay; from += batch)
    await store.write(flowsOfDay(startMs, perDay, from, batch), [], []);
  process.stdout.write(`day ${Number(days) - day + 1} of ${days}\n`);
}
await store.close();
