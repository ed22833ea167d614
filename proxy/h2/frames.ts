// The frames of HTTP/2 (RFC 9113 §4.1, §6): numbers of types, flags and errors, and the few frames that the
// gateway says of its own. It reads no frame; the walker does.

/** Bytes of a frame header. */
export const frameHeaderBytes = 9;
/** What a client says before its first frame (RFC 9113 §3.4). */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Last stream of a GOAWAY that excludes none yet (RFC 9113 §6.8). */
export const noLastId = 0x7fff_ffff;

export const flags = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

/** Error codes (RFC 9113 §7). */
export const errors = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refusedStream: 7,
  cancel: 8,
  compression: 9,
  enhanceYourCalm: 11,
} as const;

export const settings = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
  enableConnectProtocol: 8,
} as const;

/** A frame with this payload. */
export function makeFrame(type: number, flagBits: number, id: number, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  writeFrameHeader(frame, 0, payload.length, type, flagBits, id);
  payload.copy(frame, frameHeaderBytes);
  return frame;
}

/** Writes a frame header at `at`. */
export function writeFrameHeader(
  bytes: Buffer,
  at: number,
  length: number,
  type: number,
  flagBits: number,
  id: number,
): void {
  bytes.writeUIntBE(length, at, 3);
  bytes[at + 3] = type;
  bytes[at + 4] = flagBits;
  bytes.writeUInt32BE(id, at + 5);
}

function makeNumberFrame(type: number, id: number, value: number): Buffer {
  const frame = Buffer.allocUnsafe(13);
  writeFrameHeader(frame, 0, 4, type, 0, id);
  frame.writeUInt32BE(value, 9);
  return frame;
}

export const makeRstStream = (id: number, code: number) => makeNumberFrame(frameTypes.rstStream, id, code);
export const makeWindowUpdate = (id: number, increment: number) =>
  makeNumberFrame(frameTypes.windowUpdate, id, increment);

/** GOAWAY without debug data. */
export function makeGoaway(lastId: number, code: number): Buffer {
  const payload = Buffer.allocUnsafe(8);
  payload.writeUInt32BE(lastId, 0);
  payload.writeUInt32BE(code, 4);
  return makeFrame(frameTypes.goaway, 0, 0, payload);
}

/** PING; `payload` has 8 bytes. */
export const makePing = (payload: Buffer) => makeFrame(frameTypes.ping, 0, 0, payload);
/** The acknowledgement of SETTINGS (RFC 9113 §6.5.3). */
export const acknowledgement = makeFrame(frameTypes.settings, flags.ack, 0, Buffer.alloc(0));
/** SETTINGS that change nothing: an endpoint's first frame must be one. */
export const emptySettings = makeFrame(frameTypes.settings, 0, 0, Buffer.alloc(0));

/** A header block as HEADERS and as many CONTINUATION frames as the frame size asks for. */
export function makeHeaders(id: number, block: Buffer, endStream: boolean, maxFrameBytes: number): Buffer {
  const count = Math.max(1, Math.ceil(block.length / maxFrameBytes));
  const bytes = Buffer.allocUnsafe(block.length + count * frameHeaderBytes);
  let at = 0;
  for (let index = 0; index < count; index++) {
    const from = index * maxFrameBytes;
    const part = block.subarray(from, from + maxFrameBytes);
    const type = index === 0 ? frameTypes.headers : frameTypes.continuation;
    const last = index === count - 1 ? flags.endHeaders : 0;
    writeFrameHeader(bytes, at, part.length, type, last | (index === 0 && endStream ? 1 : 0), id);
    part.copy(bytes, at + frameHeaderBytes);
    at += frameHeaderBytes + part.length;
  }
  return bytes;
}
