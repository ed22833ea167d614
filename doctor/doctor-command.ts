// `sallyport doctor`: tries the known escapes from a runner of its own behind a gateway of its own and says what
// held, judged by what arrived on the far side. Each probe first has to arrive while no gateway holds it.

import { mkdirSync, mkdtempSync, chmodSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import {
  insidePrefix,
  type GatewayConfig,
  type Io,
  type StartGateway,
  type StartedGateway,
} from '../netns/gateway-port.ts';
import { Namespaces } from '../netns/namespace.ts';
import { doctorNames } from './probe.ts';
import { allowedProbe, probes } from './probes.ts';
import { examineSteer } from './steer-probes.ts';
import { operatorPort, otherNetwork, Scene, upstreamResolver, workerPort } from './scene.ts';

const usage = `usage: sallyport doctor [--quick] [--json]

Tries the known escapes from a throw-away runner behind a throw-away gateway and prints what held.
Exit code 1 when anything got out, or when a probe proves nothing.
  --quick   leave out the controls (the same attempts without a gateway, which have to arrive), and mode steer
  --json    print [{probe, held, detail}]
`;

/** One line of the result. */
export interface ProbeResult {
  readonly probe: string;
  readonly held: boolean;
  readonly detail: string;
}

/** Runs every probe and answers the exit code. @throws SallyportError */
export async function runDoctor(
  args: readonly string[],
  io: Io,
  startGateway: StartGateway,
): Promise<number> {
  const values = readArguments(args);
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  if (process.getuid?.() !== 0) {
    throw new SallyportError('missing-privilege', 'doctor makes network namespaces: run it as root');
  }
  const results = await examine(startGateway, values.quick === true);
  if (values.json) io.stdout.write(`${JSON.stringify(results)}\n`);
  else io.stdout.write(formatResults(results));
  return results.every(({ held }) => held) ? exitCodes.ok : exitCodes.failed;
}

function readArguments(args: readonly string[]) {
  try {
    const options = {
      quick: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    } as const;
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new SallyportError(
      'usage',
      `${error instanceof Error ? error.message : String(error)}\n${usage}`,
      error,
    );
  }
}

async function examine(startGateway: StartGateway, isQuick: boolean): Promise<ProbeResult[]> {
  const made = new Namespaces();
  let scene: Scene | null = null;
  let gateway: StartedGateway | null = null;
  try {
    scene = await Scene.open(made);
    const proven = isQuick ? null : await proveControls(scene);
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-doctor-'));
    made.own(directory);
    chmodSync(directory, 0o711);
    const config = doctorConfig(scene, directory);
    gateway = await startGateway(config, { prefix: insidePrefix(scene.topology.gateway) });
    const results = await tryProbes(scene, proven);
    const last = await tryQuarantine(scene, gateway);
    if (isQuick) return [...results, ...last];
    await gateway.stop();
    gateway = null;
    return [...results, ...(await examineSteer(scene, startGateway, config)), ...last];
  } finally {
    await gateway?.stop();
    scene?.close();
    await made.remove();
  }
}

/** Ids of the probes that arrive while nothing holds them. */
async function proveControls(scene: Scene): Promise<ReadonlySet<string>> {
  const closeWorkerPort = await scene.standIn([workerPort]);
  const seen = await scene.observe(probes, upstreamResolver);
  closeWorkerPort();
  return new Set(probes.filter((probe) => scene.judge(probe, seen.get(probe.id))).map(({ id }) => id));
}

async function tryProbes(scene: Scene, proven: ReadonlySet<string> | null): Promise<ProbeResult[]> {
  const { gateway4 } = scene.topology;
  const works = await runAllowed(scene);
  const first = works
    ? { probe: allowedProbe.id, held: true, detail: 'arrived, as the policy says' }
    : {
        probe: allowedProbe.id,
        held: false,
        detail: 'did not arrive although the policy allows it: the rest proves little',
      };
  const seen = await scene.observe(probes, gateway4);
  const rest = probes.map((probe): ProbeResult => {
    const saw = seen.get(probe.id);
    if (scene.judge(probe, saw)) return { probe: probe.id, held: false, detail: `${probe.title}: got out` };
    if (proven?.has(probe.id) === false) {
      return {
        probe: probe.id,
        held: false,
        detail: `${probe.title}: did not arrive without a gateway either`,
      };
    }
    return { probe: probe.id, held: true, detail: `${probe.title}: ${summary(saw?.client ?? '')}` };
  });
  return [first, ...rest];
}

async function runAllowed(scene: Scene): Promise<boolean> {
  const seen = await scene.observe([allowedProbe], scene.topology.gateway4);
  return scene.judge(allowedProbe, seen.get(allowedProbe.id));
}

/** A quarantined runner may not even do what policy allows; left out where the gateway cannot be asked for it. */
async function tryQuarantine(scene: Scene, gateway: StartedGateway): Promise<ProbeResult[]> {
  if (gateway.quarantine === undefined) return [];
  await gateway.quarantine(scene.topology.runners[0]!.v4, 60_000);
  const arrived = await runAllowed(scene);
  const detail = arrived
    ? 'an allowed request of a quarantined runner arrived'
    : 'nothing of a quarantined runner arrived';
  return [{ probe: 'quarantined-runner', held: !arrived, detail }];
}

function summary(client: string): string {
  const line = client.replace(/[^\x20-\x7e]+/g, ' ').trim();
  return line.length > 70 ? `${line.slice(0, 70)}...` : line;
}

function formatResults(results: readonly ProbeResult[]): string {
  const lines = results.map(
    ({ probe, held, detail }) => `${held ? 'held ' : 'OPEN '} ${probe.padEnd(24)} ${detail}`,
  );
  const open = results.filter(({ held }) => !held).length;
  return `${lines.join('\n')}\n\n${results.length} probes, ${open} did not hold\n`;
}

function doctorConfig(scene: Scene, directory: string): GatewayConfig {
  const { topology } = scene;
  const state = join(directory, 'state');
  mkdirSync(state, { mode: 0o755 });
  const policy = join(directory, 'policy.yaml');
  writeFileSync(policy, `version: 1\nmode: block\nhttp:\n  - {id: doctor, host: ${doctorNames.allowed}}\n`);
  const authority = join(directory, 'doctor-authority.pem');
  writeFileSync(authority, scene.authority.certificate);
  return {
    version: 1,
    gateway: 'doctor',
    fleet: 'doctor',
    mode: 'gateway',
    policy,
    state,
    workers: 1,
    runners: {
      interfaces: [topology.runnerInterface, otherNetwork.interface],
      networks: [...topology.runnerNetworks, otherNetwork.cidr],
    },
    addresses: [topology.gateway4, topology.gateway6],
    external: { interface: topology.externalInterface, masquerade: false },
    listen: { operator: `127.0.0.1:${operatorPort}`, runner: 9441, worker: workerPort },
    dns: { upstreams: [{ address: upstreamResolver }] },
    tls: { extraAuthorities: [authority] },
    kernel: { table: 'sallyport_doctor', keepOnExit: false },
  };
}
