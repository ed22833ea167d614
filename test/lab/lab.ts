// The lab of the end-to-end tests: internet - gateway - runners as network namespaces, servers in the internet,
// a capture there, and a gateway that can be started, stopped and killed. `close` removes exactly what was made.

import { X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ChildProcess } from 'node:child_process';
import { createTrustStore } from '../../certs/trust-store.ts';
import { trustEnvironment } from '../../certs/trust-variables.ts';
import { Capture } from '../../netns/capture.ts';
import { startInside, waitForExit } from '../../netns/enter.ts';
import { trustVariables } from '../../netns/trust.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { Namespaces } from '../../netns/namespace.ts';
import { buildTopology, type Runner, type Topology } from '../../netns/topology.ts';
import { explicitPort, LabGateway, type LabGatewayOptions } from './gateway.ts';
import { Origins, labAddresses } from './origins.ts';

/**
 * How traffic arrives. `explicit`: as in steer the runners reach the gateway alone, and programs are told its proxy
 * port. `sidecar`: the gateway runs in the namespace of the only runner.
 */
export type LabMode = 'gateway' | 'steer' | 'sidecar' | 'explicit';

export interface LabOptions {
  readonly runners?: number;
  readonly mode?: LabMode;
  /** In steer and explicit mode too, runners have a default route through the gateway. */
  readonly isRouted?: boolean;
}

/** What a command on a runner came to. */
export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Lab {
  readonly topology: Topology;
  readonly origins: Origins;
  readonly capture: Capture;
  /** A directory of this lab's own, removed with it; readable by every user. */
  readonly directory: string;
  readonly mode: LabMode;
  readonly #made: Namespaces;
  #gateway: LabGateway | null = null;

  private constructor(made: Namespaces, topology: Topology, directory: string, mode: LabMode) {
    this.#made = made;
    this.topology = topology;
    this.directory = directory;
    this.mode = mode;
    this.origins = new Origins(topology.internet);
    this.capture = new Capture(topology.internet);
  }

  /** Ready in a fraction of a second; everything is removed again when it fails. @throws SallyportError */
  static async open(options: LabOptions = {}): Promise<Lab> {
    const directory = mkdtempSync(join(tmpdir(), 'sallyport-lab-'));
    const made = new Namespaces();
    made.own(directory);
    try {
      chmodSync(directory, 0o755);
      const mode = options.mode ?? 'gateway';
      const topology = buildTopology(made, {
        runners: options.runners ?? 1,
        internetAddresses: Object.values(labAddresses),
        withoutDefaultRoute: (mode === 'steer' || mode === 'explicit') && options.isRouted !== true,
      });
      const lab = new Lab(made, topology, directory, mode);
      writeFileSync(join(directory, 'lab-ca.pem'), lab.origins.authority.certificate);
      const { raw } = new X509Certificate(lab.origins.authority.certificate);
      writeFileSync(join(directory, 'lab-ca.p12'), createTrustStore([{ alias: 'lab', der: raw }]));
      // A sidecar answers whoever is asked; its runner names a resolver of the internet.
      lab.useResolver(mode === 'sidecar' ? labAddresses.dns4 : topology.gateway4);
      await lab.origins.start();
      return lab;
    } catch (error) {
      await made.remove();
      throw error;
    }
  }

  /** Points the runners' resolv.conf at this address; commands started from now on read it. */
  useResolver(address: string): void {
    writeFileSync(
      join(this.directory, 'resolv.conf'),
      `nameserver ${address}\noptions timeout:3 attempts:1\n`,
    );
  }

  /** Starts the gateway with this policy text and waits until it serves. */
  async startGateway(policy: string, options: LabGatewayOptions = {}): Promise<LabGateway> {
    await this.#gateway?.stop();
    this.#gateway = await LabGateway.start(this, policy, options);
    return this.#gateway;
  }

  /** The gateway that runs. */
  get gateway(): LabGateway {
    if (this.#gateway === null) throw new Error('the lab has no gateway yet: call startGateway first');
    return this.#gateway;
  }

  /** Whether a gateway was started: a control lab has none. */
  get hasGateway(): boolean {
    return this.#gateway !== null;
  }

  /** Where the gateway runs: a namespace of its own, or the runner's. */
  get gatewayNamespace(): string {
    return this.mode === 'sidecar' ? this.runner().namespace : this.topology.gateway;
  }

  runner(index = 0): Runner {
    const runner = this.topology.runners[index];
    if (runner === undefined) throw new Error(`the lab has no runner ${index}`);
    return runner;
  }

  /** Starts a program on a runner that trusts the gateway's authority; the caller waits for it. */
  spawn(command: readonly string[], runner = 0, env: Readonly<Record<string, string>> = {}): ChildProcess {
    const trust = this.#gateway ? trustVariables(this.#gateway.stateDirectory) : this.#labTrust();
    return startInside(command, {
      namespace: this.runner(runner).namespace,
      resolvConf: join(this.directory, 'resolv.conf'),
      user: null,
      env: { PATH: process.env['PATH'], HOME: this.directory, ...trust, ...this.#proxyEnv(), ...env },
      cwd: this.directory,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Runs a program on a runner to its end, at most `timeoutMs` long. */
  async run(
    command: readonly string[],
    options: {
      readonly runner?: number;
      readonly env?: Readonly<Record<string, string>>;
      readonly timeoutMs?: number;
    } = {},
  ): Promise<Outcome> {
    const child = this.spawn(command, options.runner, options.env);
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
    let [stdout, stderr] = ['', ''];
    child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    const code = await waitForExit(child);
    clearTimeout(timer);
    return { code, stdout, stderr };
  }

  /** `curl -sS` with these arguments on a runner; ten seconds at most. */
  curl(args: readonly string[], runner = 0): Promise<Outcome> {
    return this.run(['curl', '-sS', '--max-time', '10', ...args], { runner });
  }

  /** Commands of `ip` in the gateway's namespace. */
  ipOnGateway(lines: readonly string[]): void {
    runIpBatch(this.topology.gateway, lines);
  }

  /** Stops the gateway and removes everything, whatever state the test left it in. */
  async close(): Promise<void> {
    try {
      await this.#gateway?.stop();
    } finally {
      this.capture.close();
      this.origins.close();
      await this.#made.remove();
    }
  }

  #proxyEnv(): Record<string, string> {
    if (this.mode !== 'explicit' || this.#gateway === null) return {};
    const proxy = `http://${this.topology.gateway4}:${explicitPort}`;
    return { HTTPS_PROXY: proxy, https_proxy: proxy, HTTP_PROXY: proxy, http_proxy: proxy };
  }

  #labTrust(): Record<string, string> {
    const file = join(this.directory, 'lab-ca.pem');
    return trustEnvironment({
      bundle: file,
      authority: file,
      trustStore: join(this.directory, 'lab-ca.p12'),
    });
  }
}
