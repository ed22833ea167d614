// doctor finds the default set-up closed, tells a hole from a wall, and does not take a dead gateway for a good one.

import { readFileSync, writeFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { runDoctor, type ProbeResult } from '../../doctor/doctor-command.ts';
import { probes } from '../../doctor/probes.ts';
import type { Io, StartGateway } from '../../netns/gateway-port.ts';
import { startGateway as startServe } from '../../serve.ts';

t.setTimeout(90_000);

// tap puts its loaders into NODE_OPTIONS of every child; the gateway's workers may not load them.
const startGateway: StartGateway = (config, options) =>
  startServe(config, { prefix: ['env', '-u', 'NODE_OPTIONS', ...(options?.prefix ?? [])] });

async function examine(start: StartGateway, ...flags: string[]) {
  const stdout = new PassThrough();
  // runDoctor only writes to it.
  const io = { stdout, stderr: process.stderr } as unknown as Io;
  const code = await runDoctor(['--json', ...flags], io, start);
  // What --json prints is an array of results.
  return { code, results: JSON.parse(String(stdout.read())) as ProbeResult[] };
}

const open = (results: readonly ProbeResult[]) =>
  results.filter(({ held }) => !held).map(({ probe }) => probe);

t.test('every probe arrives without a gateway and is held by one', async (t) => {
  const { code, results } = await examine(startGateway);
  t.strictSame(open(results), []);
  t.equal(code, 0);
  t.ok(results.length >= 40, `${results.length} probes`);
  t.match(results.at(-1), { probe: 'quarantined-runner', held: true });
  t.equal(new Set(probes.map(({ id }) => id)).size, probes.length, 'every probe has a name of its own');
});

t.test('three holes made on purpose flip exactly their own probes', async (t) => {
  const holes = `network:
  - {id: hole-ssh, to: 93.184.216.41/32, port: 22, protocol: tcp}
  - {id: hole-udp, to: 93.184.216.42/32, port: 4444, protocol: udp}
  - {id: hole-tcp6, to: "2606:2800:220:1::28/128", port: 4444, protocol: tcp}
`;
  const withHoles: StartGateway = (config, options) => {
    writeFileSync(config.policy, readFileSync(config.policy, 'utf8') + holes);
    return startGateway(config, options);
  };
  const { code, results } = await examine(withHoles, '--quick');
  t.strictSame(open(results), ['odd-port-tcp-v6', 'ssh', 'odd-port-udp']);
  t.equal(code, 1);
});

t.test('a gateway that is not there fails the request that must work, and every probe', async (t) => {
  const absent: StartGateway = async ({ state }) => ({ stateDir: state, stop: async () => {} });
  const { code, results } = await examine(absent, '--quick');
  // Nothing answers DNS or listens on the worker port then, so these three have no way to get out.
  const cannot = ['allowed-request', 'dns-unlisted-name', 'dns-unlisted-txt', 'gateway-worker-port'];
  t.strictSame(
    open(results),
    probes.map(({ id }) => id).filter((id) => !cannot.includes(id)),
  );
  t.equal(code, 1);
});
