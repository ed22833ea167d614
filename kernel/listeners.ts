// The gateway's sockets, opened once by the keeper for the life of the gateway: for each worker a TCP listener and a UDP
// socket per family on one port number that the kernel's rules lead to, or, without rules, its share of the very ports
// that clients ask (direct-listeners.ts); the operator's and the runner-facing listeners.

import { SallyportError } from '../flow/errors.ts';
import { DirectListeners, type DirectPorts } from './direct-listeners.ts';
import { closeSocket, openTcpListener, openUdpSocket, socketPort } from './sockets.ts';

export interface ListenerConfig {
  readonly workers: number;
  /** First worker port; 0 lets the kernel choose. */
  readonly workerPort: number;
  readonly addresses: { readonly v4: readonly string[]; readonly v6: readonly string[] };
  readonly operator: string;
  readonly runnerPort: number;
  readonly explicitPort: number | null;
  /** No rule leads to workers what speaks to the gateway's own address: the explicit port is listened on itself. */
  readonly isSidecar: boolean;
  /** Ports that clients ask themselves; null where the kernel's rules lead to the worker ports. */
  readonly direct: DirectPorts | null;
  /** Source ranges of runners. */
  readonly networks: readonly string[];
}

export interface WorkerSockets {
  /** The port that the kernel's rules lead to; null without rules. */
  readonly port: number | null;
  readonly tcp: readonly number[];
  readonly udp4: number | null;
  readonly udp6: number | null;
  /** Without rules: which port clients mean (80, 443, 53) by the one that they reach; null: the kernel knows. */
  readonly standing: Readonly<Record<number, number>> | null;
}

export interface Listeners {
  /** In the order of the workers; one is replaced when it was closed and opened again. */
  readonly workers: WorkerSockets[];
  readonly direct: DirectListeners | null;
  readonly config: ListenerConfig;
  readonly operator: number;
  /** `address:port` that the operator's listener is bound to. */
  readonly operatorAddress: string;
  readonly runner: readonly number[];
  readonly runnerPort: number;
  /** For connections that no rule leads to a worker (mode sidecar): whoever accepts first serves. */
  readonly explicit: readonly number[];
}

const portTries = 20;

/** Opens all of them. @throws SallyportError kernel naming the address that is taken */
export function openListeners(config: ListenerConfig): Listeners {
  const own = [...config.addresses.v4.slice(0, 1), ...config.addresses.v6.slice(0, 1)];
  const { host, port } = splitAddress(config.operator);
  const operator = openTcpListener({ address: host, port });
  const runner: number[] = [];
  let runnerPort = config.runnerPort;
  for (const address of own) {
    runner.push(openTcpListener({ address, port: runnerPort, mayBeAbsent: true }));
    runnerPort = socketPort(runner[0]!);
  }
  const explicitPort = config.explicitPort;
  const { direct: ports, networks } = config;
  const direct =
    ports === null ? null : new DirectListeners({ addresses: own, ports, explicit: explicitPort, networks });
  return {
    workers: Array.from(
      { length: config.workers },
      (_, index) => direct?.open(index) ?? openWorker(config, index),
    ),
    direct,
    config,
    operator,
    operatorAddress: `${host.includes(':') ? `[${host}]` : host}:${socketPort(operator)}`,
    runner,
    runnerPort,
    explicit:
      explicitPort === null || !config.isSidecar
        ? []
        : own.map((address) => openTcpListener({ address, port: explicitPort, mayBeAbsent: true })),
  };
}

/** Closes what a worker that cannot be kept alive would leave hanging: its clients then fail at once. */
export function closeWorker(listeners: Listeners, index: number): void {
  const { tcp, udp4, udp6 } = listeners.workers[index]!;
  for (const fd of [...tcp, udp4, udp6]) if (fd !== null) closeSocket(fd);
  listeners.direct?.closed(index);
}

/** Opens them again on the same port, which the rules lead to. @throws SallyportError kernel when it is taken */
export function reopenWorker(listeners: Listeners, index: number): WorkerSockets {
  const { config, direct, workers } = listeners;
  const port = workers[index]?.port ?? null;
  const opened = port === null ? direct!.open(index) : openOnOnePort(config, port);
  workers[index] = opened;
  return opened;
}

function openWorker(config: ListenerConfig, index: number): WorkerSockets {
  const wanted = config.workerPort === 0 ? 0 : config.workerPort + index;
  for (let attempt = 1; ; attempt++) {
    try {
      return openOnOnePort(config, wanted);
    } catch (error) {
      // A port that the kernel chose for TCP may be taken for UDP: choose another.
      if (wanted !== 0 || attempt === portTries) throw error;
    }
  }
}

function openOnOnePort(config: ListenerConfig, wanted: number): WorkerSockets {
  const tcp = openWildcard(wanted);
  const port = socketPort(tcp);
  const opened = [tcp];
  const udp = (address: string | undefined): number | null => {
    if (address === undefined) return null;
    const fd = openUdpSocket({ address, port, mayBeAbsent: true });
    opened.push(fd);
    return fd;
  };
  try {
    const [udp4, udp6] = [udp(config.addresses.v4[0]), udp(config.addresses.v6[0])];
    return { port, tcp: [tcp], udp4, udp6, standing: null };
  } catch (error) {
    for (const fd of opened) closeSocket(fd);
    throw error;
  }
}

// REDIRECT picks an address of the incoming interface, so the listener is on all of them; the input rules let
// nobody in who was not redirected.
function openWildcard(port: number): number {
  try {
    return openTcpListener({ address: '::', port, v6Only: false });
  } catch (error) {
    if (!(error instanceof SallyportError) || !/EAFNOSUPPORT|EADDRNOTAVAIL/.test(error.message)) throw error;
    return openTcpListener({ address: '0.0.0.0', port });
  }
}

function splitAddress(text: string): { host: string; port: number } {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replaceAll(/[[\]]/g, ''), port: Number(text.slice(at + 1)) };
}
