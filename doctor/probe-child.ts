// The process that stands for a job on a runner: started inside the runner's namespace, it makes the attempts that
// its argument names, all at once, and prints what each saw as one line of JSON.

import { setTimeout as sleep } from 'node:timers/promises';
import { attemptLimitMs } from './attempts.ts';
import { allowedProbe, probes } from './probes.ts';
import type { Places } from './probe.ts';

// doctor starts this file itself and writes the argument in this shape.
const { places, ids } = JSON.parse(process.argv[2] ?? '{}') as { places: Places; ids: string[] };
const results = await Promise.all(
  [allowedProbe, ...probes]
    .filter(({ id }) => ids.includes(id))
    .map(async ({ id, attempt }) => {
      const limit = sleep(attemptLimitMs + 500, '[time limit]');
      const client = await Promise.race([attempt(places), limit]).catch(
        (error: unknown) => `[${String(error)}]`,
      );
      return [id, client] as const;
    }),
);
process.stdout.write(`${JSON.stringify(Object.fromEntries(results))}\n`);
// dns2 may hold a socket open after its own time limit.
process.exit(0);
