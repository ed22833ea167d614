// One runner does what it can to keep the gateway busy; another one's requests go on working, each within a second.
// What is refused is refused by a limit that records and metrics name.

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import { sendUdp } from '../lab/packets.ts';
import { sendSyns } from '../lab/syn-flood.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
  - {id: wild, host: "*.wild.example.com"}
`;
const [busy, calm] = [0, 1];
const limitMs = 1_000;

t.setTimeout(120_000);
t.test('a runner that floods the gateway does not keep another one waiting', async (t) => {
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

  const { stdout } = await lab.curl(
    ['-o', '/dev/null', '-w', '%{http_code}', 'https://allowed.example.com/'],
    busy,
  );
  t.equal(stdout, '200', 'the busy runner itself is served again afterwards');
});

/** Open files of a process and all that it started. */
function descriptors(pid: number): number {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number),
  );
  return children.reduce((sum, child) => sum + descriptors(child), readdirSync(`/proc/${pid}/fd`).length);
}
