// Questions to one upstream over UDP. Sockets are connected (the kernel then drops what comes from elsewhere),
// each with a port of its own, and are replaced after 10 s or 1000 questions (RFC 5452 9).

import { createSocket } from 'node:dgram';
import type { Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { steadyMs } from './clock.ts';
import { isAnswerInAnyCase, isAnswerTo } from './scan-response.ts';
import { descriptorOf, openSend } from './socket-handle.ts';
import type { SendNow } from './socket-handle.ts';
import { randomId } from './upstream-query.ts';

const poolSize = 16;
const maxAgeMs = 10_000;
const maxQuestions = 1000;
const maxMismatches = 10;

/**
 * `mistrusted`: too many datagrams did not fit, so the question goes to TCP; `other-case`: one fits but for the case
 * of its letters.
 */
export type UdpOutcome = Uint8Array | 'timeout' | 'unreachable' | 'mistrusted' | 'other-case';

interface Waiter {
  readonly query: Buffer;
  readonly questionEnd: number;
  mismatches: number;
  readonly settle: (outcome: UdpOutcome) => void;
}

interface PooledSocket {
  readonly socket: Socket;
  readonly waiters: Map<number, Waiter>;
  readonly ready: Promise<boolean>;
  readonly bornAt: number;
  /** Of a connected socket, or -1. */
  fd: number;
  isConnected: boolean;
  /** Questions that it was taken for, and how many of those are open. */
  questions: number;
  open: number;
}

let sendNow: SendNow | null | undefined;

export class UpstreamUdp {
  readonly #address: string;
  readonly #port: number;
  readonly #pool: (PooledSocket | undefined)[] = Array.from({ length: poolSize });
  #turn = 0;

  constructor(address: string, port: number) {
    this.#address = address;
    this.#port = port;
  }

  /** One question, one answer; the query is given an id here. Never rejects. */
  ask(query: Buffer, questionEnd: number, timeoutMs: number): Promise<UdpOutcome> {
    const pooled = this.#take();
    return pooled.isConnected
      ? this.#send(pooled, query, questionEnd, timeoutMs)
      : this.#sendLater(pooled, query, questionEnd, timeoutMs);
  }

  async #sendLater(
    pooled: PooledSocket,
    query: Buffer,
    questionEnd: number,
    timeoutMs: number,
  ): Promise<UdpOutcome> {
    const isReady = await pooled.ready;
    if (isReady && pooled.isConnected) return this.#send(pooled, query, questionEnd, timeoutMs);
    release(pooled);
    return 'unreachable';
  }

  #send(pooled: PooledSocket, query: Buffer, questionEnd: number, timeoutMs: number): Promise<UdpOutcome> {
    let id = randomId();
    while (pooled.waiters.has(id)) id = randomId();
    query.writeUInt16BE(id, 0);
    return new Promise((resolve) => {
      const settle = (outcome: UdpOutcome) => {
        clearTimeout(timer);
        pooled.waiters.delete(id);
        release(pooled);
        resolve(outcome);
      };
      const timer = setTimeout(settle, timeoutMs, 'timeout');
      pooled.waiters.set(id, { query, questionEnd, mismatches: 0, settle });
      if (sendNow && pooled.fd >= 0 && sendNow(pooled.fd, query)) return;
      pooled.socket.send(query, (error) => {
        if (error && pooled.waiters.has(id)) settle('unreachable');
      });
    });
  }

  #take(): PooledSocket {
    const slot = (this.#turn = (this.#turn + 1) % poolSize);
    const old = this.#pool[slot];
    if (old && !isWorn(old)) {
      old.questions++;
      old.open++;
      return old;
    }
    if (old && old.open === 0) closeQuietly(old);
    return (this.#pool[slot] = this.#open());
  }

  #open(): PooledSocket {
    const socket = createSocket(isIPv6(this.#address) ? 'udp6' : 'udp4');
    const waiters = new Map<number, Waiter>();
    const ready = new Promise<boolean>((resolve) => {
      socket.on('error', () => {
        resolve(false);
        for (const waiter of waiters.values()) waiter.settle('unreachable');
      });
      socket.connect(this.#port, this.#address, () => {
        sendNow ??= openSend();
        pooled.fd = descriptorOf(socket);
        pooled.isConnected = true;
        resolve(true);
      });
    });
    socket.on('message', (message) => receive(waiters, message));
    socket.unref();
    const pooled: PooledSocket = {
      socket,
      waiters,
      ready,
      bornAt: steadyMs(),
      fd: -1,
      isConnected: false,
      questions: 1,
      open: 1,
    };
    return pooled;
  }

  /** Gives up every open question. */
  close(): void {
    for (const pooled of this.#pool) {
      if (!pooled) continue;
      for (const waiter of pooled.waiters.values()) waiter.settle('unreachable');
      closeQuietly(pooled);
    }
    this.#pool.fill(undefined);
  }
}

/** One question less is open; the last one of a socket that was replaced closes it. */
function release(pooled: PooledSocket): void {
  pooled.open--;
  if (pooled.open === 0 && isWorn(pooled)) closeQuietly(pooled);
}

function isWorn(pooled: PooledSocket): boolean {
  return pooled.questions >= maxQuestions || steadyMs() - pooled.bornAt > maxAgeMs;
}

function closeQuietly(pooled: PooledSocket): void {
  // The number may be another socket's the next moment.
  pooled.fd = -1;
  pooled.isConnected = false;
  try {
    pooled.socket.close();
  } catch {
    // Closed before: dgram has no way to ask.
  }
}

function receive(waiters: Map<number, Waiter>, message: Buffer): void {
  const waiter = message.length >= 12 ? waiters.get(message.readUInt16BE(0)) : undefined;
  if (waiter && isAnswerTo(message, waiter.query, waiter.questionEnd)) return waiter.settle(message);
  if (waiter && isAnswerInAnyCase(message, waiter.query, waiter.questionEnd))
    return waiter.settle('other-case');
  // A wrong id cannot be told apart per question, so it counts against all that are open here.
  for (const open of waiters.values()) {
    if (++open.mismatches >= maxMismatches) open.settle('mistrusted');
  }
}
