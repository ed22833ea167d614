// Sockets of workers where no rule of the kernel leads to them (no NET_ADMIN): every worker listens on the ports that
// clients ask, together with the others (SO_REUSEPORT), and a program on each port chooses the worker by the client's
// address: TCP and UDP of one runner reach the same one. UDP sockets filter out who is no runner.

import { SallyportError } from '../flow/errors.ts';
import { lastErrorName } from './libc.ts';
import type { WorkerSockets } from './listeners.ts';
import { filterSocket, sourceProgram, steerProgram, steerSockets } from './socket-filter.ts';
import { closeSocket, openTcpListener, openUdpSocket } from './sockets.ts';

/** Where clients ask; `http` stands for 80, `https` for 443 and `dns` for 53, whatever leads there from outside. */
export interface DirectPorts {
  readonly dns: number;
  readonly http: number;
  readonly https: number;
}

export interface DirectOptions {
  /** The gateway's address in each family. */
  readonly addresses: readonly string[];
  readonly ports: DirectPorts;
  /** The explicit proxy's; null when it is off. */
  readonly explicit: number | null;
  readonly networks: readonly string[];
}

type Family = 4 | 6;

export class DirectListeners {
  readonly #options: DirectOptions;
  /** Workers in the order in which the kernel counts their sockets; the same for each port. */
  readonly #order: number[] = [];
  readonly #sockets = new Map<number, { readonly family: Family; readonly fd: number }[]>();
  #pins: ReadonlyMap<string, number> = new Map();

  constructor(options: DirectOptions) {
    this.#options = options;
  }

  /** The sockets of one worker, the last in the kernel's order. @throws SallyportError kernel, missing-privilege */
  open(index: number): WorkerSockets {
    const { addresses, ports, explicit } = this.#options;
    const { dns, http, https } = ports;
    const all = new Set([dns, http, https, ...(explicit === null ? [] : [explicit])]);
    const opened: { family: Family; fd: number; isUdp: boolean }[] = [];
    try {
      for (const address of addresses) {
        const family: Family = address.includes(':') ? 6 : 4;
        const share = { address, mayBeAbsent: true, isShared: true };
        for (const port of all) {
          opened.push({ family, fd: openTcpListener({ ...share, port }), isUdp: false });
        }
        opened.push({ family, fd: openUdpSocket({ ...share, port: dns }), isUdp: true });
      }
      // A listener takes no filter without privilege on every kernel: workers look at who has connected.
      for (const { family, fd, isUdp } of opened) if (isUdp) this.#filter(family, fd);
    } catch (error) {
      for (const { fd } of opened) closeSocket(fd);
      throw error;
    }
    this.#order.push(index);
    this.#sockets.set(index, opened);
    this.steer(this.#pins);
    const udp = (family: Family) => opened.find((one) => one.isUdp && one.family === family)?.fd ?? null;
    return {
      port: null,
      tcp: opened.filter(({ isUdp }) => !isUdp).map(({ fd }) => fd),
      udp4: udp(4),
      udp6: udp(6),
      standing: { [http]: 80, [https]: 443, [dns]: 53 },
    };
  }

  /** A worker's sockets were closed: its share goes to the others, and none waits for it. */
  closed(index: number): void {
    const at = this.#order.indexOf(index);
    const last = this.#order.pop();
    // The kernel puts the last socket of a port into the place of the one that went.
    if (at >= 0 && last !== undefined && last !== index) this.#order[at] = last;
    this.#sockets.delete(index);
    this.steer(this.#pins);
  }

  /** Gives each of these addresses to its worker and all others to the hash. @throws SallyportError kernel */
  steer(pins: ReadonlyMap<string, number>): void {
    this.#pins = pins;
    const first = this.#sockets.get(this.#order[0] ?? -1) ?? [];
    const places = new Map(
      [...pins]
        .map(([address, worker]): [string, number] => [address, this.#order.indexOf(worker)])
        .filter(([, place]) => place >= 0),
    );
    for (const family of [4, 6] as const) {
      const program = steerProgram(family, this.#order.length, places);
      const plain = steerProgram(family, this.#order.length, new Map());
      // One socket stands for all of its port. Older kernels take less: a program without pins is always small enough.
      for (const { fd } of first.filter((one) => one.family === family)) {
        if (!steerSockets(fd, program) && !steerSockets(fd, plain))
          throw new SallyportError('kernel', 'the kernel refuses a program that chooses among workers');
      }
    }
  }

  #filter(family: Family, fd: number): void {
    if (filterSocket(fd, sourceProgram(family, this.#options.networks))) return;
    throw new SallyportError(
      'kernel',
      `the kernel refuses the filter of runners.networks (${lastErrorName()}); name fewer networks`,
    );
  }
}
