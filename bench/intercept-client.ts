// The client of the interception benchmark: opens TLS connections, one request each, eight at a time.
// Arguments: `seen` | `unseen-<first>` | `hold`, host, address, count. Prints `done`, and the median milliseconds
// from connect to answer; `hold` keeps its connections until it is killed.

import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { median } from './measure.ts';

async function open(host: string, address: string): Promise<TLSSocket> {
  const socket = connect({ host: address, port: 443, servername: host, rejectUnauthorized: false });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const first = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
  if (!first.toString('latin1').startsWith('HTTP/1.1 200'))
    throw new Error(first.toString('latin1').slice(0, 200));
  return socket;
}

const [mode = '', host = '', address = '', count = ''] = process.argv.slice(2);
const from = Number(/^unseen-(\d+)$/.exec(mode)?.[1] ?? -1);
const times: number[] = [];
let next = 0;
const lane = async () => {
  for (let at = next++; at < Number(count); at = next++) {
    const started = performance.now();
    const socket = await open(from < 0 ? host : `n${from + at}.${host}`, address);
    times.push(performance.now() - started);
    if (mode === 'hold') socket.on('error', () => {});
    else socket.destroy();
  }
};
await Promise.all(Array.from({ length: 8 }, lane));
process.stdout.write(`done ${median(times).toFixed(2)}\n`);
