// Finds the name of a connection: SNI or Host, never the address that the client chose when a name is known.

import { canonicaliseHost } from '../policy/canonicalise-host.ts';
import type { Reason } from '../flow/reason.ts';
import type { Connection } from './connection.ts';
import { findHeadEnd } from './head-bytes.ts';
import { isHeadProblem, parseRequestHead } from './head.ts';
import { readTarget } from './read-target.ts';
import type { Arrival } from './path.ts';
import type { Peeked } from './peek.ts';

/** Sets host or address, and what TLS showed; answers why the connection has no usable name, or null. */
export function nameConnection(connection: Connection, peeked: Peeked, arrival: Arrival): Reason | null {
  if (peeked.protocol === 'tls') {
    const { serverName, hasEch } = peeked.hello;
    connection.tls = { serverName, alpn: null, version: null, treatment: null };
    if (hasEch) connection.evidence = [{ kind: 'encrypted-client-hello', detail: 'the outer name decides' }];
    return nameBy(connection, serverName, 'no-server-name');
  }
  if (peeked.protocol !== 'http') return byAddress(connection, 'unknown-protocol');
  return nameByHead(connection, peeked.bytes, arrival);
}

function nameByHead(connection: Connection, bytes: Buffer, arrival: Arrival): Reason | null {
  const end = findHeadEnd(bytes, 0);
  const head = end < 0 ? null : parseRequestHead(bytes, end);
  // The relay reads the same bytes again and answers what is wrong with them.
  if (head === null || isHeadProblem(head)) return head?.problem ?? 'malformed-request';
  const target = readTarget(head, 'http', connection.port, arrival === 'explicit');
  if ('reason' in target) return target.reason;
  if (connection.port === 0) connection.port = target.port;
  return nameBy(connection, target.host, 'malformed-request');
}

function nameBy(connection: Connection, text: string | null, without: Reason): Reason | null {
  if (text === null) return connection.host === null ? byAddress(connection, without) : null;
  const named = canonicaliseHost(text);
  if (named.kind === 'ambiguous') return 'ambiguous-host';
  // A tunnel by CONNECT has its name already: the one inside must be the same.
  const known = connection.host ?? connection.address;
  const name = named.kind === 'name' ? named.name : named.address;
  if (known !== null && known !== name) return misdirected(connection, name, known);
  if (named.kind === 'name') {
    connection.host = name;
    return null;
  }
  connection.address = name;
  const { originalAddress } = connection;
  if (originalAddress !== null && originalAddress !== name)
    return misdirected(connection, name, originalAddress);
  return null;
}

function misdirected(connection: Connection, name: string, known: string): Reason {
  const detail = `the client names ${name} on a connection to ${known}`;
  connection.evidence = [...connection.evidence, { kind: 'sni-mismatch', detail }];
  return 'misdirected';
}

function byAddress(connection: Connection, without: Reason): Reason | null {
  if (connection.host !== null || connection.address !== null) return null;
  if (connection.originalAddress === null) return without;
  connection.address = connection.originalAddress;
  connection.evidence = [...connection.evidence, { kind: 'direct-address', detail: 'no name is known' }];
  return null;
}
