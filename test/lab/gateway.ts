// The gateway of the lab: the real program in the gateway's namespace, its policy, records and metrics.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FlowRecord } from '../../flow/flow.ts';
import { insidePrefix, type DeclaredJob } from '../../netns/gateway-port.ts';
import { dialTcp } from '../../netns/socket.ts';
import { loadPolicy, readPolicyBundle } from '../../policy/load.ts';
import { readSegments } from '../../store/read-segments.ts';
import { labAddresses } from './origins.ts';
import type { Lab } from './lab.ts';

export interface LabGatewayOptions {
  readonly jobs?: readonly DeclaredJob[];
  readonly workers?: number;
  /** Command to put in front of the program. */
  readonly prefix?: readonly string[];
  /** State directory of a gateway that ended; default: a new one. */
  readonly state?: string;
  /** Called before the program starts, with the empty state directory and the path of the policy. */
  readonly prepare?: (stateDirectory: string, policyPath: string) => void;
  /** Merged over the generated configuration, one level deep. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** Port of the explicit proxy in a lab of that mode. */
export const explicitPort = 3128;
const root = join(import.meta.dirname, '../..');
let started = 0;

export class LabGateway {
  readonly stateDirectory: string;
  readonly policyPath: string;
  readonly #lab: Lab;
  readonly #child: ChildProcess;
  readonly #workers: number;
  #operator = '';

  private constructor(
    lab: Lab,
    stateDirectory: string,
    policyPath: string,
    child: ChildProcess,
    workers: number,
  ) {
    this.#workers = workers;
    this.#lab = lab;
    this.stateDirectory = stateDirectory;
    this.policyPath = policyPath;
    this.#child = child;
  }

  /** Starts `serve` and waits until it is ready. @throws Error with the end of its log */
  static async start(lab: Lab, policy: string, options: LabGatewayOptions): Promise<LabGateway> {
    const state = options.state ?? join(lab.directory, `state${started++}`);
    mkdirSync(state, { mode: 0o755, recursive: true });
    const policyPath = join(state, '..', `policy${started}.yaml`);
    writeFileSync(policyPath, policy);
    options.prepare?.(state, policyPath);
    const file = join(state, 'lab.json');
    writeFileSync(file, JSON.stringify({ ...labConfig(lab, state, policyPath, options), ...options.config }));
    const log = openSync(join(state, 'gateway.log'), 'a');
    const prefix = [...insidePrefix(lab.gatewayNamespace), ...(options.prefix ?? [])];
    const child = spawn(
      prefix[0]!,
      [...prefix.slice(1), process.execPath, join(root, 'main.ts'), 'serve', '--config', file],
      {
        stdio: ['ignore', log, log],
        detached: true,
        // Without what the test runner puts into NODE_OPTIONS: the gateway runs as it does anywhere.
        env: { PATH: process.env['PATH'] ?? '' },
      },
    );
    closeSync(log);
    const gateway = new LabGateway(lab, state, policyPath, child, options.workers ?? 1);
    try {
      await gateway.waitReady();
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    return gateway;
  }

  /** Waits until `ready.json` is there. @throws Error with the end of the log */
  async waitReady(limitMs = 15_000): Promise<void> {
    const file = join(this.stateDirectory, 'ready.json');
    await waitUntil(() => existsSync(file) || this.#child.exitCode !== null, limitMs);
    if (!existsSync(file)) throw new Error(`the gateway did not start:\n${this.log().slice(-3000)}`);
    // Written by the keeper in this shape.
    this.#operator = (JSON.parse(readFileSync(file, 'utf8')) as { operator: string }).operator;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What runners trust, PEM. */
  authority(): string {
    return readFileSync(join(this.stateDirectory, 'public/bundle.pem'), 'utf8');
  }

  log(): string {
    return readFileSync(join(this.stateDirectory, 'gateway.log'), 'utf8');
  }

  /** Replaces the policy as an editor does; the gateway takes it by itself. */
  writePolicy(text: string): void {
    writeFileSync(`${this.policyPath}.new`, text);
    renameSync(`${this.policyPath}.new`, this.policyPath);
  }

  /** Replaces the policy and waits until it is in force. @throws Error with the end of the log */
  async reload(text: string): Promise<void> {
    this.writePolicy(text);
    this.signal('SIGHUP');
    await this.inForce();
  }

  /** Waits until control and every worker act by the policy as it stands. @throws Error with the end of the log */
  async inForce(): Promise<void> {
    const { revision } = loadPolicy(readPolicyBundle(this.policyPath)).policy;
    const isInForce = () => {
      const last = new Map<string, string>();
      for (const [, name = '', now = ''] of this.log().matchAll(/"name":"([^"]*)","revision":"([^"]*)"/g))
        last.set(name, now);
      return last.size > this.#workers && [...last.values()].every((now) => now === revision);
    };
    if (!(await waitUntil(isInForce, 10_000)))
      throw new Error(`the policy is not in force:\n${this.log().slice(-3000)}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** SIGTERM, and SIGKILL after ten seconds. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }

  /** SIGKILL of the keeper; what it started ends with it. */
  async kill(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    rmSync(join(this.stateDirectory, 'ready.json'), { force: true });
  }

  /** Every record so far, `opened` and `closed`. */
  async records(): Promise<FlowRecord[]> {
    const directory = join(this.stateDirectory, 'segments');
    return existsSync(directory) ? Array.fromAsync(readSegments(directory)) : [];
  }

  /** Every segment as text, for a search for what must not be there. */
  segmentText(): string {
    const directory = join(this.stateDirectory, 'segments');
    return readdirSync(directory)
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join('');
  }

  /** Waits for a record that passes the test, at most `limitMs`; null when none came. */
  async findRecord(test: (record: FlowRecord) => boolean, limitMs = 3000): Promise<FlowRecord | null> {
    const deadline = Date.now() + limitMs;
    for (;;) {
      const found = (await this.records()).findLast(test);
      if (found !== undefined) return found;
      if (Date.now() > deadline) return null;
      await sleep(50);
    }
  }

  /** GET on the operator's listener, inside the gateway's namespace; answers the body. */
  async operator(path: string): Promise<{ readonly status: number; readonly body: string }> {
    const at = this.#operator.lastIndexOf(':');
    const address = this.#operator.slice(0, at).replace(/^\[|\]$/g, '');
    const socket = dialTcp(this.#lab.gatewayNamespace, address, Number(this.#operator.slice(at + 1)));
    socket.write(`GET ${path} HTTP/1.0\r\nhost: gateway\r\n\r\n`);
    const text = Buffer.concat(await Array.fromAsync(socket)).toString();
    const [head = '', ...body] = text.split('\r\n\r\n');
    return { status: Number(head.split(' ')[1]), body: body.join('\r\n\r\n') };
  }
}

/** Waits until the test passes; false when it never did. */
export async function waitUntil(test: () => boolean, limitMs = 5000): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (!test()) {
    if (Date.now() > deadline) return false;
    await sleep(20);
  }
  return true;
}

function labConfig(lab: Lab, state: string, policy: string, options: LabGatewayOptions) {
  const { topology } = lab;
  const place =
    lab.mode === 'sidecar'
      ? {
          mode: 'sidecar',
          runners: { interfaces: [], networks: topology.runnerNetworks },
          addresses: ['127.0.0.1', '::1'],
        }
      : {
          mode: lab.mode === 'gateway' ? 'gateway' : 'steer',
          runners: { interfaces: [topology.runnerInterface], networks: topology.runnerNetworks },
          addresses: [topology.gateway4, topology.gateway6],
          external: { interface: topology.externalInterface, masquerade: false },
        };
  return {
    version: 1,
    gateway: 'lab',
    ...place,
    policy,
    state,
    workers: options.workers ?? 1,
    ...(lab.mode === 'explicit' ? { listen: { explicit: explicitPort } } : {}),
    dns: { upstreams: [{ address: labAddresses.dns4 }] },
    tls: { extraAuthorities: [join(lab.directory, 'lab-ca.pem')] },
    ...(options.jobs ? { jobs: options.jobs } : {}),
  };
}
