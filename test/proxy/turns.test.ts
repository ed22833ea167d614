// Whose costly beginnings come when.

import { setImmediate as round } from 'node:timers/promises';
import t from 'tap';
import { Turns } from '../../proxy/turns.ts';

t.test(
  'a thousand beginnings of one runner: another runner waits for one round, and all come in their order',
  async (t) => {
    const turns = new Turns();
    const begun: string[] = [];
    const begin = async (runner: string, name: string): Promise<void> => {
      const turn = turns.take(runner);
      if (turn !== null) await turn;
      begun.push(name);
    };
    const busy = Array.from({ length: 1_000 }, (_, at) => begin('busy', `busy ${at}`));
    const calm = begin('calm', 'calm');
    t.equal(begun.length, 4, 'so many begin at once');
    await calm;
    t.ok(begun.indexOf('calm') < 8, `before all but ${begun.indexOf('calm')} of the busy ones`);
    await Promise.all(busy);
    const order = begun.filter((name) => name !== 'calm').map((name) => Number(name.slice(5)));
    t.same(
      order,
      Array.from({ length: 1_000 }, (_, at) => at),
    );
    await round();
    await round();
    t.equal(turns.take('busy'), null, 'nobody waits: at once');
  },
);
