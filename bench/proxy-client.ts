// The client of the measurements that no load generator makes: TLS connections with one request each, eight at a time.
// Arguments: mode, host, address, count. `seen`: one name; `unseen-<first>`: a new name each; both print the median
// milliseconds from connect to answer. `hold`: keeps its connections until it is killed. `runners-<n>`: keeps that many
// connections from as many addresses (10.98.0.1 and on) and sends the requests over them by turns.

import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { median } from './measure.ts';

const [mode = '', host = '', address = '', count = ''] = process.argv.slice(2);
const [kind = '', number = '0'] = mode.split('-');

async function ask(socket: TLSSocket, name: string): Promise<void> {
  socket.write(`GET / HTTP/1.1\r\nHost: ${name}\r\n\r\n`);
  const first = await new Promise<Buffer>((resolve, reject) => {
    socket.once('data', resolve);
    socket.once('close', () => reject(new Error('closed before it answered')));
  });
  if (!first.toString('latin1').startsWith('HTTP/1.1 200'))
    throw new Error(first.toString('latin1').slice(0, 200));
}

async function open(name: string, localAddress?: string): Promise<TLSSocket> {
  const own = localAddress === undefined ? {} : { localAddress };
  // A key exchange that all programs know: the hybrid one costs only those that know it.
  const tls = { servername: name, rejectUnauthorized: false, ecdhCurve: 'X25519' };
  const socket = connect({ host: address, port: 443, ...tls, ...own });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  socket.on('error', () => {});
  await ask(socket, name);
  return socket;
}

/** Does the step for each number below the count, so many at a time. */
async function forEach(total: number, lanes: number, step: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async () => {
    for (let at = next++; at < total; at = next++) await step(at);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

async function openAnew(): Promise<void> {
  const times: number[] = [];
  await forEach(Number(count), 8, async (at) => {
    const started = performance.now();
    const socket = await open(kind === 'unseen' ? `n${Number(number) + at}.${host}` : host);
    times.push(performance.now() - started);
    if (kind !== 'hold') socket.destroy();
  });
  process.stdout.write(`done ${median(times).toFixed(2)}\n`);
}

async function asRunners(runners: number): Promise<void> {
  const sockets: TLSSocket[] = [];
  await forEach(1000, 8, async (at) => {
    const own = (at % runners) + 1;
    sockets[at] = await open(host, `10.98.${own >> 8}.${own & 255}`);
  });
  process.stdout.write('ready\n');
  await new Promise((resolve) => process.stdin.once('data', resolve));
  await forEach(Number(count), 32, (at) => ask(sockets[at % sockets.length]!, host));
  process.stdout.write('done\n');
}

if (kind === 'runners') {
  await asRunners(Number(number));
  process.exit(0);
} else await openAnew();
