// `npm run large-bodies -- GB`: one body of so many gigabytes up and one down through the proxy, over TLS, and what memory
// that took. Not part of the tests, which send 100 and 300 MB; 10 GB take about two minutes.

import { createServer, request } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asRequest, enterNamespace, makeAuthority, makeRig, open, serverAddress } from './rig.ts';

enterNamespace();
const gigabytes = Number(process.argv[2] ?? 10);
const piece = Buffer.alloc(1024 * 1024);
const pieces = gigabytes * 1024;
const authority = makeAuthority();
const server = createServer({ SNICallback: (name, done) => done(null, authority.contextFor(name)) });
server.on('request', (incoming, response) => {
  let bytes = 0;
  incoming.on('data', (chunk: Buffer) => (bytes += chunk.length));
  incoming.on('end', () => {
    if (incoming.method === 'PUT') return void response.end(String(bytes));
    response.setHeader('content-length', pieces * piece.length);
    let left = pieces;
    const more = (): void => {
      while (left-- > 0) if (!response.write(piece)) return void response.once('drain', more);
      response.end();
    };
    more();
  });
});
await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
const rig = await makeRig(authority, (server.address() as AddressInfo).port);
rig.request = () => asRequest(open);

const megabytes = () => Math.round(process.memoryUsage.rss() / 1_048_576);
let peak = 0;
const watch = setInterval(() => (peak = Math.max(peak, megabytes())), 20);

async function measure(what: string, run: () => Promise<number>): Promise<void> {
  const before = megabytes();
  peak = before;
  const startedAt = performance.now();
  const bytes = await run();
  const seconds = (performance.now() - startedAt) / 1000;
  const rate = Math.round(bytes / 1_048_576 / seconds);
  process.stdout.write(
    `${what}: ${bytes} bytes in ${seconds.toFixed(0)} s (${rate} MB/s); resident before ${before} MB, peak ${peak} MB\n`,
  );
}

const ask = (method: string, length: number) =>
  request({
    host: '127.0.0.1',
    port: rig.port,
    method,
    path: '/',
    headers: { host: 'origin.test', 'content-length': length },
    ca: authority.ca,
    servername: 'origin.test',
  });
const answered = (sent: ReturnType<typeof ask>) =>
  new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject));

// A first one warms up what is made once: code, contexts, pools.
await measure('1 GB up, to warm up', () => up(1024));
await measure(`${gigabytes} GB up`, () => up(pieces));
await measure(`${gigabytes} GB down`, async () => {
  const sent = ask('GET', 0);
  sent.end();
  let bytes = 0;
  for await (const chunk of await answered(sent)) bytes += (chunk as Buffer).length;
  return bytes;
});
clearInterval(watch);
await rig.close();
server.close();
server.closeAllConnections();

async function up(count: number): Promise<number> {
  const sent = ask('PUT', count * piece.length);
  const answer = answered(sent);
  for (let left = count; left > 0; left--)
    if (!sent.write(piece)) await new Promise((resolve) => sent.once('drain', resolve));
  sent.end();
  let text = '';
  for await (const chunk of await answer) text += String(chunk);
  return Number(text);
}
