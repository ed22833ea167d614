// What happens, told to whoever listens (server-sent events, WHATWG HTML §9.2). A bounded memory lets a client that was
// away go on; one that cannot keep up is cut, and comes again.

import type { ServerResponse } from 'node:http';
import { maySeeOwner, type Actor } from './auth/role.ts';

export type EventKind = 'flow' | 'job' | 'policy' | 'quarantine' | 'skipped' | 'reset';

export interface FeedLimits {
  readonly events: number;
  readonly bytes: number;
  readonly clients: number;
  readonly clientsPerActor: number;
  /** Bytes that may wait for one client. */
  readonly waitingBytes: number;
  readonly heartbeatMs: number;
  /** How long one connection lasts: the next one is asked for its token anew. */
  readonly longestMs: number;
}

export const feedLimits: FeedLimits = {
  events: 10_000,
  bytes: 8 * 1024 * 1024,
  clients: 64,
  clientsPerActor: 8,
  waitingBytes: 512 * 1024,
  heartbeatMs: 10_000,
  longestMs: 10 * 60_000,
};

interface FeedEvent {
  readonly serial: number;
  readonly kind: EventKind;
  /** As it goes over the wire. */
  readonly text: string;
  /** Null: nobody's. */
  readonly owner: string | null;
}

export interface Client {
  readonly actor: Actor;
  readonly kinds: ReadonlySet<string> | null;
  readonly response: ServerResponse;
  /** The `Last-Event-ID` that it came with, or null. */
  readonly last: string | null;
}

interface Listener extends Client {
  readonly untilMs: number;
}

export class EventFeed {
  readonly #limits: FeedLimits;
  /** Of this start of the process: ids of an earlier one say nothing. */
  readonly #start = Date.now().toString(36);
  readonly #listeners = new Set<Listener>();
  #events: FeedEvent[] = [];
  #bytes = 0;
  #serial = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastHeardMs = -Infinity;

  constructor(limits: FeedLimits = feedLimits) {
    this.#limits = limits;
  }

  /** Whether anybody listens, or did so lately that he may come back for what he missed. */
  get isHeard(): boolean {
    return this.#listeners.size > 0 || performance.now() - this.#lastHeardMs < 60_000;
  }

  get size(): number {
    return this.#listeners.size;
  }

  /** Tells it to everybody who may see what belongs to this owner; null: only to those who may see everything. */
  publish(kind: EventKind, data: object, owner: string | null): void {
    const serial = ++this.#serial;
    const text = `id: ${this.#idOf(serial)}\nevent: ${kind}\ndata: ${plainJson(data)}\n\n`;
    const event = { serial, kind, text, owner };
    this.#events.push(event);
    this.#bytes += text.length;
    if (this.#events.length > this.#limits.events || this.#bytes > this.#limits.bytes) this.#forget();
    for (const listener of this.#listeners) this.#tell(listener, event);
  }

  /** Whether as many listen as may, in all or as this caller. */
  isFullFor(actor: Actor): boolean {
    const own = [...this.#listeners].filter((one) => one.actor.name === actor.name);
    return this.#listeners.size >= this.#limits.clients || own.length >= this.#limits.clientsPerActor;
  }

  /** What the client missed is sent first, or `reset` where that is not known any more. */
  connect(client: Client): void {
    const listener = { ...client, untilMs: performance.now() + this.#limits.longestMs };
    this.#listeners.add(listener);
    const { response } = client;
    response.on('close', () => this.#leave(listener));
    response.write(`retry: 2000\n: ${this.#idOf(this.#serial)}\n\n`);
    this.#resume(listener);
    this.#timer ??= setInterval(() => this.#beat(), this.#limits.heartbeatMs).unref();
  }

  /** Ends all connections. */
  close(): void {
    clearInterval(this.#timer);
    for (const { response } of this.#listeners) response.end();
    this.#listeners.clear();
  }

  #idOf(serial: number): string {
    return `${this.#start}-${serial}`;
  }

  #resume(listener: Listener): void {
    const { last } = listener;
    if (last === null) return;
    const serial = this.#serialOf(last);
    const first = this.#events[0]?.serial ?? this.#serial + 1;
    const missed = this.#events.filter((event) => serial !== null && event.serial > serial);
    // More than may wait would have it cut, and come back for the same.
    if (serial === null || serial + 1 < first || bytesOf(missed) > this.#limits.waitingBytes / 2) {
      listener.response.write(`id: ${this.#idOf(this.#serial)}\nevent: reset\ndata: {}\n\n`);
      return;
    }
    for (const event of missed) this.#tell(listener, event);
  }

  #serialOf(id: string): number | null {
    const match = /^([0-9a-z]{1,12})-(\d{1,15})$/.exec(id);
    if (match === null || match[1] !== this.#start) return null;
    const serial = Number(match[2]);
    return serial > this.#serial ? null : serial;
  }

  #tell(listener: Listener, { kind, text, owner }: FeedEvent): void {
    const { actor, kinds, response } = listener;
    if (kinds !== null && !kinds.has(kind) && kind !== 'skipped') return;
    const maySee = maySeeOwner(actor, owner);
    if (!maySee && kind !== 'skipped') return;
    // Something was left out, and maybe of this caller's; how much there is of everybody's is not told.
    response.write(maySee ? text : text.replace(/^data: .*$/m, 'data: {}'));
    if (response.writableLength <= this.#limits.waitingBytes) return;
    this.#leave(listener);
    response.destroy();
  }

  #beat(): void {
    const nowMs = performance.now();
    for (const listener of this.#listeners) {
      if (nowMs >= listener.untilMs) listener.response.end();
      else listener.response.write(`: ${this.#idOf(this.#serial)}\n\n`);
    }
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    this.#lastHeardMs = performance.now();
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** A tenth at a time, so that not every event moves all others. */
  #forget(): void {
    const gone = this.#events.slice(0, Math.ceil(this.#events.length / 10));
    this.#events = this.#events.slice(gone.length);
    this.#bytes -= gone.reduce((sum, { text }) => sum + text.length, 0);
  }
}

const bytesOf = (events: readonly FeedEvent[]): number =>
  events.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);

/** On one line, without what a terminal obeys. */
function plainJson(data: object): string {
  return JSON.stringify(data).replaceAll(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
