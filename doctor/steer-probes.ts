// Probes of steer mode, behind a gateway of that mode: a virtual address leads to its name on its port, for the runner
// that asked; nothing else of it does.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { formatAddress } from '../flow/address.ts';
import { insidePrefix, type GatewayConfig, type StartGateway } from '../netns/gateway-port.ts';
import { dialTcp, listenTcp } from '../netns/socket.ts';
import { attemptLimitMs } from './attempts.ts';
import { doctorNames, standInBanner } from './probe.ts';
import type { ProbeResult } from './doctor-command.ts';
import type { Scene } from './scene.ts';

const pool = '10.77.128.0/24';
const namedPort = 5432;
const web4 = '93.184.216.34';

/** Starts a gateway in mode steer, tries and stops it; `config` is that of the other probes. @throws SallyportError */
export async function examineSteer(
  scene: Scene,
  startGateway: StartGateway,
  config: GatewayConfig,
): Promise<ProbeResult[]> {
  const { internet, gateway, gateway4, runners } = scene.topology;
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`${standInBanner}\r\n`);
  });
  server.listen({ fd: listenTcp(internet, web4, namedPort) });
  await once(server, 'listening');
  const started = await startGateway(steerConfig(config), { prefix: insidePrefix(gateway) });
  try {
    const runner = runners[0]!.namespace;
    const address = await resolveOver(runner, gateway4, doctorNames.allowed);
    if (address === null)
      return [{ probe: 'steer-virtual-address', held: false, detail: 'the name got no address of the pool' }];
    const named = await listenTo(runner, address, namedPort);
    const [otherPort, otherRunner] = [
      await listenTo(runner, address, 22),
      await listenTo(scene.otherNamespace, address, namedPort),
    ];
    return [
      result('steer-virtual-address', named.includes(standInBanner), `${address} leads to its name`, named),
      result('steer-other-port', /REFUSED/.test(otherPort), 'another port of it is refused', otherPort),
      result('steer-other-runner', /REFUSED/.test(otherRunner), 'another runner is refused', otherRunner),
    ];
  } finally {
    await started.stop();
    server.close();
  }
}

function result(probe: string, held: boolean, says: string, seen: string): ProbeResult {
  return { probe, held, detail: held ? says : `not so: ${says} (${seen.slice(0, 60)})` };
}

function steerConfig(config: GatewayConfig): GatewayConfig {
  const state = join(config.state, '..', 'steer');
  mkdirSync(state, { mode: 0o755 });
  const policy = join(config.state, '..', 'steer.yaml');
  const rule = `{id: doctor, host: ${doctorNames.allowed}, port: ${namedPort}}`;
  writeFileSync(policy, `version: 1\nmode: block\nnetwork: ${rule}\n`);
  return { ...config, mode: 'steer', policy, state, steer: { pool: [pool] } };
}

/** What a server says first, or how the connection failed. */
async function listenTo(namespace: string, address: string, port: number): Promise<string> {
  const socket = dialTcp(namespace, address, port);
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve('no answer in time'), attemptLimitMs);
  socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  socket.once('data', (bytes) => resolve(bytes.toString('latin1')));
  socket.once('close', () => resolve('closed'));
  const seen = await promise;
  clearTimeout(timer);
  socket.destroy();
  return seen;
}

/** The one IPv4 address of the name, asked over TCP (RFC 1035 4.2.2), or null. */
async function resolveOver(namespace: string, resolver: string, name: string): Promise<string | null> {
  const labels = name.split('.').map((label) => Buffer.from([label.length, ...Buffer.from(label, 'latin1')]));
  const head = Buffer.from([0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  const question = Buffer.concat([head, ...labels, Buffer.from([0, 0, 1, 0, 1])]);
  const socket = dialTcp(namespace, resolver, 53);
  const { promise, resolve } = Promise.withResolvers<Buffer | null>();
  const timer = setTimeout(() => resolve(null), attemptLimitMs);
  socket.on('error', () => resolve(null));
  socket.once('data', resolve);
  socket.write(Buffer.concat([Buffer.from([0, question.length]), question]));
  const answer = await promise;
  clearTimeout(timer);
  socket.destroy();
  // Without EDNS the address is the end of the message.
  const isOne = answer !== null && answer.length > question.length + 6 && answer.readUInt16BE(8) === 1;
  return isOne ? formatAddress(answer.subarray(answer.length - 4)) : null;
}
