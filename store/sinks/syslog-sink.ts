// Records as syslog messages (RFC 5424): one a datagram (RFC 5426), or counted in octets over TCP and TLS (RFC 6587 §3.4.1,
// RFC 5425). Over TCP a message counts as delivered when the kernel has it: syslog has no answer.

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv6, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { Delivery, type Delivered } from './delivery.ts';
import { sinkOf } from './file-sink.ts';
import { SinkQueue, type QueueLimits, type RecordSink } from './sink-queue.ts';

export interface SyslogTarget {
  readonly transport: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
  /** PEM of authorities for `tls`; the system's unless given. */
  readonly authorities?: string;
}

/** Facility 13 (log audit) and severity: 4 (warning) for what was blocked, 6 (informational). */
const [blockedPriority, usualPriority] = [13 * 8 + 4, 13 * 8 + 6];
const maxDatagramBytes = 65_507;
const connectMs = 5_000;
/** Datagrams that are sent without a pause. */
const [burst, burstMs] = [32, 5];

/** `machine` names the sender; the host's name unless given. */
export function syslogSink(
  target: SyslogTarget,
  limits?: QueueLimits,
  machine: string = hostname(),
): RecordSink {
  const queue = new SinkQueue(limits);
  const carrier = target.transport === 'udp' ? datagrams(target, queue) : stream(target);
  const delivery = new Delivery({
    queue,
    batch: { records: 500, characters: 1_048_576 },
    everyMs: 200,
    send: (lines, signal) =>
      carrier.send(
        lines.map((line) => syslogMessage(line, machine)),
        signal,
      ),
  });
  const sink = sinkOf(queue, delivery);
  return {
    push: sink.push,
    get counts() {
      return queue.counts;
    },
    close: async () => {
      await delivery.close();
      carrier.close();
    },
  };
}

/** `<PRI>1 TIME HOST sallyport - flow - BOM JSON`. */
export function syslogMessage(line: string, machine: string): Buffer {
  const time = /"time":"([0-9TZ:.-]{20,30})"/.exec(line)?.[1] ?? '-';
  const priority = line.includes('"verdict":"block"') ? blockedPriority : usualPriority;
  const name = machine.replaceAll(/[^\x21-\x7e]/g, '-').slice(0, 255) || '-';
  return Buffer.from(`<${priority}>1 ${time} ${name} sallyport - flow - \ufeff${line}`);
}

interface Carrier {
  send(messages: readonly Buffer[], signal: AbortSignal): Promise<Delivered>;
  close(): void;
}

function datagrams({ host, port }: SyslogTarget, queue: SinkQueue): Carrier {
  let socket: UdpSocket | null = null;
  const open = (): UdpSocket => {
    if (socket !== null) return socket;
    socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4').unref();
    // Nobody listens there: told by the next send.
    socket.on('error', () => {});
    return socket;
  };
  return {
    send: async (messages) => {
      for (const [at, message] of messages.entries()) {
        // A burst is more than the buffer of most receivers holds, and nobody would know.
        if (at % burst === burst - 1) await sleep(burstMs);
        if (message.length > maxDatagramBytes) queue.lost++;
        else
          await new Promise<void>((resolve, reject) => {
            open().send(message, port, host, (error) => (error === null ? resolve() : reject(error)));
          });
      }
      return { kind: 'done' };
    },
    close: () => void socket?.close(),
  };
}

function stream(target: SyslogTarget): Carrier {
  let socket: Socket | null = null;
  return {
    send: async (messages, signal) => {
      if (socket === null || socket.destroyed || !socket.writable) socket = await dial(target, signal);
      const frames = messages.flatMap((message) => [Buffer.from(`${message.length} `), message]);
      const current = socket;
      await new Promise<void>((resolve, reject) => {
        const onAbort = () => reject(new Error('closed'));
        signal.addEventListener('abort', onAbort, { once: true });
        current.write(Buffer.concat(frames), (error) => {
          signal.removeEventListener('abort', onAbort);
          if (error === null || error === undefined) resolve();
          else reject(error);
        });
      });
      return { kind: 'done' };
    },
    close: () => void socket?.end(),
  };
}

async function dial(
  { transport, host, port, authorities }: SyslogTarget,
  signal: AbortSignal,
): Promise<Socket> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(connectMs)]);
  const socket =
    transport === 'tls'
      ? connectTls({
          host,
          port,
          servername: host,
          ...(authorities === undefined ? {} : { ca: authorities }),
        })
      : connect({ host, port });
  try {
    await once(socket, transport === 'tls' ? 'secureConnect' : 'connect', { signal: limit });
  } catch (error) {
    socket.on('error', () => {}).destroy();
    throw error;
  }
  socket.on('error', () => {});
  // A receiver says nothing; its end is seen by reading.
  socket.resume().unref();
  return socket;
}
