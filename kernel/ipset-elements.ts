// Elements of ipset's sets as netlink bytes (linux/netfilter/ipset/ip_set.h gives the numbers): live elements and
// counts. Unlike nf_tables there is no transaction: each element stands for itself.

import { SallyportError } from '../flow/errors.ts';
import type { ElementStore, SetChange } from './element-store.ts';
import { sendBytes } from './libc.ts';
import {
  attribute,
  bigEndian32,
  drain,
  dump,
  encodeRequest,
  errorName,
  flags,
  nested,
  nextSequence,
  readAttributes,
  stringBytes,
  transact,
  type Request,
} from './netlink.ts';
import { liveSetName } from './print-ipset.ts';
import type { Family, LiveSetName } from './rule-model.ts';
import { tupleKey, type HeldElement, type NewElement } from './set-elements.ts';

const command = (number: number): number => (6 << 8) | number;
const [flushSetCommand, swapCommand, listCommand, addCommand, deleteCommand] = [4, 6, 7, 9, 10].map(command);
const [attrProtocol, attrName, attrOtherName, attrFlags, attrData, attrEntries] = [1, 2, 3, 6, 7, 8];
const dataElements = 24;
const [dataIp, dataPort, dataTimeout, dataProtocol, dataIp2, dataPackets] = [1, 4, 6, 7, 20, 25];
const netOrder = 0x4000;
const perSend = 256;
const maxTimeoutSeconds = 4_294_967;

/** Elements of the sets of one gateway. */
export class IpsetElements implements ElementStore {
  readonly #fd: number;
  readonly #table: string;
  readonly #workers: number;

  constructor(fd: number, table: string, workers: number) {
    this.#fd = fd;
    this.#table = table;
    this.#workers = workers;
  }

  commit(changes: readonly SetChange[], what: string): void {
    for (const change of changes) {
      if (change.do === 'replace') this.#replace(change, what);
      else this.#change(change.do, change, change.elements, what);
    }
  }

  read(set: LiveSetName, family: Family): HeldElement[] {
    return this.#names(set, family).flatMap((name) => readIpset(this.#fd, name));
  }

  // Ours first and what is too much afterwards: a quarantine is never lifted in between.
  #replace(change: SetChange, what: string): void {
    this.#change('put', change, change.elements, what);
    for (const [index, name] of this.#names(change.set, change.family).entries()) {
      const ours = change.elements.filter(({ chain }) => chain === undefined || chain === `worker-${index}`);
      const kept = new Set(ours.map(({ key }) => Buffer.from(key).toString('latin1')));
      const foreign = readIpset(this.#fd, name).filter(({ key }) => !kept.has(key.toString('latin1')));
      sendAll(
        this.#fd,
        foreign.map(({ key }) => elementRequest(deleteCommand!, name, { key }, change.set === 'bound')),
        what,
      );
    }
  }

  #change(verb: 'put' | 'remove', set: SetChange, elements: readonly NewElement[], what: string): void {
    const type = verb === 'put' ? addCommand! : deleteCommand!;
    const requests = elements.flatMap((element) =>
      this.#namesOf(set, element).map((name) => elementRequest(type, name, element, set.set === 'bound')),
    );
    sendAll(this.#fd, requests, what);
  }

  // A pin is an element of its worker's set; which one it was is not always known when it goes.
  #namesOf({ set, family }: SetChange, { chain }: NewElement): string[] {
    const names = this.#names(set, family);
    const worker = chain === undefined ? undefined : names[Number(chain.slice('worker-'.length))];
    return worker === undefined ? names : [worker];
  }

  #names(set: LiveSetName, family: Family): string[] {
    if (set !== 'pin') return [liveSetName(this.#table, set, family)];
    return Array.from({ length: this.#workers }, (_, worker) =>
      liveSetName(this.#table, `pin${worker}-`, family),
    );
  }
}

/** All elements of a set; none when it is missing. @throws SallyportError kernel */
export function readIpset(fd: number, name: string): HeldElement[] {
  return dump(fd, request(listCommand!, attribute(attrName, stringBytes(name)))).flatMap((answer) => {
    const held: HeldElement[] = [];
    for (const [type, entries] of readAttributes(answer, 4)) {
      if (type !== attrEntries) continue;
      for (const [, entry] of readAttributes(entries)) held.push(readEntry(entry));
    }
    return held;
  });
}

/** How many elements a set holds; null when it is missing. @throws SallyportError kernel */
export function countIpset(fd: number, name: string): number | null {
  const headerOnly = attribute(attrFlags | netOrder, bigEndian32(4));
  const named = attribute(attrName, stringBytes(name));
  for (const answer of dump(fd, request(listCommand!, named, headerOnly))) {
    for (const [type, data] of readAttributes(answer, 4)) {
      if (type !== attrData) continue;
      for (const [inner, value] of readAttributes(data)) {
        if (inner === dataElements && value.length === 4) return value.readUInt32BE();
      }
    }
  }
  return null;
}

/** Empties a set and puts it in the place of another of its type, which it becomes. @throws SallyportError kernel */
export function turnIpset(fd: number, used: string, idle: string): void {
  const emptied = transact(fd, request(flushSetCommand!, attribute(attrName, stringBytes(idle))));
  const names = [attribute(attrName, stringBytes(used)), attribute(attrOtherName, stringBytes(idle))];
  const failure = emptied ?? transact(fd, request(swapCommand!, ...names));
  if (failure !== null) throw new SallyportError('kernel', `the set ${used} could not be turned: ${failure}`);
}

function request(type: number, ...attributes: readonly Uint8Array[]): Request {
  return {
    type,
    flags: 0,
    family: 2,
    body: Buffer.concat([attribute(attrProtocol, Uint8Array.of(6)), ...attributes]),
  };
}

function elementRequest(type: number, name: string, element: NewElement, isTuple: boolean): Request {
  const key = Buffer.from(element.key);
  const parts = isTuple ? tupleParts(key) : [address(dataIp, key)];
  if (element.timeoutMs !== undefined) {
    const seconds = Math.min(maxTimeoutSeconds, Math.max(1, Math.ceil(element.timeoutMs / 1000)));
    parts.push(attribute(dataTimeout | netOrder, bigEndian32(seconds)));
  }
  return request(type, attribute(attrName, stringBytes(name)), nested(attrData, ...parts));
}

// `source . destination . protocol . port` is ip, ip2, protocol and port to ipset.
function tupleParts(key: Buffer): Buffer[] {
  const size = (key.length - 8) / 2;
  return [
    address(dataIp, key.subarray(0, size)),
    address(dataIp2, key.subarray(size, 2 * size)),
    attribute(dataProtocol, key.subarray(2 * size, 2 * size + 1)),
    attribute(dataPort | netOrder, key.subarray(2 * size + 4, 2 * size + 6)),
  ];
}

function address(type: number, bytes: Uint8Array): Buffer {
  return nested(type, attribute((bytes.length === 4 ? 1 : 2) | netOrder, bytes));
}

function readEntry(bytes: Buffer): HeldElement {
  let [ip, ip2, protocol, port]: [Buffer, Buffer | null, number, number] = [Buffer.alloc(0), null, 0, 0];
  let leftMs: number | null = null;
  let packets: number | null = null;
  for (const [type, value] of readAttributes(bytes)) {
    if (type === dataIp) ip = readAddress(value);
    else if (type === dataIp2) ip2 = readAddress(value);
    else if (type === dataProtocol && value.length > 0) protocol = value[0]!;
    else if (type === dataPort && value.length === 2) port = value.readUInt16BE();
    // 0 stands for no time limit.
    else if (type === dataTimeout && value.length === 4) leftMs = value.readUInt32BE() * 1000 || null;
    else if (type === dataPackets && value.length === 8) packets = Number(value.readBigUInt64BE());
  }
  return { key: ip2 === null ? ip : tupleKey(ip, ip2, protocol, port), leftMs, packets };
}

function readAddress(bytes: Buffer): Buffer {
  for (const [, value] of readAttributes(bytes)) return Buffer.from(value);
  return Buffer.alloc(0);
}

// Every message is acknowledged by itself; the first that failed is told.
function sendAll(fd: number, requests: readonly Request[], what: string): void {
  for (let at = 0; at < requests.length; at += perSend) {
    const part = requests.slice(at, at + perSend);
    const first = nextSequence();
    const messages = part.map((one, index) =>
      encodeRequest({ ...one, flags: one.flags | flags.ack }, index === 0 ? first : nextSequence()),
    );
    sendBytes(fd, Buffer.concat(messages), 'ipset');
    let acknowledged = 0;
    let failure: string | null = null;
    drain(fd, (message) => {
      if (message.type !== 2 || message.sequence < first) return;
      acknowledged += 1;
      failure ??= errorName(message);
    });
    if (failure === null && acknowledged < part.length) failure = 'EIO';
    if (failure !== null) {
      throw new SallyportError('kernel', `the kernel did not take ${what}: ${failure}`);
    }
  }
}
