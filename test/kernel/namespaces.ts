// Three network namespaces in a row, runner - gateway - internet, with an agent in each; made anew for a test and
// removed by it. Their names carry the process id.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

const script = join(import.meta.dirname, 'agent.ts');
export const gatewayMac = '02:00:00:00:00:01';
export const runnerMac = '02:00:00:00:00:02';

/** One agent in one namespace. */
export class Agent {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
  #last = 0;

  constructor(namespace: string) {
    this.#child = spawn(
      'ip',
      ['netns', 'exec', namespace, process.execPath, '--disable-warning=ExperimentalWarning', script],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
        env: { PATH: process.env['PATH'] ?? '' },
      },
    );
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { id, ...answer } = JSON.parse(line) as { id: number; result?: unknown; error?: string };
      this.#waiting.get(id)?.(answer);
      this.#waiting.delete(id);
    });
  }

  /** What the operation answered; the caller knows its type. */
  ask<T = unknown>(operation: string, ...args: readonly unknown[]): Promise<T> {
    const id = ++this.#last;
    this.#child.stdin!.write(`${JSON.stringify({ id, operation, args })}\n`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result as T) : reject(new Error(error)),
      );
    });
  }

  /** Ends the agent; `signal` kills it. */
  async end(signal?: 'SIGKILL'): Promise<void> {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    if (signal === undefined) this.#child.stdin!.end();
    else this.#child.kill(signal);
    await gone;
  }
}

export class Namespaces {
  readonly names: { readonly runner: string; readonly gateway: string; readonly internet: string };
  readonly runner: Agent;
  gateway: Agent;
  readonly internet: Agent;

  constructor(label: string) {
    const name = (part: string): string => `k${process.pid}${label}${part}`;
    this.names = { runner: name('r'), gateway: name('g'), internet: name('i') };
    const { runner, gateway, internet } = this.names;
    for (const namespace of [runner, gateway, internet]) ip('netns', 'add', namespace);
    this.#link([runner, 'run0', runnerMac], [gateway, 'int0', gatewayMac]);
    this.#link([gateway, 'ext0', '02:00:00:00:01:01'], [internet, 'net0', '02:00:00:00:01:02']);
    const addresses: readonly (readonly [string, string, readonly string[]])[] = [
      [gateway, 'int0', ['10.77.0.1/16', 'fd77::1/64', 'fe80::1/64']],
      [gateway, 'ext0', ['10.78.0.1/24', 'fd78::1/64', 'fe80::3/64']],
      [runner, 'run0', ['10.77.0.2/16', '10.77.0.3/16', 'fd77::2/64', 'fd77::3/64', 'fe80::2/64']],
      [
        internet,
        'net0',
        [
          '10.78.0.2/24',
          'fd78::2/64',
          'fe80::4/64',
          '203.0.113.10/32',
          '203.0.113.11/32',
          '203.0.113.12/32',
          '203.0.113.66/32',
          '198.51.100.53/32',
          '169.254.169.254/32',
          '168.63.129.16/32',
          '192.168.1.1/32',
          '2001:db8::10/128',
          '2001:db8::66/128',
          'fd00:ec2::254/128',
        ],
      ],
    ];
    for (const [namespace, device, list] of addresses) {
      for (const address of list) {
        const nodad = address.includes(':') ? ['nodad'] : [];
        ip('-n', namespace, 'addr', 'add', address, 'dev', device, ...nodad);
      }
    }
    ip('-n', runner, 'route', 'add', 'default', 'via', '10.77.0.1');
    ip('-n', runner, '-6', 'route', 'add', 'default', 'via', 'fd77::1');
    ip('-n', gateway, 'route', 'add', 'default', 'via', '10.78.0.2');
    ip('-n', gateway, '-6', 'route', 'add', 'default', 'via', 'fd78::2');
    ip('-n', internet, 'route', 'add', '10.77.0.0/16', 'via', '10.78.0.1');
    ip('-n', internet, '-6', 'route', 'add', 'fd77::/64', 'via', 'fd78::1');
    for (const key of ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']) {
      ip('netns', 'exec', gateway, 'sysctl', '-qw', `${key}=1`);
    }
    this.runner = new Agent(runner);
    this.gateway = new Agent(gateway);
    this.internet = new Agent(internet);
  }

  #link(a: readonly [string, string, string], b: readonly [string, string, string]): void {
    ip(
      '-n',
      a[0],
      'link',
      'add',
      a[1],
      'address',
      a[2],
      'type',
      'veth',
      'peer',
      'name',
      b[1],
      'address',
      b[2],
      'netns',
      b[0],
    );
    for (const [namespace, device] of [a, b]) {
      ip('-n', namespace, 'link', 'set', 'lo', 'up');
      ip('-n', namespace, 'link', 'set', device, 'addrgenmode', 'none', 'up');
    }
  }

  /** Index of an interface. */
  index(namespace: string, device: string): number {
    return Number(/^(\d+):/.exec(ip('-n', namespace, '-o', 'link', 'show', device))![1]);
  }

  /** Runs a program in a namespace; its output and error text, and whether it succeeded. */
  exec(namespace: string, ...command: readonly string[]): { ok: boolean; text: string } {
    try {
      return { ok: true, text: ip('netns', 'exec', namespace, ...command) };
    } catch (error) {
      return { ok: false, text: String((error as { stderr?: string }).stderr) };
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.runner.end(), this.gateway.end(), this.internet.end()]);
    for (const namespace of Object.values(this.names)) ip('netns', 'del', namespace);
  }
}

function ip(...args: readonly string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
