// SETTINGS on their way (RFC 9113 §6.5): they are end to end, but for push, which is off, and three numbers that
// are lowered to what the relay bears. What they say counts for frames in the other direction.

import { errors, frameTypes, makeFrame, settings as names } from './frames.ts';
import { maxTableBytes } from './tables.ts';

/** More streams at a time than this are promised to no client. */
export const maxStreams = 512;
/** Nor larger frames: what is on its way of one cannot be cut short. */
export const maxFrame = 65_536;
const defaultWindow = 65_535;
const defaultFrameBytes = 16_384;

/** What one side has announced. */
export class Announced {
  readonly #isClient: boolean;
  /** Largest frame that it takes. A smaller one than before counts once it is acknowledged. */
  maxFrameBytes = defaultFrameBytes;
  initialWindow = defaultWindow;
  /** It takes CONNECT with `:protocol` (RFC 8441). */
  takesProtocols = false;
  /** Its first SETTINGS have come. */
  isKnown = false;
  /** Table size (-1: not named) and frame size of each SETTINGS that is not acknowledged yet. */
  readonly #pending: { table: number; maxFrameBytes: number }[] = [];

  constructor(isClient: boolean) {
    this.#isClient = isClient;
  }

  /**
   * The frame to pass on for these entries, or the error code of what is wrong with them. Each known setting goes on
   * once, as it was named last, and no other: they would carry bytes past every decision.
   */
  take(bytes: Buffer, start: number, end: number): Buffer | number {
    const pending = { table: -1, maxFrameBytes: this.maxFrameBytes };
    const values = new Map<number, number>();
    for (let at = start; at < end; at += 6) {
      const name = bytes.readUInt16BE(at);
      if (!isKnownSetting(name)) continue;
      const value = this.#takeOne(name, bytes.readUInt32BE(at + 2), pending);
      if (value < 0) return -value;
      values.set(name, value);
    }
    if (!this.isKnown && this.#isClient) values.set(names.enablePush, 0);
    else if (!this.isKnown && !values.has(names.maxConcurrentStreams))
      values.set(names.maxConcurrentStreams, maxStreams);
    this.isKnown = true;
    this.#pending.push(pending);
    this.maxFrameBytes = Math.max(this.maxFrameBytes, pending.maxFrameBytes);
    return settingsFrame(values);
  }

  /** The value to pass on, or the error code, negative. */
  #takeOne(name: number, value: number, pending: { table: number; maxFrameBytes: number }): number {
    switch (name) {
      case names.headerTableSize:
        pending.table = Math.min(value, maxTableBytes);
        return pending.table;
      case names.enablePush:
        return value > 1 || (value === 1 && !this.#isClient) ? -errors.protocol : 0;
      case names.maxConcurrentStreams:
        return this.#isClient ? value : Math.min(value, maxStreams);
      case names.initialWindowSize:
        if (value > 0x7fff_ffff) return -errors.flowControl;
        this.initialWindow = value;
        return value;
      case names.maxFrameSize:
        if (value < defaultFrameBytes || value > 0xff_ffff) return -errors.protocol;
        pending.maxFrameBytes = Math.min(value, maxFrame);
        return pending.maxFrameBytes;
      case names.enableConnectProtocol:
        if (value > 1) return -errors.protocol;
        this.takesProtocols = value === 1;
        return value;
      default:
        return value;
    }
  }

  /** The other side has acknowledged the oldest: answers the table size that counts from now, -1: as before; -2: none was due. */
  acknowledge(): number {
    const oldest = this.#pending.shift();
    if (oldest === undefined) return -2;
    const later = this.#pending.map((pending) => pending.maxFrameBytes);
    this.maxFrameBytes = Math.max(oldest.maxFrameBytes, ...later);
    return oldest.table;
  }

  /** So many are not acknowledged. */
  get pending(): number {
    return this.#pending.length;
  }
}

const known: ReadonlySet<number> = new Set(Object.values(names));
const isKnownSetting = (name: number) => known.has(name);

function settingsFrame(values: ReadonlyMap<number, number>): Buffer {
  const payload = Buffer.allocUnsafe(6 * values.size);
  let at = 0;
  for (const [name, value] of values) {
    payload.writeUInt16BE(name, at);
    payload.writeUInt32BE(value, at + 2);
    at += 6;
  }
  return makeFrame(frameTypes.settings, 0, 0, payload);
}
