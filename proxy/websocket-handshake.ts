// The opening handshake of a WebSocket over HTTP/1.1 (RFC 6455 §4): checked on the way out and on the way back, so that
// a 101 opens frames and no raw tunnel.

import { createHash } from 'node:crypto';
import { findField } from './head-bytes.ts';

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const extensionNames = (list: string) =>
  list.split(',').map((item) => item.split(';')[0]!.trim().toLowerCase());

/** What is wrong with a client's handshake, or null; `head` is the request's head as it arrived. */
export function handshakeProblem(head: Buffer, method: string, version: string): string | null {
  if (method !== 'GET' || version !== '1.1') return 'a WebSocket begins with GET and HTTP/1.1';
  if (fieldsOf(head, 'sec-websocket-version').join() !== '13') return 'Sec-WebSocket-Version is not 13';
  const keys = fieldsOf(head, 'sec-websocket-key');
  // 16 bytes in base64: the last of 22 digits stands for two bits.
  if (keys.length !== 1 || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(keys[0]!))
    return 'Sec-WebSocket-Key is not 16 bytes';
  return null;
}

/** Whether extensions were agreed on by a server's 101, or what is wrong with it. */
export function readAcceptance(request: Buffer, answer: Buffer): { hasExtensions: boolean } | string {
  if (findField(answer, 'upgrade')?.toLowerCase() !== 'websocket')
    return 'the answer upgrades to something else';
  const key = findField(request, 'sec-websocket-key') ?? '';
  const expected = createHash('sha1').update(`${key}${guid}`).digest('base64');
  const accepts = fieldsOf(answer, 'sec-websocket-accept');
  if (accepts.length !== 1 || accepts[0] !== expected) return 'Sec-WebSocket-Accept does not fit the key';
  const agreed = extensionNames(fieldsOf(answer, 'sec-websocket-extensions').join()).filter(Boolean);
  const offered = new Set(extensionNames(fieldsOf(request, 'sec-websocket-extensions').join()));
  if (agreed.some((name) => !offered.has(name))) return 'an extension that was not offered';
  return { hasExtensions: agreed.length > 0 };
}

/** All values of the field, as often as it stands there. */
function fieldsOf(head: Buffer, name: string): string[] {
  const lines = head.toString('latin1').split('\r\n');
  return lines.flatMap((line) =>
    line[name.length] === ':' && line.toLowerCase().startsWith(name)
      ? line.slice(name.length + 1).trim()
      : [],
  );
}
