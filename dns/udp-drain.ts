// Many datagrams with few system calls: recvmmsg and sendmmsg (recvmmsg(2), sendmmsg(2)) through koffi, on the
// descriptor of a socket that the event loop watches. One arena holds all buffers and kernel structures; answer
// slots are only rewritten after the kernel has taken the last batch. Answers of one size for one client socket
// pass the kernel's stack as one (UDP_SEGMENT, udp(7)); they arrive as the datagrams that they are.

import { createRequire } from 'node:module';
import { steadyMs } from './clock.ts';

type Koffi = typeof import('koffi');

export const batchSize = 64;
const slots = batchSize + 1;
// An odd number of cache lines: with a power of two all slots would share a few sets of the cache.
const receiveBytes = 2112;
const sendBytes = 1232;
const nameBytes = 28;
const headerBytes = 64;
const vectorBytes = 16;
const controlBytes = 24;
const msgDontWait = 0x40;
const msgTrunc = 0x20;
/** Datagrams that the kernel takes as one (UDP_MAX_SEGMENTS of older kernels). */
const maxSegments = 64;
/** Groups that an answer is compared with: beyond that many clients at once grouping finds little. */
const maxCompared = 8;
const ungroupedMs = 60_000;
const pauseUs = 50;

/** The two calls on an arena of their own; null when koffi or the platform is missing. */
export function openDrain(): Drain | null {
  if (process.platform !== 'linux' || (process.arch !== 'x64' && process.arch !== 'arm64')) return null;
  try {
    return new Drain(loadKoffi());
  } catch {
    // Without koffi the sockets are served one datagram at a time.
    return null;
  }
}

function loadKoffi(): Koffi {
  // Required, not imported: without it there is still plain dgram.
  return createRequire(import.meta.url)('koffi') as Koffi;
}

export class Drain {
  readonly #receive: (fd: number, vector: number, count: number, flags: number, timeout: null) => number;
  readonly #send: (fd: number, vector: number, count: number, flags: number) => number;
  readonly #setOption: (fd: number, level: number, name: number, value: number[], size: number) => number;
  readonly #sleep: (microseconds: number) => number;
  readonly #view: DataView;
  /** User addresses fit a number's 53 bits. */
  readonly #base: number;
  readonly #layout = layout();
  /** Received messages, answers and socket addresses by slot; views of the arena. */
  readonly messages: Uint8Array[];
  readonly answers: Uint8Array[];
  readonly #names: Uint8Array[];
  readonly #order = new Uint8Array(slots);
  readonly #sizes = new Uint16Array(slots);
  #queued = 0;
  /** Groups of the batch: client and size, members, and where their vectors begin. */
  readonly #groups = {
    client: new Float64Array(slots),
    size: new Uint16Array(slots),
    first: new Uint8Array(slots),
    count: new Uint8Array(slots),
    start: new Uint8Array(slots),
  };
  readonly #groupOf = new Uint8Array(slots);
  #ungroupedUntil = 0;

  constructor(koffi: Koffi) {
    const libc = koffi.load('libc.so.6');
    const int = 'int';
    const mmap = libc.func('mmap', 'uintptr_t', ['uintptr_t', 'size_t', int, int, int, 'int64_t']);
    this.#receive = libc.func('recvmmsg', int, [int, 'uintptr_t', 'uint', int, 'void *']);
    this.#send = libc.func('sendmmsg', int, [int, 'uintptr_t', 'uint', int]);
    this.#sleep = libc.func('usleep', int, ['uint']);
    this.#setOption = libc.func('setsockopt', int, [int, int, int, 'int32_t *', 'uint']);
    const total = this.#layout.total;
    // PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS
    const base = mmap(0, total, 3, 0x22, -1, 0);
    this.#base = Number(base);
    const memory = koffi.view(BigInt(this.#base), total);
    this.#view = new DataView(memory);
    const { messages, answers, names } = this.#layout;
    const views = (at: number, size: number) =>
      Array.from({ length: slots }, (_, i) => new Uint8Array(memory, at + i * size, size));
    this.messages = views(messages, receiveBytes);
    this.answers = views(answers, sendBytes);
    this.#names = views(names, nameBytes);
    this.#prepare();
  }

  #prepare(): void {
    for (let i = 0; i < slots; i++) {
      const { messages, receiveVectors, receiveHeaders, answers, sendVectors, sendHeaders } = this.#layout;
      this.#link(receiveHeaders, receiveVectors, messages + i * receiveBytes, receiveBytes, i);
      this.#link(sendHeaders, sendVectors, answers + i * sendBytes, sendBytes, i);
      this.#prepareControl(this.#layout.controls + i * controlBytes);
    }
  }

  #link(headers: number, vectors: number, buffer: number, size: number, slot: number): void {
    const vector = vectors + slot * vectorBytes;
    this.#pointer(vector, buffer);
    this.#view.setBigUint64(vector + 8, BigInt(size), true);
    const header = headers + slot * headerBytes;
    this.#pointer(header, this.#layout.names + slot * nameBytes);
    this.#view.setUint32(header + 8, nameBytes, true);
    this.#pointer(header + 16, vector);
    this.#view.setBigUint64(header + 24, 1n, true);
  }

  // A control message (cmsg(3)) of two bytes: SOL_UDP, UDP_SEGMENT.
  #prepareControl(at: number): void {
    this.#view.setBigUint64(at, 18n, true);
    this.#view.setUint32(at + 8, 17, true);
    this.#view.setUint32(at + 12, 103, true);
  }

  // In two halves: a BigInt for every answer would be garbage for every answer.
  #pointer(at: number, to: number): void {
    const address = this.#base + to;
    this.#view.setUint32(at, address >>> 0, true);
    this.#view.setUint32(at + 4, Math.floor(address / 0x1_0000_0000), true);
  }

  /** Answers over IPv4 leave unfragmented (RFC 9715 R2): none of ours is longer than 1232 bytes. */
  forbidFragments(fd: number): void {
    // IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE; where it fails, answers leave as they did.
    this.#setOption(fd, 0, 10, [3], 4);
  }

  /** Receives up to 64 datagrams into slots from 1 on, without waiting; slot 0 is the caller's. Returns the count. */
  receive(fd: number): number {
    const first = this.#layout.receiveHeaders + headerBytes;
    for (let i = 0; i < batchSize; i++) this.#view.setUint32(first + i * headerBytes + 8, nameBytes, true);
    const count = this.#receive(fd, this.#base + first, batchSize, msgDontWait, null);
    return count < 0 ? 0 : count;
  }

  /** Lets datagrams gather for about 100 µs: the kernel adds its timer slack of 50 (prctl(2)). */
  pause(): void {
    this.#sleep(pauseUs);
  }

  /** Length of the datagram in this slot; 0 when it was longer than the slot. */
  lengthOf(slot: number): number {
    const header = this.#layout.receiveHeaders + slot * headerBytes;
    const isCut = (this.#view.getUint32(header + 48, true) & msgTrunc) !== 0;
    return isCut ? 0 : this.#view.getUint32(header + 56, true);
  }

  /** Socket address (sockaddr_in or sockaddr_in6) of the datagram in this slot. */
  nameOf(slot: number): Uint8Array {
    return this.#names[slot]!;
  }

  /** Puts a datagram that came another way into a slot. */
  setMessage(slot: number, message: Uint8Array): void {
    const length = Math.min(message.length, receiveBytes);
    this.messages[slot]!.set(message.subarray(0, length));
    const header = this.#layout.receiveHeaders + slot * headerBytes;
    this.#view.setUint32(header + 48, 0, true);
    this.#view.setUint32(header + 56, length, true);
  }

  /** Forgets what is queued. */
  clear(): void {
    this.#queued = 0;
  }

  /** The queued slots in order, which then are queued no longer. */
  takeQueued(): number[] {
    const taken = [...this.#order.subarray(0, this.#queued)];
    this.#queued = 0;
    return taken;
  }

  /** Queues the first `size` bytes of the slot's answer for the slot's address. */
  queue(slot: number, size: number): void {
    const at = this.#queued++;
    this.#order[at] = slot;
    this.#sizes[at] = size;
  }

  /** Sends what is queued. A datagram that the kernel will not take is given up, as the network might do. */
  flush(fd: number): void {
    if (this.#queued === 0) return;
    const groups = this.#group();
    this.#place(groups);
    this.#sendHeaders(fd, groups);
    this.#queued = 0;
  }

  #sendHeaders(fd: number, groups: number): void {
    for (let at = 0; at < groups;) {
      const header = this.#base + this.#layout.sendHeaders + at * headerBytes;
      const sent = this.#send(fd, header, groups - at, msgDontWait);
      if (sent > 0) at += sent;
      // An error is about the first of them only.
      else this.#sendApart(fd, at++);
    }
  }

  // A device that cannot take several at once refuses them; then they leave one by one, and so do the next ones.
  #sendApart(fd: number, group: number): void {
    const { count, start } = this.#groups;
    const [members, first] = [count[group]!, start[group]!];
    if (members < 2) return;
    const header = this.#layout.sendHeaders + group * headerBytes;
    this.#setControl(header, 0, 0);
    this.#view.setUint32(header + 24, 1, true);
    for (let i = 0; i < members; i++) {
      this.#pointer(header + 16, this.#layout.sendVectors + (first + i) * vectorBytes);
      if (this.#send(fd, this.#base + header, 1, msgDontWait) > 0)
        this.#ungroupedUntil = steadyMs() + ungroupedMs;
    }
  }

  /** Finds out which queued answers leave together; returns the number of groups. */
  #group(): number {
    const { client, size, first, count } = this.#groups;
    const most = this.#ungroupedUntil > 0 && this.#ungroupedUntil > steadyMs() ? 1 : maxSegments;
    let groups = 0;
    for (let at = 0; at < this.#queued; at++) {
      const slot = this.#order[at]!;
      const from = this.#clientOf(slot);
      let group = Math.max(0, groups - maxCompared);
      while (group < groups) {
        const isSame = client[group] === from && size[group] === this.#sizes[at] && count[group]! < most;
        if (isSame && this.#isSameName(first[group]!, slot)) break;
        group++;
      }
      if (group === groups) {
        client[group] = from;
        size[group] = this.#sizes[at]!;
        first[group] = slot;
        count[group] = 0;
        groups++;
      }
      count[group]!++;
      this.#groupOf[at] = group;
    }
    return groups;
  }

  // Port and (the last four bytes of the) address: exact for IPv4.
  #clientOf(slot: number): number {
    const at = this.#layout.names + slot * nameBytes;
    const address = this.#view.getUint32(at + (this.#names[slot]![0] === 2 ? 4 : 20));
    return this.#view.getUint16(at + 2) * 0x1_0000_0000 + address;
  }

  #isSameName(one: number, other: number): boolean {
    const [a, b] = [this.#names[one]!, this.#names[other]!];
    if (a[0] === 2 || b[0] === 2) return a[0] === b[0];
    for (let i = 0; i < nameBytes; i++) if (a[i] !== b[i]) return false;
    return true;
  }

  /** Writes the kernel's structures: one header for each group, its vectors one after the other. */
  #place(groups: number): void {
    const { size, first, count, start } = this.#groups;
    const { sendHeaders, sendVectors, names, controls, answers } = this.#layout;
    let next = 0;
    for (let group = 0; group < groups; group++) {
      const [slot, members] = [first[group]!, count[group]!];
      const header = sendHeaders + group * headerBytes;
      this.#pointer(header, names + slot * nameBytes);
      this.#view.setUint32(header + 8, this.#names[slot]![0] === 2 ? 16 : nameBytes, true);
      this.#pointer(header + 16, sendVectors + next * vectorBytes);
      this.#view.setUint32(header + 24, members, true);
      const control = controls + group * controlBytes;
      if (members > 1) this.#view.setUint16(control + 16, size[group]!, true);
      this.#setControl(header, members > 1 ? control : 0, members > 1 ? controlBytes : 0);
      start[group] = next;
      next += members;
      count[group] = 0;
    }
    for (let at = 0; at < this.#queued; at++) {
      const group = this.#groupOf[at]!;
      const vector = sendVectors + (start[group]! + count[group]!++) * vectorBytes;
      this.#pointer(vector, answers + this.#order[at]! * sendBytes);
      this.#view.setUint32(vector + 8, this.#sizes[at]!, true);
    }
  }

  #setControl(header: number, control: number, size: number): void {
    if (size > 0) this.#pointer(header + 32, control);
    this.#view.setUint32(header + 40, size, true);
  }
}

function layout() {
  let at = 0;
  const take = (size: number) => {
    const start = at;
    at += Math.ceil((size * slots) / 64) * 64;
    return start;
  };
  return {
    messages: take(receiveBytes),
    answers: take(sendBytes),
    names: take(nameBytes),
    receiveVectors: take(vectorBytes),
    sendVectors: take(vectorBytes),
    receiveHeaders: take(headerBytes),
    sendHeaders: take(headerBytes),
    controls: take(controlBytes),
    total: at,
  };
}
