// The steer pool as the keeper holds it: the table of names, its routes and addresses, and the file by which both
// outlive a restart. Everything is synchronous: an address that was told is this machine's, and stands in the file.

import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress, subnetOf } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import type { Binding, VirtualAddresses } from '../flow/ports.ts';
import { hostShape } from './check-message.ts';
import { trackedFlows } from './conntrack.ts';
import { closeFd } from './libc.ts';
import { openNetfilter } from './netlink.ts';
import { VirtualTable, type SavedVirtual } from './virtual-addresses.ts';
import { VirtualRoutes } from './virtual-routes.ts';

/** What a client may keep an answer for, with the kernel's time for a binding and some more. */
const knownForMs = 900_000;
const maxSaved = 16_384;

export interface VirtualPoolOptions {
  readonly pool: readonly string[];
  /** Interfaces that face the runners. */
  readonly interfaces: readonly string[];
  /** The file that keeps who has what; nobody but root may write where it lies. */
  readonly read: () => string | null;
  readonly write: (json: string) => void;
  /** Told of a file that cannot be read or written. */
  readonly onProblem: (error: unknown) => void;
}

export class VirtualPool {
  readonly #options: VirtualPoolOptions;
  readonly #routes: VirtualRoutes;
  readonly #table: VirtualTable;
  readonly #netfilter = openNetfilter();

  /** @throws SallyportError kernel, config-invalid, missing-privilege */
  constructor(options: VirtualPoolOptions) {
    this.#options = options;
    this.#routes = new VirtualRoutes(options.pool, options.interfaces);
    this.#table = new VirtualTable(options.pool, {
      add: (address) => this.#routes.add(address),
      connected: () => new Set(trackedFlows(this.#netfilter).map(({ destination }) => destination)),
      changed: (saved) => this.#save(saved),
    });
    this.#routes.open();
    this.#table.restore(this.#saved(), performance.now() + knownForMs);
  }

  /** The addresses that stand for the host. @throws SallyportError kernel */
  assign(host: string, runner: string): VirtualAddresses {
    const now = performance.now();
    return this.#table.assign(host, subnetOf(runner) ?? runner, now, now + knownForMs);
  }

  /** The host that an address stands for, or null. */
  hostOf(address: string): string | null {
    return this.#table.hostOf(address);
  }

  /** Virtual addresses that stand for a name. */
  get size(): number {
    return this.#table.addresses().length;
  }

  /** Notes which of the addresses are about to be opened. @throws SallyportError kernel when one stands for another host */
  use(bindings: readonly Binding[]): void {
    const untilMs = performance.now() + knownForMs;
    for (const { address, host } of bindings) {
      if (!this.#table.contains(address) || this.#table.use(address, host ?? null, untilMs)) continue;
      throw new SallyportError('kernel', `${address} does not stand for ${host ?? 'an unnamed host'}`);
    }
  }

  /** Puts back what another program took away. @throws SallyportError kernel */
  repair(): void {
    this.#routes.open();
    const held = this.#routes.held();
    for (const address of this.#table.addresses()) if (!held.has(address)) this.#routes.add(address);
  }

  /** @throws SallyportError kernel */
  close(options: { readonly remove: boolean }): void {
    closeFd(this.#netfilter);
    this.#routes.close(options);
  }

  #saved(): SavedVirtual {
    try {
      return readSaved(this.#options.read());
    } catch (error) {
      this.#options.onProblem(error);
      return [];
    }
  }

  // Without the file names may have other addresses after a restart: worse, and no hole.
  #save(saved: SavedVirtual): void {
    try {
      this.#options.write(JSON.stringify(saved));
    } catch (error) {
      this.#options.onProblem(error);
    }
  }
}

/** Reads a text file, or null where there is none. @throws Error of the file system */
export function readOptional(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Pairs of address and host; what is none is left out. @throws SyntaxError */
export function readSaved(json: string | null): SavedVirtual {
  const list: unknown = json === null ? [] : JSON.parse(json);
  if (!Array.isArray(list)) return [];
  return list.slice(0, maxSaved).flatMap((item: unknown) => {
    if (!Array.isArray(item)) return [];
    const [address, host]: unknown[] = item;
    const bytes = typeof address === 'string' ? parseAddress(address) : null;
    if (bytes === null || typeof host !== 'string' || !hostShape.test(host)) return [];
    return [[formatAddress(bytes), host] as const];
  });
}
