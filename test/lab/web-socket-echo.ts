// The server's side of a WebSocket (RFC 6455): accepts, echoes every text and binary frame, answers a close frame.

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/**
 * Takes over an upgraded socket, or with `request` null a stream whose opening is answered already (RFC 8441). Counts
 * the bytes both ways, the head of its own answer among them.
 */
export function acceptWebSocket(
  request: IncomingMessage | null,
  socket: Duplex,
  head: Buffer,
): { received: number; answered: number } {
  const counted = { received: 0, answered: 0 };
  const write = (bytes: Buffer): void => {
    counted.answered += bytes.length;
    socket.write(bytes);
  };
  socket.on('error', () => socket.destroy());
  if (request !== null) {
    const key = request.headers['sec-websocket-key'] ?? '';
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    write(Buffer.from(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`));
  }
  let kept: Buffer = Buffer.alloc(0);
  const read = (bytes: Buffer): void => {
    counted.received += bytes.length;
    kept = Buffer.concat([kept, bytes]);
    for (let frame = readFrame(kept); frame !== null; frame = readFrame(kept)) {
      kept = kept.subarray(frame.size);
      write(writeFrame(frame.first, frame.payload));
      if ((frame.first & 15) === 8) return void socket.end();
    }
  };
  socket.on('data', read);
  socket.on('end', () => socket.end());
  read(head);
  return counted;
}

/** A masked frame of a client, payload unmasked; null while it is incomplete. Lengths up to 65,535. */
function readFrame(bytes: Buffer): { first: number; payload: Buffer; size: number } | null {
  if (bytes.length < 2) return null;
  const isLong = (bytes[1]! & 127) === 126;
  const start = isLong ? 8 : 6;
  if (bytes.length < start) return null;
  const length = isLong ? bytes.readUInt16BE(2) : bytes[1]! & 127;
  if (bytes.length < start + length) return null;
  const mask = bytes.subarray(start - 4, start);
  const payload = Buffer.from(bytes.subarray(start, start + length).map((byte, at) => byte ^ mask[at & 3]!));
  return { first: bytes[0]!, payload, size: start + length };
}

/** The same without a mask, as servers send them. */
function writeFrame(first: number, payload: Buffer): Buffer {
  const size = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([first, ...size]), payload]);
}
