// Where doctor works: an internet, a gateway's namespace and runners of its own, with servers, captures and
// stand-ins, cut off from the machine's real network.

import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { dirname, extname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { TestAuthority } from '../netns/authority.ts';
import { Capture } from '../netns/capture.ts';
import { insidePrefix } from '../netns/gateway-port.ts';
import { runIp, runIpBatch } from '../netns/ip.ts';
import { NameServer, type NameEntry } from '../netns/name-server.ts';
import type { Namespaces } from '../netns/namespace.ts';
import { listenTcp } from '../netns/socket.ts';
import { buildTopology, type Topology } from '../netns/topology.ts';
import { WebServer } from '../netns/web-server.ts';
import { sshPort } from './own-probes.ts';
import { doctorNames, standInBanner, type Observation, type Places, type Probe } from './probe.ts';

export const upstreamResolver = '198.41.0.4';
const [web4, web6] = ['93.184.216.34', '2606:2800:220:1::34'];
const resolvers = [upstreamResolver, '8.8.8.8', '2001:4860:4860::8888'];
const webAddresses = [web4, web6, '151.101.1.6', '151.101.1.7', '2a04:4e42::6', '8.8.8.8', '8.8.4.4'];
const metadata = ['169.254.169.254', '168.63.129.16', 'fd00:ec2::254'];
/** Network of the second runner interface, on which the other runner lives. */
export const otherNetwork = {
  interface: 'runners1',
  gateway: '10.78.0.1',
  runner: '10.78.0.2',
  cidr: '10.78.0.0/24',
} as const;
export const operatorPort = 9440;
export const workerPort = 10_001;

export class Scene {
  readonly topology: Topology;
  /** Of the runner on the other network. */
  readonly otherNamespace: string;
  readonly authority = new TestAuthority('Sallyport doctor');
  readonly #internet: Capture;
  readonly #otherRunner: Capture;
  readonly #names: NameServer;
  readonly #web: WebServer;
  readonly #standIns: Server[] = [];
  readonly #places: Places;

  private constructor(topology: Topology, other: string) {
    this.topology = topology;
    this.otherNamespace = other;
    const { internet, gateway4, gateway6 } = topology;
    this.#internet = new Capture(internet);
    this.#otherRunner = new Capture(other);
    const names = new Map<string, NameEntry>(
      Object.values(doctorNames).map((name) => [name, { a: [web4], aaaa: [web6] }]),
    );
    this.#names = new NameServer({ namespace: internet, addresses: resolvers, names });
    this.#web = new WebServer({
      namespace: internet,
      addresses: [...webAddresses, ...metadata],
      http: [80],
      https: [443],
      authority: this.authority,
      answer: (request, response) => {
        request.resume();
        response.end('arrived\n');
      },
    });
    const gatewayLinkLocal = `${linkLocalOf(topology)}%eth0`;
    this.#places = {
      resolver: gateway4,
      gateway4,
      gateway6,
      gatewayLinkLocal,
      web4,
      web6,
      otherRunner4: otherNetwork.runner,
      operatorPort,
      workerPort,
    };
  }

  /** Makes everything; what the kernel holds belongs to `made`. @throws SallyportError */
  static async open(made: Namespaces): Promise<Scene> {
    const internetAddresses = [...new Set([...resolvers, ...webAddresses, ...metadata])];
    const topology = buildTopology(made, { internetAddresses });
    const other = made.create('other');
    made.link(
      {
        namespace: topology.gateway,
        name: otherNetwork.interface,
        addresses: [`${otherNetwork.gateway}/24`],
      },
      { namespace: other, name: 'eth0', addresses: [`${otherNetwork.runner}/24`] },
    );
    runIpBatch(other, [`route add default via ${otherNetwork.gateway}`]);
    const scene = new Scene(topology, other);
    await Promise.all([scene.#names.start(), scene.#web.start()]);
    await scene.standIn([sshPort, operatorPort]);
    return scene;
  }

  /** Listens on these ports of the gateway's runner-facing addresses and greets whoever comes. */
  async standIn(ports: readonly number[]): Promise<() => void> {
    const { gateway, gateway4, gateway6 } = this.topology;
    const servers: Server[] = [];
    for (const port of ports) {
      // SSH also on the link-local address, which the wildcard covers; the operator's port must stay free elsewhere.
      for (const address of [gateway4, port === sshPort ? '::' : gateway6]) {
        const server = createServer((socket) => {
          socket.on('error', () => socket.destroy());
          socket.end(`${standInBanner}\r\n`);
        });
        server.listen({ fd: listenTcp(gateway, address, port) });
        await once(server, 'listening');
        servers.push(server);
      }
    }
    this.#standIns.push(...servers);
    return () => {
      for (const server of servers) server.close();
    };
  }

  /** Runs probes from the runner all at once, and answers what was seen of each. */
  async observe(probes: readonly Probe[], resolver: string): Promise<ReadonlyMap<string, Observation>> {
    this.#clear();
    const clients = await this.#runChild(
      { ...this.#places, resolver },
      probes.map(({ id }) => id),
    );
    await sleep(300);
    const shared = {
      internet: this.#internet.packets(),
      otherRunner: this.#otherRunner.packets(),
      requests: this.#web.arrived,
      questions: this.#names.asked.map(({ name }) => name),
    };
    return new Map(probes.map(({ id }) => [id, { ...shared, client: clients[id] ?? '[no answer]' }]));
  }

  /** Whether what was seen means that the probe got out. */
  judge(probe: Probe, seen: Observation | undefined): boolean {
    return seen !== undefined && probe.gotOut(seen, this.#places);
  }

  close(): void {
    for (const server of this.#standIns) server.close();
    this.#internet.close();
    this.#otherRunner.close();
    this.#names.close();
    this.#web.close();
  }

  #clear(): void {
    this.#internet.clear();
    this.#otherRunner.clear();
    this.#web.arrived.length = 0;
    this.#names.asked.length = 0;
  }

  async #runChild(places: Places, ids: readonly string[]): Promise<Record<string, string>> {
    const program = join(dirname(import.meta.filename), `probe-child${extname(import.meta.filename)}`);
    const [command, ...prefix] = insidePrefix(this.topology.runners[0]!.namespace);
    const child = spawn(
      command!,
      [
        ...prefix,
        process.execPath,
        '--disable-warning=ExperimentalWarning',
        program,
        JSON.stringify({ places, ids }),
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    await once(child, 'close');
    // probe-child prints this shape; without a line every probe counts as unanswered.
    return output === '' ? {} : (JSON.parse(output) as Record<string, string>);
  }
}

/** The link-local address of the gateway's bridge. */
function linkLocalOf(topology: Topology): string {
  const text = runIp([
    '-netns',
    topology.gateway,
    '-6',
    'addr',
    'show',
    'dev',
    topology.runnerInterface,
    'scope',
    'link',
  ]);
  return /inet6 (fe80:[0-9a-f:]+)/.exec(text)?.[1] ?? 'fe80::1';
}
