// How a blocked SSH client is told why: our banner and a disconnect message (RFC 4253 §4.2, §6, §11.1), which clients
// print, in place of a connection that just ends.

import type { Decision } from '../flow/decision.ts';
import { reasons } from '../flow/reason.ts';
import type { Connection } from './connection.ts';

const disconnect = 1;
const hostNotAllowed = 1;
const blockBytes = 8;

/** The whole of what is sent. */
export function sshRefusal({ reason, rule }: Decision): Buffer {
  const by = rule === null ? '' : ` (rule ${rule})`;
  const text = Buffer.from(
    `Sallyport did not let this through: ${reasons[reason]}${by} [${reason}].`,
    'utf8',
  );
  const payload = Buffer.alloc(1 + 4 + 4 + text.length + 4);
  payload[0] = disconnect;
  payload.writeUInt32BE(hostNotAllowed, 1);
  payload.writeUInt32BE(text.length, 5);
  text.copy(payload, 9);
  // At least four bytes of padding, up to whole blocks; zeros tell nothing.
  const padding = blockBytes - ((5 + payload.length) % blockBytes);
  const padded = padding < 4 ? padding + blockBytes : padding;
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length + padded, 0);
  head[4] = padded;
  return Buffer.concat([Buffer.from('SSH-2.0-Sallyport\r\n'), head, payload, Buffer.alloc(padded)]);
}

/** Sends it and ends our side; the connection was decided and recorded before. */
export function refuseSsh(connection: Connection): void {
  const { socket, core } = connection;
  const bytes = sshRefusal(connection.decision);
  connection.receivedBytes += bytes.length;
  connection.setDeadline(core.limits.lingerMs);
  connection.onDeadline = () => connection.abort(null);
  socket.on('end', () => socket.destroySoon());
  socket.end(bytes);
  // Read on, so that what the client has sent meanwhile does not reset the connection before it reads ours.
  socket.resume();
}
