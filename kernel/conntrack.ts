// Forgets connections that the kernel forwards (ctnetlink), so that their next packet is judged anew.
// Deleting an entry needs its whole original tuple; newer kernels also delete by a part of it.

import { formatAddress, parseAddress } from '../flow/address.ts';
import { SallyportError } from '../flow/errors.ts';
import { attribute, dump, nested, readAttributes, transact, type Request } from './netlink.ts';

const [getEntry, deleteEntry] = [(1 << 8) | 1, (1 << 8) | 2];
const [tupleOrig, status, tupleFilter] = [1, 3, 25];
const [tupleIp, tupleProtocol] = [1, 2];
const destinationNat = 32;

/** A connection as its first packet saw it. */
export interface TrackedFlow {
  readonly source: string;
  readonly destination: string;
  readonly protocolNumber: number;
  /** Destination port, or null for protocols without. */
  readonly port: number | null;
  /** Redirected: it ends at the gateway and is no forwarded flow. */
  readonly isRedirected: boolean;
  readonly family: number;
  readonly tuple: Buffer;
}

/** All connections that conntrack knows. @throws SallyportError */
export function trackedFlows(fd: number): TrackedFlow[] {
  return [2, 10].flatMap((family) =>
    dump(fd, { type: getEntry, flags: 0, family }).flatMap((body) => readFlow(body, family)),
  );
}

function readFlow(body: Buffer, family: number): TrackedFlow[] {
  let tuple: Buffer | null = null;
  let bits = 0;
  for (const [type, value] of readAttributes(body, 4)) {
    if (type === tupleOrig) tuple = Buffer.from(value);
    if (type === status && value.length === 4) bits = value.readUInt32BE();
  }
  if (tuple === null) return [];
  let [source, destination, protocolNumber]: [Buffer | null, Buffer | null, number] = [null, null, 0];
  let port: number | null = null;
  for (const [type, value] of readAttributes(tuple)) {
    for (const [inner, bytes] of readAttributes(value)) {
      if (type === tupleIp && (inner === 1 || inner === 3)) source = bytes;
      if (type === tupleIp && (inner === 2 || inner === 4)) destination = bytes;
      if (type === tupleProtocol && inner === 1 && bytes.length > 0) protocolNumber = bytes[0]!;
      if (type === tupleProtocol && inner === 3 && bytes.length === 2) port = bytes.readUInt16BE();
    }
  }
  if (source === null || destination === null) return [];
  return [
    {
      source: formatAddress(source),
      destination: formatAddress(destination),
      protocolNumber,
      port,
      isRedirected: (bits & destinationNat) !== 0,
      family,
      tuple,
    },
  ];
}

/** Forgets one connection; one that has ended meanwhile is no error. @throws SallyportError */
export function forgetFlow(fd: number, flow: TrackedFlow): void {
  const body = attribute(tupleOrig | 0x8000, flow.tuple);
  refuse(transact(fd, { type: deleteEntry, flags: 0, family: flow.family, body }));
}

/** Forgets every connection that this address opened. @throws SallyportError */
export function forgetSource(fd: number, source: string): void {
  const bytes = parseAddress(source);
  if (bytes === null) return;
  const isV6 = bytes.length === 16;
  const sourceOnly = Buffer.from([1, 0, 0, 0]);
  const request: Request = {
    type: deleteEntry,
    flags: 0,
    family: isV6 ? 10 : 2,
    body: Buffer.concat([
      nested(tupleOrig, nested(tupleIp, attribute(isV6 ? 3 : 1, bytes))),
      nested(tupleFilter, attribute(1, sourceOnly), attribute(2, Buffer.alloc(4))),
    ]),
  };
  const failure = transact(fd, request);
  if (failure === null || failure === 'ENOENT') return;
  // Before Linux 6.8 a deletion needs the whole tuple.
  for (const flow of trackedFlows(fd)) if (flow.source === source) forgetFlow(fd, flow);
}

function refuse(failure: string | null): void {
  if (failure !== null && failure !== 'ENOENT') {
    throw new SallyportError('kernel', `a tracked connection could not be forgotten: ${failure}`);
  }
}
