// http-mitm-proxy, which speaks only as a named proxy: a small relay beside it, in a process of its own, gives it the
// redirected connections by CONNECT. Arguments: own directory, the lab's files, host, port of the relay.

import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { Proxy } from 'http-mitm-proxy';

const proxyPort = 8450;

/** Joins a redirected connection with one to the proxy that has said CONNECT. */
function startRelay(host: string, port: number): void {
  const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (client) => {
    const proxy = connect({ port: proxyPort, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const [one, other] of [
      [client, proxy],
      [proxy, client],
    ] as const) {
      one.on('error', () => other.destroy());
    }
    proxy.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`);
    proxy.once('data', () => {
      proxy.pipe(client);
      client.pipe(proxy);
    });
  });
  server.listen(port, '::');
}

function startProxy(directory: string): void {
  const proxy = new Proxy();
  proxy.onError(() => {});
  proxy.listen({ host: '127.0.0.1', port: proxyPort, sslCaDir: directory, keepAlive: true });
}

const [directory = '', files = '', host = '', port = '', role = ''] = process.argv.slice(2);
const self = [...process.execArgv, import.meta.filename, directory, files, host, port];
if (role === 'relay') startRelay(host, Number(port));
else if (role === 'proxy') {
  // No child of ours, and on the core of the load: its work is not the proxy's.
  const apart = ['-c', 'taskset -c 1 "$0" "$@" &', process.execPath, ...self, 'relay'];
  spawn('sh', apart, { stdio: 'ignore' });
  startProxy(directory);
} else {
  // Node reads the authority at its start.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: join(files, 'origin-ca.pem') };
  spawn(process.execPath, [...self, 'proxy'], { env, stdio: 'inherit' });
}
