// What a batch of questions comes to on the wire: answers of one size for one client leave together and arrive as
// the datagrams that they are, whatever else is in the batch.

import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { setTimeout as wait } from 'node:timers/promises';
import t from 'tap';
import { a, aaaa, rawQuery, startBench } from './fixture.ts';
import type { Asked, Script } from './fixture.ts';

const script = ({ name, type }: Asked): Script => ({
  answers: type === 28 ? [aaaa(name, '2606:2800:220:1::1')] : [a(name, '93.184.216.34')],
});
const unlimited = { rate: { perSecond: 1e6, burst: 1e6, held: 4000 } };

async function openClient(address: string): Promise<{ socket: Socket; got: Map<number, Buffer> }> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  const got = new Map<number, Buffer>();
  socket.on('message', (message) => got.set(message.readUInt16BE(0), Buffer.from(message)));
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  return { socket, got };
}

for (const address of ['127.0.0.1', '::1']) {
  t.test(
    `200 questions of three clients at once over ${address}: each gets its own answers, whole`,
    async (t) => {
      const bench = await startBench({
        script,
        rules: { '*.ok.example': {} },
        dns: { ...unlimited, udp: [{ address, port: 0 }] },
      });
      t.teardown(() => bench.close());
      const names = ['a', 'bb', 'ccc', 'dddd'].map((label) => `${label}.ok.example`);
      const clients = await Promise.all([1, 2, 3].map(() => openClient(address)));
      const ask = (id: number) => {
        const query = rawQuery(names[id % 4]!, id % 3 ? 1 : 28);
        query.writeUInt16BE(id);
        clients[id % 3]!.socket.send(query, bench.port, address);
      };
      for (let id = 0; id < 12; id++) ask(id);
      await wait(100);
      for (let id = 0; id < 200; id++) ask(id);
      for (let i = 0; i < 50 && clients.some(({ got }) => got.size < 66); i++) await wait(20);
      for (const [index, { socket, got }] of clients.entries()) {
        socket.close();
        const wrong = [...got].filter(([id, answer]) => {
          const name = names[id % 4]!;
          const length = 12 + name.length + 2 + 4 + (id % 3 ? 16 : 28);
          return id % 3 !== index || answer.length !== length || answer[7] !== 1;
        });
        t.strictSame([got.size, wrong], [index === 2 ? 66 : 67, []]);
      }
    },
  );
}
