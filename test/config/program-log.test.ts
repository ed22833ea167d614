// What of the program's own errors reaches its log.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { limitErrors } from '../../flow/program-log.ts';

t.test(
  'of a flood of errors the first three of each window are told, and how many more there were',
  async (t) => {
    const lines: (readonly [fields: object, message: string])[] = [];
    const log = { error: (fields: object, message: string) => void lines.push([fields, message]) };
    const tell = limitErrors(log, 'a flow failed', { windowMs: 40 });
    const errors = Array.from({ length: 10_000 }, (_, index) => new Error(`full ${index}`));
    for (const error of errors) tell(error);
    t.same(
      lines,
      errors.slice(0, 3).map((err) => [{ err }, 'a flow failed']),
    );
    await sleep(100);
    t.same(lines.slice(3), [[{ count: 9997 }, 'a flow failed, and more like it']]);
    tell(errors[0]);
    await sleep(100);
    t.same(lines.slice(4), [[{ err: errors[0] }, 'a flow failed']], 'nothing is said of no more');
  },
);
