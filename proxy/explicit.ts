// The explicit proxy: CONNECT is answered and what comes inside is peeked at anew; absolute-form requests
// go on to the relay as they are (RFC 9110 §9.3.6, RFC 9112 §3.2.2). The same path from classify on.

import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import type { Connection } from './connection.ts';
import { findHeadEnd } from './head-bytes.ts';
import { peek } from './peek.ts';
import type { Peeked } from './peek.ts';

const established = 'HTTP/1.1 200 Connection established\r\n\r\n';

/** What is to be classified: the inside of a tunnel, or the request itself. */
export async function readConnect(connection: Connection, first: Peeked): Promise<Peeked> {
  if (first.protocol !== 'http' || first.bytes.toString('latin1', 0, 8) !== 'CONNECT ') return first;
  const end = findHeadEnd(first.bytes, 0);
  const line = first.bytes.toString('latin1', 8, Math.min(first.bytes.length, 600));
  const target = /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):([1-9]\d{0,4}) HTTP\/1\.[01]\r\n/.exec(line);
  const named = target === null ? null : canonicaliseHost(target[1]!);
  // Left as it is, the relay refuses CONNECT as a target of another form.
  if (end < 0 || named === null || named.kind === 'ambiguous') return first;
  connection.port = Number(target![2]);
  if (named.kind === 'name') connection.host = named.name;
  else connection.address = named.address;
  const { socket } = connection;
  const early = first.bytes.subarray(end + 4);
  // Nothing is dialled yet: a block is explained inside the tunnel, where clients show it.
  socket.write(established);
  if (early.length > 0) socket.unshift(early);
  return peek(connection);
}
