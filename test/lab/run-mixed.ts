// Runs mixed-load.ts on a runner of a lab and gives back its counts.

import { once } from 'node:events';
import { join } from 'node:path';
import { runIpBatch } from '../../netns/ip.ts';
import { waitUntil } from './gateway.ts';
import type { Lab } from './lab.ts';
import { mixedHosts, type MixedCounts, type MixedOptions, type MixedTimes } from './mixed-load.ts';
import { ModernServer } from './modern-server.ts';
import { labAddresses } from './origins.ts';

export interface RunningLoad {
  /** Ends it: begins nothing more, waits for what is open. Resolves with what came of it. */
  stop(): Promise<MixedCounts>;
  /** How long those took that have come back since the last call. */
  times(): Promise<MixedTimes>;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/** What a policy must allow so that all of it works but what is to be blocked. */
export const mixedPolicy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com, methods: any, websocket: true}
  - {id: modern, host: h2.example.com}
opaque:
  - {id: opaque, host: api.example.com}
`;

const h2Web = '93.184.216.80';

/** Puts a server that speaks HTTP/2 into the lab's internet, for `rates.h2`; the caller closes it. */
export async function startModern(lab: Lab): Promise<ModernServer> {
  const { internet } = lab.topology;
  runIpBatch(internet, [`addr add ${h2Web}/32 dev lo`]);
  lab.origins.names.set(mixedHosts.h2, { a: [h2Web] });
  const server = new ModernServer({
    namespace: internet,
    addresses: [h2Web],
    authority: lab.origins.authority,
  });
  await server.start();
  return server;
}

/** Starts the load on a runner, under the program that `prefix` names; resolves when it has begun. */
export async function startMixed(
  lab: Lab,
  options: Pick<MixedOptions, 'rates'> & Partial<MixedOptions>,
  runner = 0,
  prefix: readonly string[] = [],
): Promise<RunningLoad> {
  const settings: MixedOptions = {
    // What is passed through bears the certificate of the lab's own server.
    authorities: [join(lab.gateway.stateDirectory, 'public/bundle.pem'), join(lab.directory, 'lab-ca.pem')],
    resolver: lab.topology.gateway4,
    web: labAddresses.web4,
    h2Web,
    connections: 40,
    downloadBytes: 20_000_000,
    downloadBytesPerSecond: 2_000_000,
    ...options,
  };
  const program = join(import.meta.dirname, 'mixed-load.ts');
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const child = lab.spawn([...prefix, ...node, program, JSON.stringify(settings)], runner);
  let [stdout, stderr] = ['', ''];
  child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  await waitUntil(() => stdout.includes('started\n') || isOver(), 20_000);
  if (isOver()) throw new Error(`the load did not start: ${stderr.slice(-2000)}`);
  return {
    times: async () => {
      const before = stdout.length;
      child.kill('SIGUSR2');
      await waitUntil(() => stdout.indexOf('\n', before) > 0 || isOver(), 20_000);
      // Printed by mixed-load.ts in this shape.
      return JSON.parse(stdout.slice(before).split('\n')[0]!) as MixedTimes;
    },
    kill: async () => {
      const ended = once(child, 'close');
      child.kill('SIGKILL');
      await ended;
    },
    stop: async () => {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
      await ended;
      clearTimeout(timer);
      const line = stdout.trim().split('\n').at(-1) ?? '';
      if (!line.startsWith('{')) throw new Error(`the load ended without counts: ${stderr.slice(-2000)}`);
      // Printed by mixed-load.ts in this shape.
      return JSON.parse(line) as MixedCounts;
    },
  };
}
