// One runner does what it can to keep the gateway busy; another one's requests go on working, each within a second.
// What is refused is refused by a limit that records and metrics name.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import t from 'tap';
import { dialTcp } from '../../netns/socket.ts';
import { frame, headerBlock, preface } from '../bypass/h2-bytes.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { sendUdp } from '../lab/packets.ts';
import { sendSyns } from '../lab/syn-flood.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
  - {id: wild, host: "*.wild.example.com"}
  - {id: h2, host: h2.example.com, methods: any}
`;
const [busy, calm] = [0, 1];
const limitMs = 1_000;

t.setTimeout(120_000);
const ids =
  '[load-slow-hello] [load-half-open] [load-idle] [load-syn] [load-block-log] [load-many-names] [load-h2-streams] [load-large-body]';
t.test(`${ids} a runner that floods the gateway does not keep another one waiting`, async (t) => {
  const lab = await Lab.open({ runners: 2 });
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(policy);

  /** Five requests of the calm runner, one after the other; the slowest in milliseconds. */
  const slowest = async (): Promise<number> => {
    const times: number[] = [];
    for (let at = 0; at < 5; at++) {
      const { stdout } = await lab.curl(
        ['-o', '/dev/null', '-w', '%{http_code} %{time_total}', `https://allowed.example.com/${at}`],
        calm,
      );
      const [status, seconds] = stdout.split(' ');
      times.push(status === '200' ? Number(seconds) * 1000 : Number.POSITIVE_INFINITY);
    }
    return Math.max(...times);
  };
  const expectCalm = async (while_: string) => {
    const time = await slowest();
    t.ok(time < limitMs, `${while_}: the slowest request took ${Math.round(time)} ms`);
  };
  const crowd = async (mode: string, count: number) => {
    const program = join(import.meta.dirname, '../lab/crowd.ts');
    const child = lab.spawn(
      [
        process.execPath,
        '--disable-warning=ExperimentalWarning',
        program,
        mode,
        `${count}`,
        labAddresses.web4,
        '80',
      ],
      busy,
    );
    t.teardown(() => child.kill('SIGKILL'));
    const [line] = (await once(child.stdout!, 'data')) as [Buffer];
    const counts = JSON.parse(String(line)) as { open: number; refused: number };
    return { ...counts, end: async () => (child.kill('SIGKILL'), await once(child, 'exit')) };
  };
  const counted = async (reason: string): Promise<number> => {
    // Workers write their metrics once a second.
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    const { body } = await gateway.operator('/metrics');
    const lines = body.split('\n').filter((line) => line.includes(`reason="${reason}"`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };

  await expectCalm('at rest');

  const idle = await crowd('idle', 8_000);
  t.equal(idle.open + idle.refused, 8_000);
  t.ok(idle.open >= 7_000, `${idle.open} idle connections are held`);
  await expectCalm('beside 8,000 open connections');
  t.ok(descriptors(gateway.pid) < 20_000, `${descriptors(gateway.pid)} files are open in all processes`);
  await idle.end();

  const partial = await crowd('partial', 10_000);
  t.ok(partial.refused > 8_000, `${partial.refused} of 10,000 half-open connections are refused`);
  t.ok(partial.open > 0, `${partial.open} are taken`);
  await expectCalm('beside half-open connections at the share of one runner');
  t.ok((await counted('runner-limit')) >= partial.refused, 'each refusal is counted with its reason');
  const { v4 } = lab.runner(busy);
  const record = await gateway.findRecord((r) => r.decision.reason === 'runner-limit');
  t.match(record, { runner: v4, kind: 'connection', decision: { verdict: 'block', enforced: true } });
  await partial.end();

  const bytewise = await crowd('bytewise', 500);
  t.equal(bytewise.open, 500);
  await expectCalm('beside 500 ClientHellos sent byte by byte');
  await bytewise.end();

  const beforeNames = memoryMb(gateway.pid);
  const minted = await helloAsMany(lab, busy, 1_500);
  await expectCalm('beside 1,500 names under one wildcard');
  t.ok(minted > 100 && minted < 1_500, `${minted} certificates were made for it, then no more`);
  t.ok(memoryMb(gateway.pid) - beforeNames < 100, 'what is kept of names is bounded');

  // The kernel of the runner would reset what it knows nothing of.
  const { namespace } = lab.runner(busy);
  const rules =
    'add table ip quiet; add chain ip quiet out { type filter hook output priority 0; }; add rule ip quiet out tcp flags rst drop';
  t.equal((await lab.run(['nft', rules], { runner: busy })).code, 0);
  for (let at = 0; at < 10; at++) {
    const ports = { first: 10_000 + at * 1_000, count: 1_000 };
    sendSyns(namespace, { source: v4, ...ports, address: labAddresses.web4, port: 443 });
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await expectCalm('beside 10,000 SYNs without an answer');
  // A connection that meets the gateway's TIME_WAIT of its own port only comes about after a reset.
  t.equal((await lab.run(['nft', 'delete table ip quiet'], { runner: busy })).code, 0);

  for (let at = 0; at < 20; at++) {
    for (let port = 0; port < 1_000; port++)
      sendUdp(namespace, labAddresses.web4, 20_000 + at * 1_000 + port, 'flood');
    for (let port = 0; port < 5; port++)
      sendUdp(lab.runner(calm).namespace, labAddresses.web4, 60_000 + at * 5 + port, 'calm');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const ports = async (runner: string) => {
    const records = await gateway.records();
    const packets = records.filter(
      (r) => r.kind === 'packet' && r.runner === runner && r.decision.verdict === 'block',
    );
    return new Set(packets.map((r) => r.destination.port));
  };
  const isRecorded = async () => (await ports(lab.runner(calm).v4)).size === 100;
  for (let tries = 0; tries < 20 && !(await isRecorded()); tries++)
    await new Promise((resolve) => setTimeout(resolve, 300));
  t.ok(await isRecorded(), 'every blocked port of the calm runner is recorded beside 20,000 of the busy one');

  const refusedBefore = await counted('runner-limit');
  const held = await Promise.all(Array.from({ length: 20 }, () => openH2(lab, busy)));
  for (const socket of held) {
    const heads = Array.from({ length: 400 }, (_, stream) =>
      frame(1, 4, 2 * stream + 1, headerBlock(upload)),
    );
    socket.write(Buffer.concat(heads));
  }
  await expectCalm('beside 8,000 streams of HTTP/2 that are kept open');
  const arrived = lab.origins.h2.count('/held');
  t.ok(arrived > 1_000 && arrived <= 2_048, `${arrived} of 8,000 went on`);
  t.ok((await counted('runner-limit')) > refusedBefore, 'the others were refused by a limit that is counted');
  for (const socket of held) socket.destroy();

  const [before, bodyBefore] = [oldMemoryMb(gateway), lab.origins.h2.bodyBytes];
  const wanted = 1_000 * 1_048_576;
  const sender = await openH2(lab, busy);
  sender.write(frame(1, 4, 1, headerBlock(upload)));
  const piece = Buffer.concat(Array.from({ length: 16 }, () => frame(0, 0, 1, Buffer.alloc(16_384))));
  let least = Infinity;
  for (let sent = 0; sent < wanted && !sender.destroyed; sent += piece.length) {
    if (!sender.write(piece)) await Promise.race([once(sender, 'drain'), once(sender, 'close')]);
    // In the second half: what is held then is held for the body; what comes and goes waits for its collection.
    if (sent > wanted / 2 && sent % (128 * piece.length) === 0) least = Math.min(least, oldMemoryMb(gateway));
  }
  await expectCalm('beside a body of 1,000 MB over HTTP/2');
  t.ok(lab.origins.h2.bodyBytes - bodyBefore >= wanted - 8 * 1_048_576, 'it went on');
  const grown = least - before;
  t.ok(grown < 100, `${Math.round(grown)} MB more in all processes behind it`);
  sender.destroy();

  const { stdout } = await lab.curl(
    ['-o', '/dev/null', '-w', '%{http_code}', 'https://allowed.example.com/'],
    busy,
  );
  t.equal(stdout, '200', 'the busy runner itself is served again afterwards');
});

const upload = [
  [':method', 'POST'],
  [':scheme', 'https'],
  [':authority', 'h2.example.com'],
  [':path', '/held'],
] as const;

/** A connection of the runner that speaks HTTP/2 to the lab's server, preface and window said. */
async function openH2(lab: Lab, runner: number): Promise<TLSSocket> {
  const socket = connectTls({
    socket: dialTcp(lab.runner(runner).namespace, labAddresses.h24, 443),
    servername: 'h2.example.com',
    ALPNProtocols: ['h2'],
    rejectUnauthorized: false,
  });
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'secureConnect');
  socket.write(preface);
  return socket;
}

/** Handshakes for so many names of the wildcard; answers how many were answered with a certificate. */
async function helloAsMany(lab: Lab, runner: number, count: number): Promise<number> {
  let [next, answered] = [0, 0];
  const hello = async (): Promise<void> => {
    while (next < count) {
      const socket = connectTls({
        socket: dialTcp(lab.runner(runner).namespace, labAddresses.web4, 443),
        servername: `n${next++}.wild.example.com`,
        rejectUnauthorized: false,
      });
      const isAnswered = await new Promise<boolean>((resolve) => {
        socket.on('secureConnect', () => resolve(true));
        socket.on('error', () => resolve(false));
        socket.on('close', () => resolve(false));
        socket.setTimeout(2_000, () => resolve(false));
      });
      if (isAnswered) answered++;
      socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: 40 }, hello));
  return answered;
}

/** Resident memory of a process and all that it started, in MB. */
function memoryMb(pid: number): number {
  const own = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  return childrenOf(pid).reduce((sum, child) => sum + memoryMb(child), own);
}

/** The same without what V8 gives its young objects in the worker, in steps and of its own accord, up to 128 MB. */
function oldMemoryMb(gateway: LabGateway): number {
  const file = join(gateway.stateDirectory, 'stats', 'worker-0.json');
  const { youngBytes } = JSON.parse(readFileSync(file, 'utf8')) as { youngBytes: number }; // as worker.ts writes it
  return memoryMb(gateway.pid) - youngBytes / 1_048_576;
}

/** Open files of a process and all that it started. */
function descriptors(pid: number): number {
  return childrenOf(pid).reduce(
    (sum, child) => sum + descriptors(child),
    readdirSync(`/proc/${pid}/fd`).length,
  );
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
}
