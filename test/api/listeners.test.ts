import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';

import t from 'tap';

import { startOperatorServer } from '../../api/operator-server.ts';
import { startRunnerServer } from '../../api/runner-server.ts';
import { openTcpListener, socketPort } from '../../kernel/sockets.ts';

const listen = () => {
  const fd = openTcpListener({ address: '127.0.0.1', port: 0 });
  return { fd, port: socketPort(fd) };
};
const closing = (t: { teardown(end: () => unknown): void }, server: Server) =>
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
/** Sends bytes and resolves with everything that comes back until the other side closes. */
async function exchange(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  socket.write(bytes);
  return readText(socket).catch(() => '');
}

t.test('operators read metrics, health and what is not ready', async (t) => {
  const { fd, port } = listen();
  const problems: string[] = ['no valid policy has been loaded'];
  const server = await startOperatorServer({
    fd,
    metrics: async () => '# HELP x y\n',
    problems: () => problems,
  });
  closing(t, server);
  const get = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);
  const metrics = await get('/metrics');
  t.equal(metrics.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  t.equal(metrics.headers.get('x-content-type-options'), 'nosniff');
  t.equal(await metrics.text(), '# HELP x y\n');
  t.same(await (await get('/health')).json(), { status: 'ok' });
  const unready = await get('/ready');
  t.equal(unready.status, 503);
  t.same(await unready.json(), { ready: false, problems });
  problems.pop();
  t.equal((await get('/ready')).status, 200);
  t.equal((await get('/ca.pem')).status, 404);
  t.equal((await get('/metrics', { method: 'DELETE' })).status, 404);
});

t.test('runners get the public files and nothing else', async (t) => {
  const folder = t.testdir({
    'authority.pem': 'pem',
    'authority.der': 'der',
    'bundle.pem': 'roots',
    'other.pem': 'no',
  });
  const { fd, port } = listen();
  closing(t, startRunnerServer(fd, folder));
  const get = (path: string, method = 'GET') => fetch(`http://127.0.0.1:${port}${path}`, { method });
  for (const [path, content, type] of [
    ['/ca.pem', 'pem', 'application/x-pem-file'],
    ['/ca.der', 'der', 'application/pkix-cert'],
    ['/bundle.pem', 'roots', 'application/x-pem-file'],
    ['/health', 'ok\n', 'text/plain'],
  ] as const) {
    const answer = await get(path);
    t.equal(await answer.text(), content, path);
    t.equal(answer.headers.get('content-type'), type);
    t.equal(answer.headers.get('content-security-policy'), "default-src 'none'; frame-ancestors 'none'");
  }
  t.equal((await get('/ca.p12')).status, 503, 'not there yet');
  t.equal(await (await get('/ca.pem', 'HEAD')).text(), '');
  for (const path of ['/', '/metrics', '/other.pem', '/ca.pem/', '/ca.pem?x']) {
    t.equal((await get(path)).status, 404, path);
  }
  for (const method of ['POST', 'DELETE']) t.equal((await get('/ca.pem', method)).status, 405);
  for (const line of [
    'GET ../../etc/passwd HTTP/1.1',
    'GET /%2e%2e/ca.pem HTTP/1.1',
    'GET http://h/ca.pem HTTP/1.1',
    'OPTIONS * HTTP/1.1',
  ]) {
    t.match(
      await exchange(port, `${line}\r\nhost: h\r\nconnection: close\r\n\r\n`),
      /^HTTP\/1\.1 40[04]/,
      line,
    );
  }
});

t.test('a hostile runner cannot hold the listener', async (t) => {
  const folder = t.testdir({ 'authority.pem': 'pem', 'bundle.pem': Buffer.alloc(4_000_000, 65) });
  const { fd, port } = listen();
  closing(t, startRunnerServer(fd, folder));
  t.match(await exchange(port, '\0\x16\x03\x01 junk\r\n\r\n'), /^HTTP\/1\.1 400/);
  t.match(await exchange(port, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`), /^HTTP\/1\.1 431/);
  t.equal(await exchange(port, 'CONNECT a:443 HTTP/1.1\r\nhost: a\r\n\r\n'), '');

  // 30 connections that never finish their request, and some that never read the answer.
  const held: Socket[] = [];
  let ended = 0;
  for (let i = 0; i < 30; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {}).on('close', () => ended++);
    socket.write(i < 8 ? 'GET /bundle.pem HTTP/1.1\r\nhost: h\r\n\r\n' : 'GET /ca.pem HTTP/1.1\r\nx: ');
    if (i < 8) socket.pause();
    else socket.resume();
    held.push(socket);
  }
  await new Promise((done) => setTimeout(done, 500));
  t.ok(ended >= 14, `${ended} of 30 from one address were over its share`);
  const other = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  other.write('GET /ca.pem HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n');
  t.match(await readText(other), /pem$/, 'another address is served');
  await new Promise((done) => setTimeout(done, 6500));
  t.ok(ended >= 22, `${ended} of 30 have been closed after the time of a head`);
  for (const socket of held) socket.destroy();
});
