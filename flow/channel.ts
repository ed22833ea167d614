// The pipe between the keeper and its children: frames of u32 length, u32 id, u8 type, payload (little endian;
// length counts what follows it). The keeper never reads a longer frame from a worker than `limit`.

import type { Duplex } from 'node:stream';

/** Frame types. Requests get an answer with the same id: `ok` or `failed`. Notices (id 0) get none. */
export const frameTypes = {
  bind: 1,
  unbind: 2,
  cut: 3,
  quarantine: 4,
  sign: 5,
  plan: 6,
  ready: 7,
  alive: 8,
  upgrade: 9,
  review: 10,
  assign: 16,
  whose: 17,
  configure: 32,
  reload: 33,
  drain: 34,
  event: 35,
  retire: 36,
  ok: 128,
  failed: 129,
} as const;
export type FrameType = keyof typeof frameTypes;
const names = new Map<number, FrameType>(
  // Object.entries widens the key type; the table above is the only source of keys.
  Object.entries(frameTypes).map(([name, code]) => [code, name as FrameType]),
);

export interface Frame {
  readonly id: number;
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** Longest frame that the keeper takes from a worker, and what it takes from control (network plans). */
export const workerFrameLimit = 4096;
export const controlFrameLimit = 64 * 1024 * 1024;

export function encodeFrame(id: number, type: FrameType, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(9 + payload.length);
  frame.writeUInt32LE(5 + payload.length, 0);
  frame.writeUInt32LE(id, 4);
  frame[8] = frameTypes[type];
  frame.set(payload, 9);
  return frame;
}

/**
 * Calls `onFrame` for each whole frame that arrives. An overlong, unknown or malformed frame ends the stream
 * (`onViolation`), since nothing after it can be trusted.
 */
export function readFrames(
  stream: Duplex,
  limit: number,
  onFrame: (frame: Frame) => void,
  onViolation: (detail: string) => void,
): void {
  let pending: Buffer[] = [];
  let size = 0;
  const fail = (detail: string): void => {
    pending = [];
    stream.destroy();
    onViolation(detail);
  };
  stream.on('data', (chunk: Buffer) => {
    pending.push(chunk);
    size += chunk.length;
    let wanted = pending[0] === undefined ? 0 : frameLength(pending, size);
    if (wanted > limit) return fail(`frame of ${wanted} bytes, limit ${limit}`);
    if (wanted === 0 || size < 4 + wanted) return;
    let buffer = pending.length === 1 ? chunk : Buffer.concat(pending);
    while (buffer.length >= 4) {
      wanted = buffer.readUInt32LE(0);
      if (wanted > limit || wanted < 5) return fail(`frame of ${wanted} bytes, limit ${limit}`);
      if (buffer.length < 4 + wanted) break;
      const type = names.get(buffer[8]!);
      if (type === undefined) return fail(`frame of unknown type ${buffer[8]}`);
      onFrame({ id: buffer.readUInt32LE(4), type, payload: buffer.subarray(9, 4 + wanted) });
      buffer = buffer.subarray(4 + wanted);
    }
    pending = buffer.length > 0 ? [buffer] : [];
    size = buffer.length;
  });
}

/** Length that the frame at the head of the chunks announces, or 0 while its four bytes are not there. */
function frameLength(chunks: readonly Buffer[], size: number): number {
  if (size < 4) return 0;
  const first = chunks[0]!;
  return first.length >= 4 ? first.readUInt32LE(0) : Buffer.concat(chunks).readUInt32LE(0);
}
