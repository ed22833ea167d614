// SSH servers of the lab's internet: the real one, each on an address and with a host key of its own, and a bare git
// repository behind it.

import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { dialTcp } from '../../netns/socket.ts';
import type { Lab } from './lab.ts';

export interface SshServer {
  /** `ssh-ed25519 AAAA…`: what tells one server from another. */
  readonly hostKey: string;
  readonly addresses: readonly string[];
}

export class SshServers {
  readonly #lab: Lab;
  readonly #children: ChildProcess[] = [];
  readonly #folder: string;
  /** Key of a client that every server lets in. */
  readonly clientKey: string;
  readonly repository: string;

  constructor(lab: Lab) {
    this.#lab = lab;
    this.#folder = join(lab.directory, 'ssh');
    mkdirSync(this.#folder, { mode: 0o700 });
    mkdirSync('/run/sshd', { recursive: true });
    this.clientKey = this.#makeKey('client');
    this.repository = join(this.#folder, 'repository.git');
    execFileSync('git', ['init', '-q', '--bare', this.repository]);
  }

  /** A server on these addresses, which are added to the internet. */
  async start(name: string, addresses: readonly string[]): Promise<SshServer> {
    runIpBatch(
      this.#lab.topology.internet,
      addresses.map((address) => `addr add ${address}/${address.includes(':') ? '128 nodad' : '32'} dev lo`),
    );
    const key = this.#makeKey(name);
    const options = {
      HostKey: key,
      PidFile: 'none',
      UsePAM: 'no',
      StrictModes: 'no',
      AuthorizedKeysFile: `${this.clientKey}.pub`,
      PermitRootLogin: 'prohibit-password',
      UseDNS: 'no',
    };
    const file = join(this.#folder, `${name}.conf`);
    const listen = addresses.map((address) =>
      address.includes(':') ? `ListenAddress [${address}]:22` : `ListenAddress ${address}:22`,
    );
    const lines = Object.entries(options).map(([option, value]) => `${option} ${value}`);
    writeFileSync(file, `${[...listen, ...lines].join('\n')}\n`);
    const [command, ...prefix] = insidePrefix(this.#lab.topology.internet);
    this.#children.push(
      spawn(command!, [...prefix, '/usr/sbin/sshd', '-D', '-e', '-f', file], { stdio: 'ignore' }),
    );
    for (const address of addresses) await this.#serves(address);
    const hostKey = readFileSync(`${key}.pub`, 'utf8').split(' ').slice(0, 2).join(' ');
    return { hostKey, addresses };
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #makeKey(name: string): string {
    const path = join(this.#folder, name);
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', path]);
    return path;
  }

  async #serves(address: string): Promise<void> {
    for (let attempt = 0; attempt < 100; attempt++) {
      const socket = dialTcp(this.#lab.topology.internet, address, 22);
      const isUp = await new Promise<boolean>((resolve) => {
        socket.on('error', () => resolve(false));
        socket.once('data', () => resolve(true));
      });
      socket.destroy();
      if (isUp) return;
      await sleep(50);
    }
    throw new Error(`sshd does not serve ${address}`);
  }
}
