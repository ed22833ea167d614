// Whose costly beginnings and whose large bodies come when.

import { setImmediate as round } from 'node:timers/promises';
import t from 'tap';
import { PassThrough } from 'node:stream';
import type { Socket } from 'node:net';
import { Pace } from '../../proxy/pace.ts';
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

// Pauses and resumes as a socket does; nothing else of one is used.
const fakeSocket = () => new PassThrough() as unknown as Socket;

t.test('large bodies of one runner: after 256 KB in one round its sockets go on four by four', async (t) => {
  let isShared = true;
  const pace = new Pace(() => isShared);
  const sockets = Array.from({ length: 20 }, fakeSocket);
  const readers = sockets.map((socket) => pace.readerOf(socket, 'busy'));
  const calm = fakeSocket();
  const waiting = () => sockets.filter((socket) => socket.isPaused()).length;
  t.equal(pace.readerOf(sockets[0]!, 'busy'), readers[0], 'a socket has one reader');
  for (const reader of readers) reader.took(65_536);
  t.equal(waiting(), 17, 'all but the first three, which were within it');
  pace.readerOf(calm, 'calm').took(65_536);
  t.notOk(calm.isPaused(), 'another runner has 256 KB of its own');
  readers[5]!.release();
  t.ok(sockets[5]!.isPaused(), 'room for its bytes is not yet its turn');
  readers[3]!.hold();
  await round();
  t.equal(waiting(), 14, 'three of four whose turn it was: the first is held');
  t.ok(sockets[3]!.isPaused());
  readers[3]!.release();
  t.notOk(sockets[3]!.isPaused(), 'held no more, and its turn is over');
  for (let at = 0; at < 4; at++) await round();
  t.equal(waiting(), 0, 'nobody is forgotten');
  readers[0]!.took(65_536);
  t.notOk(sockets[0]!.isPaused(), 'each round counts anew');
  isShared = false;
  for (const reader of readers) reader.took(1_000_000);
  t.equal(waiting(), 0, 'nobody waits where there is no other runner');
});
