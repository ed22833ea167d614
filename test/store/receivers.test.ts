// Records go from segments through the store to receivers that others wrote: rsyslog over UDP, TCP and TLS, a strict reader
// of OTLP, and a file that is rotated meanwhile. Each has each record once.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { serialiseRecord } from '../../store/serialise-record.ts';
import type { SinkTarget } from '../../store/sinks/open-sinks.ts';
import { ThreadedStore } from '../../store/threaded-store.ts';
import { flow } from '../lab/stored-flows.ts';

const rsyslogd = '/usr/sbin/rsyslogd';
const limits = { records: 50_000, bytes: 32 * 1_048_576 };
const flows = Array.from({ length: 600 }, (_, serial) => flow(serial));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function until(test: () => boolean | Promise<boolean>): Promise<boolean> {
  for (let tries = 0; tries < 800; tries++) {
    if (await test()) return true;
    await sleep(25);
  }
  return false;
}

function ended(t: Test, child: ChildProcess): ChildProcess {
  t.teardown(async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  });
  return child;
}

/** What a receiver wrote: ids of the records, in its lines. */
const idsIn = (path: string): string[] =>
  existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .flatMap((line) => /"v":1,"id":"([^"]+)"/.exec(line)?.[1] ?? [])
    : [];

function certificate(folder: string): { key: string; cert: string } {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const kind = ['-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  execFileSync('openssl', ['req', ...kind, ...name, '-keyout', key, '-out', cert], { stdio: 'ignore' });
  return { key, cert };
}

interface Syslog {
  readonly ports: Readonly<Record<'udp' | 'tcp' | 'tls', number>>;
  readonly cert: string;
  file(transport: 'udp' | 'tcp' | 'tls'): string;
}

/** One rsyslogd with three listeners, each with a file of its own. */
async function startSyslog(t: Test, folder: string): Promise<Syslog> {
  const { key, cert } = certificate(folder);
  const ports = { udp: await freePort(), tcp: await freePort(), tls: await freePort() };
  const file = (transport: string) => join(folder, `${transport}.log`);
  const rules = (['udp', 'tcp', 'tls'] as const).map(
    (name) =>
      `ruleset(name="${name}") { action(type="omfile" file="${file(name)}" template="whole" flushOnTXEnd="on") }`,
  );
  writeFileSync(
    join(folder, 'rsyslog.conf'),
    [
      `global(workDirectory="${folder}" maxMessageSize="64k" defaultNetstreamDriverCAFile="${cert}"`,
      `  defaultNetstreamDriverCertFile="${cert}" defaultNetstreamDriverKeyFile="${key}")`,
      'template(name="whole" type="string" string="%pri% %protocol-version% %app-name% %msgid% %timegenerated% %msg%\\n")',
      'module(load="imudp")',
      'module(load="imptcp")',
      'module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")',
      ...rules,
      `input(type="imudp" address="127.0.0.1" port="${ports.udp}" rcvbufSize="4m" ruleset="udp")`,
      `input(type="imptcp" address="127.0.0.1" port="${ports.tcp}" ruleset="tcp")`,
      `input(type="imtcp" address="127.0.0.1" port="${ports.tls}" ruleset="tls")`,
      '',
    ].join('\n'),
  );
  const args = ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')];
  const child = ended(t, spawn(rsyslogd, args, { stdio: ['ignore', 'ignore', 'inherit'] }));
  await until(() => existsSync(join(folder, 'pid')) || child.exitCode !== null);
  await sleep(300);
  return { ports, cert, file };
}

async function startCollector(t: Test): Promise<{ url: string; lines: string[] }> {
  const program = join(import.meta.dirname, '../lab/otlp-receiver.py');
  const child = ended(t, spawn('python3', [program], { stdio: ['ignore', 'pipe', 'ignore'] }));
  let rest = '';
  const lines: string[] = [];
  child.stdout!.on('data', (chunk) => {
    const all = (rest + String(chunk)).split('\n');
    rest = all.pop()!;
    lines.push(...all);
  });
  await until(() => lines.length > 0);
  const port = lines.shift()!.slice('port '.length);
  return { url: `http://127.0.0.1:${port}/v1/logs`, lines };
}

t.test(
  'each receiver has each record once',
  { skip: existsSync(rsyslogd) ? false : 'rsyslog is not installed', timeout: 120_000 },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'sallyport-receivers-'));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const segments = join(folder, 'segments');
    mkdirSync(segments);
    const segment = join(segments, 'worker-0-20261123T230000000Z-1.jsonl');
    const { ports, cert, file } = await startSyslog(t, folder);
    const { url, lines } = await startCollector(t);
    const path = join(folder, 'flows.jsonl');
    const syslog = (transport: 'udp' | 'tcp' | 'tls'): SinkTarget => ({
      kind: 'syslog',
      limits,
      transport,
      host: transport === 'tls' ? 'localhost' : '127.0.0.1',
      port: ports[transport],
      authorities: transport === 'tls' ? cert : null,
    });
    const sinks: SinkTarget[] = [
      { kind: 'file', limits, path },
      ...(['udp', 'tcp', 'tls'] as const).map(syslog),
      { kind: 'otlp', limits, url, headers: { authorization: 'Bearer s3cret' } },
    ];
    const source = { kind: 'embedded' as const, folder: join(folder, 'store') };
    const store = await ThreadedStore.open({ source, segments, gateway: 'gw', everyMs: 20, sinks });
    for (const [at, { opened, closed }] of flows.entries()) {
      appendFileSync(segment, serialiseRecord(opened) + serialiseRecord(closed));
      // As logrotate does it, which tells nobody.
      if (at === 300) {
        await until(() => idsIn(path).length > 0);
        renameSync(path, `${path}.1`);
      }
    }
    const isThere = async () => (await store.status()).sinks.every((sink) => sink.delivered === flows.length);
    t.ok(await until(isThere), JSON.stringify((await store.status()).sinks));
    t.match(
      (await store.status()).sinks.map(({ lost, problem }) => [lost, problem]),
      sinks.map(() => [0, null]),
    );
    const expected = flows.map(({ closed }) => closed.id);
    for (const name of ['udp', 'tcp', 'tls'] as const) {
      await until(() => idsIn(file(name)).length >= flows.length);
      t.same(idsIn(file(name)).toSorted(), expected.toSorted(), `rsyslog over ${name}`);
    }
    const first = readFileSync(file('tls'), 'utf8').split('\n')[0]!;
    t.match(first, /^108 1 sallyport flow .*"verdict":"block"/, 'log audit, warning: it was blocked');
    t.same([...idsIn(`${path}.1`), ...idsIn(path)], expected, 'the file before and after it was rotated');
    t.ok(await until(() => lines.length >= flows.length));
    t.same(
      lines.map((line) => (JSON.parse(line) as { id: string }).id),
      expected,
      'OTLP, whose shape was looked at',
    );
    await store.close();
  },
);
