// A program on a runner that holds many connections at once, as one busy job would: `idle` asks one request each and
// keeps the connection, `partial` sends the first bytes of a ClientHello and falls silent, `bytewise` sends one byte
// of it a second. Prints `{"open":N,"refused":N}` and stays until it is killed.
// Arguments: mode, count, address, port.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [mode = '', count = '', address = '', port = ''] = process.argv.slice(2);
const request = 'GET / HTTP/1.1\r\nHost: nobody.example.net\r\n\r\n';
const hello = Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]);
let [open, refused, next] = [0, 0, 0];
const held = new Set<Socket>();

/** Resolves when the gateway has answered, ended the connection, or let it be for a while. */
function hold(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  let isOver = false;
  const settle = (isHeld: boolean) => {
    // A busy gateway may refuse later than it was waited for.
    if (isOver && !isHeld && held.delete(socket)) {
      open--;
      refused++;
    }
    if (isOver) return;
    isOver = true;
    if (isHeld) {
      open++;
      held.add(socket);
    } else refused++;
    resolve();
  };
  socket.on('error', () => settle(false)).on('close', () => settle(false));
  socket.on('data', () => settle(true));
  socket.on('connect', () => {
    if (mode === 'idle') return void socket.write(request);
    socket.write(hello.subarray(0, mode === 'partial' ? hello.length : 1));
    // A refused one is closed at once; one that is not has been taken.
    setTimeout(() => settle(true), 400);
  });
  return promise;
}

async function lane(): Promise<void> {
  while (next < Number(count)) {
    next++;
    await hold();
  }
}

await Promise.all(Array.from({ length: mode === 'idle' ? 64 : 2_000 }, lane));
await sleep(mode === 'idle' ? 0 : 1_000);
process.stdout.write(`${JSON.stringify({ open, refused })}\n`);
let sent = 1;
setInterval(() => {
  if (mode !== 'bytewise' || sent >= hello.length) return;
  for (const socket of held) if (!socket.destroyed) socket.write(hello.subarray(sent, sent + 1));
  sent++;
}, 1_000);
