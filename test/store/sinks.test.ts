// Records reach real receivers: a file, syslog over UDP, TCP and TLS, a collector. What cannot wait any longer is counted.

import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServer as createTls } from 'node:tls';
import t from 'tap';
import { serialiseRecord } from '../../store/serialise-record.ts';
import { fileSink } from '../../store/sinks/file-sink.ts';
import { otlpSink } from '../../store/sinks/otlp-sink.ts';
import type { RecordSink } from '../../store/sinks/sink-queue.ts';
import { syslogMessage, syslogSink } from '../../store/sinks/syslog-sink.ts';
import { flow } from '../lab/stored-flows.ts';

const lines = Array.from({ length: 3_000 }, (_, serial) => serialiseRecord(flow(serial).closed).trimEnd());

async function until(test: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 400 && !test(); tries++) await sleep(25);
  return test();
}

const pushAll = (sink: RecordSink): void => lines.forEach((line) => sink.push(line));
const delivered = { delivered: lines.length, lost: 0, waiting: 0, problem: null };

t.test('a file has every record, also those of the last moment', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-sink-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const path = join(directory, 'flows.jsonl');
  const sink = fileSink(path);
  pushAll(sink);
  await sink.close();
  t.same(readFileSync(path, 'utf8').trimEnd().split('\n'), lines);
  t.same(sink.counts, delivered);
});

t.test('syslog over TCP counts octets, and goes on after its receiver went away', async (t) => {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let rest = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        const space = rest.indexOf(32);
        const size = Number(rest.toString('latin1', 0, Math.max(space, 0)));
        if (space < 0 || rest.length < space + 1 + size) break;
        received.push(rest.toString('utf8', space + 1, space + 1 + size));
        rest = rest.subarray(space + 1 + size);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const sink = syslogSink({ transport: 'tcp', host: '127.0.0.1', port }, undefined, 'gw 1');
  pushAll(sink);
  t.ok(await until(() => received.length >= lines.length));
  t.same(
    received,
    lines.map((line) => syslogMessage(line, 'gw 1').toString()),
  );
  t.match(received[0], /^<108>1 2026-11-23T23:00:00\.250Z gw-1 sallyport - flow - \ufeff\{"v":1,/, 'blocked');
  t.match(received[1], /^<110>1 /);
  t.same(sink.counts, delivered);
  // It closes the connection; the next records come over another one.
  for (const socket of sockets) socket.destroy();
  await sleep(50);
  sink.push(lines[7]!);
  t.ok(await until(() => received.length === lines.length + 1));
  t.equal(sockets.size, 2);
  await sink.close();
});

t.test('syslog over TLS goes to a receiver that can show who it is, and to no other', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sallyport-sink-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', ...kind, ...name, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  let received = '';
  const server = createTls({ key: readFileSync(key), cert: readFileSync(cert) }, (socket) => {
    socket.on('data', (chunk) => (received += String(chunk)));
    socket.on('error', () => {});
  });
  server.on('tlsClientError', () => {});
  server.listen(0);
  await once(server, 'listening');
  t.teardown(() => server.close());
  const target = {
    transport: 'tls',
    host: 'localhost',
    port: (server.address() as AddressInfo).port,
  } as const;
  const strange = syslogSink(target);
  strange.push(lines[0]!);
  t.ok(await until(() => strange.counts.problem !== null));
  await strange.close();
  t.match(strange.counts, { delivered: 0, lost: 1 });
  const known = syslogSink({ ...target, authorities: readFileSync(cert, 'utf8') }, undefined, 'gw');
  known.push(lines[1]!);
  t.ok(await until(() => received !== ''));
  await known.close();
  const message = syslogMessage(lines[1]!, 'gw');
  t.equal(received, `${message.length} ${message.toString()}`);
});

t.test('syslog over UDP is a datagram a record', async (t) => {
  const server = createSocket('udp4');
  const received: string[] = [];
  server.on('message', (message) => received.push(message.toString()));
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  const sink = syslogSink(
    { transport: 'udp', host: '127.0.0.1', port: server.address().port },
    undefined,
    'gw',
  );
  for (const line of lines.slice(0, 20)) sink.push(line);
  sink.push(`{"pad":"${'x'.repeat(70_000)}"}`);
  t.ok(await until(() => received.length === 20));
  await sink.close();
  t.equal(sink.counts.lost, 1, 'too large for a datagram');
});

t.test(
  'a collector has every record once it is well, and refuses for good only what it refuses',
  async (t) => {
    const bodies: unknown[] = [];
    const answers = [503, 429, 200, 400];
    const server = createHttp((request, response) => {
      void read(request).then((body) => {
        const status = answers.shift() ?? 200;
        if (status === 200) bodies.push(JSON.parse(body));
        return response.writeHead(status, status === 429 ? { 'retry-after': '1' } : {}).end('{}');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.teardown(() => server.close());
    const { port } = server.address() as AddressInfo;
    const sink = otlpSink({
      url: `http://127.0.0.1:${port}/v1/logs`,
      headers: { authorization: 'Bearer s' },
    });
    pushAll(sink);
    t.ok(await until(() => sink.counts.delivered + sink.counts.lost === lines.length));
    await sink.close();
    const logs = bodies.flatMap((body) => (body as Exported).resourceLogs[0]!.scopeLogs[0]!.logRecords);
    t.equal(logs.length, lines.length - 500, 'one batch was refused');
    t.match(sink.counts, { delivered: lines.length - 500, lost: 500 });
    t.match(logs[0], {
      timeUnixNano: `${Date.UTC(2026, 10, 23, 23, 0, 0, 250)}000000`,
      severityText: 'WARN',
      body: { stringValue: lines[0]! },
    });
  },
);

interface Exported {
  readonly resourceLogs: readonly {
    readonly scopeLogs: readonly { readonly logRecords: readonly object[] }[];
  }[];
}

async function read(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString();
}

t.test('a receiver that is away takes no memory: the oldest are lost, and counted', async (t) => {
  const away = { url: 'http://127.0.0.1:9/v1/logs' };
  const sink = otlpSink(away, { records: 100, bytes: 1_000_000 });
  pushAll(sink);
  t.ok(await until(() => sink.counts.problem !== null));
  t.ok(sink.counts.waiting <= 100);
  await sink.close();
  t.match(sink.counts, { delivered: 0, lost: lines.length, waiting: 0 });
  const small = otlpSink(away, { records: 100, bytes: 1_000 });
  small.push('x'.repeat(2_000));
  t.equal(small.counts.lost, 1, 'larger than all that may wait');
  await small.close();
});
