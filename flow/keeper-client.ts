// The children's side of the keeper pipe: requests with a time limit, and the keeper's notices.

import type { Duplex } from 'node:stream';
import { encodeFrame, readFrames, type Frame, type FrameType, controlFrameLimit } from './channel.ts';
import { SallyportError } from './errors.ts';
import type { NetworkPlan } from './network-plan.ts';
import type { Binding, KeeperPort, VirtualAddresses } from './ports.ts';

/** Milliseconds that the keeper has for an answer; a plan of a large policy takes the kernel seconds. */
const answerLimits = { answerMs: 2000, planMs: 60_000, upgradeMs: 75_000 };
const maxOutstanding = 4096;
const aliveEveryMs = 2000;

/** Goes up with every change of a frame or of a configuration that an older or newer program could not read. */
export const keeperProtocol = 4;

/** An upgrade may start a program that this keeper is too old for. @throws SallyportError not-supported */
export function requireProtocol(protocol: number): void {
  if (protocol === keeperProtocol) return;
  const what = `the keeper speaks protocol ${protocol}, this program ${keeperProtocol}`;
  throw new SallyportError('not-supported', `${what}: restart the gateway as a whole`);
}

interface Waiting {
  readonly resolve: (payload: Buffer) => void;
  readonly fail: (error: SallyportError) => void;
  readonly limitMs: number;
  readonly deadline: number;
}

/** Talks to the keeper. When the pipe closes every request fails and `onGone` is called once. */
export class KeeperClient implements KeeperPort {
  readonly #stream: Duplex;
  readonly #waiting = new Map<number, Waiting>();
  readonly #sweep: NodeJS.Timeout;
  readonly #pulse: NodeJS.Timeout;
  readonly #limits: typeof answerLimits;
  #nextId = 1;

  constructor(
    stream: Duplex,
    onNotice: (frame: Frame) => void,
    onGone: (detail: string) => void,
    limits: Partial<typeof answerLimits> = {},
  ) {
    this.#stream = stream;
    this.#limits = { ...answerLimits, ...limits };
    let gone = false;
    const end = (detail: string): void => {
      if (gone) return;
      gone = true;
      clearInterval(this.#sweep);
      clearInterval(this.#pulse);
      for (const waiting of this.#waiting.values()) waiting.fail(unavailable(detail));
      this.#waiting.clear();
      onGone(detail);
    };
    this.#sweep = setInterval(() => this.#expire(), 250).unref();
    this.#pulse = setInterval(() => this.#showLife(), aliveEveryMs).unref();
    stream.on('error', (error) => end(error.message));
    stream.on('close', () => end('the pipe is closed'));
    readFrames(stream, controlFrameLimit, (frame) => this.#receive(frame, onNotice), end);
  }

  async bind(bindings: readonly Binding[]): Promise<void> {
    await this.#requestInParts('bind', bindings);
  }

  async unbind(bindings: readonly Binding[]): Promise<void> {
    await this.#requestInParts('unbind', bindings);
  }

  /** Control only: ends what the kernel forwards for this runner (conntrack entries, bindings). */
  async cut(runner: string): Promise<void> {
    await this.#request('cut', json({ runner }));
  }

  /** Control only: cuts the runner off for `durationMs`; 0 lifts it. */
  async quarantine(runner: string, durationMs: number): Promise<void> {
    await this.#request('quarantine', json({ runner, durationMs }));
  }

  /** Workers only: the addresses of the steer pool that stand for the host. */
  async assign(host: string, runner: string): Promise<VirtualAddresses> {
    // The keeper answers in this shape.
    return JSON.parse((await this.#request('assign', json({ host, runner }))).toString()) as VirtualAddresses;
  }

  /** Workers only: the host that an address of the steer pool stands for, or null. */
  async hostOf(address: string): Promise<string | null> {
    return (await this.#request('whose', json({ address }))).toString() || null;
  }

  async sign(toBeSigned: Uint8Array): Promise<Uint8Array> {
    return this.#request('sign', toBeSigned);
  }

  /** Control only: the keeper prints and applies this plan. */
  async plan(plan: NetworkPlan): Promise<void> {
    await this.#request('plan', json(plan), this.#limits.planMs);
  }

  /** Control only: asks what is bound for these runners, which comes as an event, now and when workers know as much. */
  async review(runners: readonly string[]): Promise<void> {
    await this.#request('review', json({ runners }));
  }

  /** Control only: starts a new generation of workers from the program as it now lies on disk; the old ones drain. */
  async upgrade(reason: string): Promise<void> {
    await this.#request('upgrade', json({ reason }), this.#limits.upgradeMs);
  }

  ready(detail: object): void {
    this.#stream.write(encodeFrame(0, 'ready', json(detail)));
  }

  // Eight bindings of IPv6 addresses, each with the longest name, stay within the keeper's limit for workers.
  async #requestInParts(type: 'bind' | 'unbind', bindings: readonly Binding[]): Promise<void> {
    const parts: Promise<unknown>[] = [];
    for (let i = 0; i < bindings.length; i += 8) {
      parts.push(this.#request(type, json(bindings.slice(i, i + 8))));
    }
    await Promise.all(parts);
  }

  #request(type: FrameType, payload: Uint8Array, limitMs = this.#limits.answerMs): Promise<Buffer> {
    return new Promise((resolve, fail) => {
      if (this.#stream.destroyed || this.#waiting.size >= maxOutstanding) {
        fail(unavailable(this.#stream.destroyed ? 'the pipe is closed' : 'too many requests are waiting'));
        return;
      }
      const id = this.#nextId;
      this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
      this.#waiting.set(id, { resolve, fail, limitMs, deadline: performance.now() + limitMs });
      this.#stream.write(encodeFrame(id, type, payload));
    });
  }

  #receive(frame: Frame, onNotice: (frame: Frame) => void): void {
    if (frame.id === 0) return onNotice(frame);
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined) return;
    this.#waiting.delete(frame.id);
    if (frame.type === 'ok') waiting.resolve(Buffer.from(frame.payload));
    else waiting.fail(unavailable(frame.payload.toString('utf8').slice(0, 300)));
  }

  // The keeper ends a child that is silent for a minute: its event loop hangs, and its runners with it.
  #showLife(): void {
    if (this.#stream.writableLength === 0) this.#stream.write(encodeFrame(0, 'alive', Buffer.alloc(0)));
  }

  #expire(): void {
    const now = performance.now();
    for (const [id, waiting] of this.#waiting) {
      if (waiting.deadline > now) continue;
      this.#waiting.delete(id);
      waiting.fail(unavailable(`no answer within ${waiting.limitMs} ms`));
    }
  }
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value), 'utf8');
}

function unavailable(detail: string): SallyportError {
  return new SallyportError('keeper-unavailable', `the keeper did not do it: ${detail}`);
}
