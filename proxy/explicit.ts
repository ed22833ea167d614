// The explicit proxy: who may use it, then CONNECT is answered and what comes inside is peeked at anew; absolute-form
// requests go on to the relay as they are (RFC 9110 §9.3.6, RFC 9112 §3.2.2). The same path from classify on.

import { blocked } from '../flow/decision.ts';
import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import type { Connection } from './connection.ts';
import { findField, findHeadEnd, listHolds } from './head-bytes.ts';
import { peek } from './peek.ts';
import type { Peeked } from './peek.ts';
import { refuseUnreadable } from './refuse-unreadable.ts';
import { mayServerSpeak } from './silent.ts';

const established = 'HTTP/1.1 200 Connection established\r\n\r\n';
const maxRefusals = 4;
const field = 'proxy-authorization';

/** What is to be classified: the inside of a tunnel, or the request itself. */
export interface Explicit {
  readonly peeked: Peeked;
  readonly isTunnel: boolean;
}

/** Reads what a client asks of the proxy; null when its connection was ended. */
export async function readExplicit(connection: Connection, first: Peeked): Promise<Explicit | null> {
  const peeked = await admit(connection, first);
  if (peeked === null) return null;
  const inside = readConnect(connection, peeked);
  return inside === null ? { peeked, isTunnel: false } : { peeked: await inside, isTunnel: true };
}

/** True for a request of a connection that was admitted: each carries the same credentials. */
export function isAdmitted(connection: Connection, head: Buffer): boolean {
  const users = connection.core.ports.proxyUsers;
  if (users === undefined) return true;
  const value = findField(head, field);
  return value !== null && users.digest(value) === connection.credential;
}

/** The first request that carries credentials of a known user; those before it are answered with 407 (RFC 9110 §15.5.8). */
async function admit(connection: Connection, first: Peeked): Promise<Peeked | null> {
  const users = connection.core.ports.proxyUsers;
  if (users === undefined) return first;
  let peeked = first;
  for (let refusals = 0; !connection.isClosed; refusals++) {
    const end = peeked.protocol === 'http' ? findHeadEnd(peeked.bytes, 0) : -1;
    if (peeked.protocol === 'closed' || peeked.protocol === 'timeout') return peeked;
    if (end < 0) {
      connection.decision = blocked('proxy-authentication');
      connection.open();
      connection.abort(null);
      return null;
    }
    const head = peeked.bytes.subarray(0, end + 4);
    // The socket is paused: what follows the head waits.
    connection.credential = await users.check(findField(head, field), connection.runner);
    if (connection.isClosed) return null;
    if (connection.credential !== null) return peeked;
    const isLast = refusals + 1 >= maxRefusals || endsWith(head);
    const size = isLast ? peeked.bytes.length : head.length;
    const answer = refuseUnreadable(connection, 'http', 'proxy-authentication', 407, size, isLast);
    connection.sentBytes += size;
    connection.receivedBytes += answer.length;
    connection.socket.write(answer);
    if (isLast) return linger(connection);
    const rest = peeked.bytes.subarray(head.length);
    if (rest.length > 0) connection.socket.unshift(rest);
    peeked = await peek(connection);
  }
  return null;
}

/** True when nothing readable can follow this head on its connection: it has a body, or says that it is the last. */
function endsWith(head: Buffer): boolean {
  const length = findField(head, 'content-length');
  if ((length !== null && length !== '0') || findField(head, 'transfer-encoding') !== null) return true;
  const connection = findField(head, 'connection') ?? findField(head, 'proxy-connection') ?? '';
  return listHolds(connection, 'close') || !head.includes(' HTTP/1.1\r\n', 0, 'latin1');
}

/** Reads on for a while, so that the answer is not lost to a reset (RFC 9112 §9.6). */
function linger(connection: Connection): null {
  const { socket, core } = connection;
  connection.decision = blocked('proxy-authentication');
  connection.open();
  connection.setDeadline(core.limits.lingerMs);
  connection.onDeadline = () => connection.abort(null);
  socket.on('end', () => socket.destroySoon());
  socket.resume();
  socket.end();
  return null;
}

/** The first bytes inside a tunnel; null when none is asked for in a readable way. */
function readConnect(connection: Connection, first: Peeked): Promise<Peeked> | null {
  if (first.protocol !== 'http' || first.bytes.toString('latin1', 0, 8) !== 'CONNECT ') return null;
  const end = findHeadEnd(first.bytes, 0);
  const line = first.bytes.toString('latin1', 8, Math.min(first.bytes.length, 600));
  const target = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):([1-9]\d{0,4}) HTTP\/1\.[01]\r\n/.exec(line);
  const named = target === null ? null : canonicaliseHost(target[1]!);
  // Left as it is, the relay refuses CONNECT as a target of another form.
  if (end < 0 || named === null || named.kind === 'ambiguous' || Number(target![2]) > 65_535) return null;
  connection.port = Number(target![2]);
  if (named.kind === 'name') connection.host = named.name;
  else connection.address = named.address;
  const { socket } = connection;
  const early = first.bytes.subarray(end + 4);
  // Nothing is dialled yet: a block is explained inside the tunnel, where clients show it.
  socket.write(established);
  if (early.length > 0) socket.unshift(early);
  return peek(connection, mayServerSpeak);
}
