// HTTP/2 by node:http2 on both sides: what the platform's own module needs for relaying requests without any rule.
// Arguments: own directory, the lab's files, host, address of the server, port.

import { readFileSync } from 'node:fs';
import { connect, createSecureServer } from 'node:http2';
import type { ClientHttp2Session, IncomingHttpHeaders } from 'node:http2';
import { join } from 'node:path';

const [, files = '', host = '', address = '', port = ''] = process.argv.slice(2);
const read = (name: string) => readFileSync(join(files, name));
const server = createSecureServer(
  { cert: read('origin.pem'), key: read('origin.key'), allowHTTP1: true },
  (request, response) => {
    // Asked once, by whoever waits for it to be ready.
    if (request.httpVersionMajor === 1) response.end();
  },
);
const idle: ClientHttp2Session[] = [];
server.on('session', (session) => {
  const upstream =
    idle.pop() ?? connect(`https://${address}`, { servername: host, ca: read('origin-ca.pem') });
  upstream.on('error', () => session.destroy());
  session.on('error', () => {});
  session.on('close', () => idle.push(upstream));
  session.on('stream', (stream, headers: IncomingHttpHeaders) => {
    const request = upstream.request({ ...headers }, { endStream: stream.readableEnded });
    request.on('response', (answer) => stream.respond({ ...answer }));
    request.on('error', () => stream.destroy());
    stream.on('error', () => request.destroy());
    stream.pipe(request);
    request.pipe(stream);
  });
});
server.listen(Number(port), '::');
