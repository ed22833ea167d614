// Classic BPF on sockets, which needs no privilege (socket(7)): a program that chooses a worker by the client's address
// among the sockets of one port (SO_REUSEPORT), and a filter that takes nothing from outside of the runners' networks.

import { parseAddress, parseCidr } from '../flow/address.ts';
import { addressOf, setOptionBytes } from './libc.ts';

const levelSocket = 1;
const [attachFilter, attachReuseportFilter] = [26, 51];
// linux/bpf_common.h: A = word at k; A *= k, >>= k, %= k, ^= X, &= k; X = A; jump if A == k; return k or A.
const [load, mul, shiftRight, modulo, xorX, and, keepInX, jumpEqual, answer, answerA] = [
  0x20, 0x24, 0x74, 0x94, 0xac, 0x54, 0x07, 0x15, 0x06, 0x16,
];
// SKF_NET_OFF: offsets from the IP header, wherever the packet's data begins.
const networkHeader = 0xfff0_0000;
const sourceAt = { 4: 12, 6: 8 } as const;
/** Sources are spread by their product with this (Knuth's multiplicative hash); the upper half counts. */
const spread = 0x9e37_79b1;
const maxInstructions = 4000;
const takeAll = 0xffff_ffff;

type Family = 4 | 6;
interface Instruction {
  readonly code: number;
  readonly k: number;
  readonly yes?: number;
  readonly no?: number;
}

/**
 * The program that answers the position of a socket: those of `pins` (address, position) first, everybody else by a
 * hash of the address over `sockets` positions. Pins beyond what a program may hold are left to the hash.
 */
export function steerProgram(family: Family, sockets: number, pins: ReadonlyMap<string, number>): Buffer {
  const program: Instruction[] = [];
  const tail = hashOf(family, sockets);
  for (const [address, position] of pins) {
    const words = wordsOf(address, family);
    if (words === null || position >= sockets) continue;
    if (program.length + 2 * words.length + 1 + tail.length > maxInstructions) break;
    program.push(...words.flatMap((word, i) => compare(family, i, word, 2 * (words.length - 1 - i) + 1)));
    program.push({ code: answer, k: position });
  }
  return encode([...program, ...tail]);
}

/** The filter that takes packets from these networks and discards all others of its family. */
export function sourceProgram(family: Family, networks: readonly string[]): Buffer {
  const program = networks.flatMap((text) => {
    const cidr = parseCidr(text);
    const words = cidr === null ? null : wordsOfBytes(cidr.bytes, family);
    return cidr === null || words === null ? [] : withinNetwork(family, words, cidr.prefix);
  });
  return encode([...program.slice(0, maxInstructions - 1), { code: answer, k: 0 }]);
}

/** Puts the program on the port's sockets, of which this is one; false when the kernel refuses it (its size). */
export function steerSockets(fd: number, program: Buffer): boolean {
  return attach(fd, attachReuseportFilter, program);
}

/** Puts the filter on a socket; false when the kernel refuses. */
export function filterSocket(fd: number, program: Buffer): boolean {
  return attach(fd, attachFilter, program);
}

// struct sock_fprog: length, padding, pointer; the program must outlive the call only.
function attach(fd: number, option: number, program: Buffer): boolean {
  const header = Buffer.alloc(16);
  header.writeUInt16LE(program.length / 8, 0);
  header.writeBigUInt64LE(addressOf(program), 8);
  return setOptionBytes(fd, levelSocket, option, header);
}

const wordAt = (family: Family, index: number): number => networkHeader + sourceAt[family] + 4 * index;

function compare(family: Family, index: number, word: number, otherwise: number): Instruction[] {
  return [
    { code: load, k: wordAt(family, index) },
    { code: jumpEqual, k: word, yes: 0, no: otherwise },
  ];
}

function hashOf(family: Family, sockets: number): Instruction[] {
  const first: Instruction = { code: load, k: wordAt(family, 0) };
  // The rule set's hash sees the whole IPv6 address as well.
  const rest = [1, 2, 3].flatMap((index): Instruction[] => [
    { code: keepInX, k: 0 },
    { code: load, k: wordAt(family, index) },
    { code: xorX, k: 0 },
  ]);
  return [
    first,
    ...(family === 6 ? rest : []),
    { code: mul, k: spread },
    { code: shiftRight, k: 16 },
    { code: modulo, k: sockets },
    { code: answerA, k: 0 },
  ];
}

function withinNetwork(family: Family, words: readonly number[], prefix: number): Instruction[] {
  const masked = words.flatMap((word, index) => {
    const bits = Math.min(32, Math.max(0, prefix - 32 * index));
    const mask = bits === 0 ? 0 : (0xffff_ffff << (32 - bits)) >>> 0;
    return bits === 0 ? [] : [{ index, word: (word & mask) >>> 0, mask }];
  });
  return [
    ...masked.flatMap(({ index, word, mask }, i): Instruction[] => [
      { code: load, k: wordAt(family, index) },
      { code: and, k: mask },
      { code: jumpEqual, k: word, yes: 0, no: 3 * (masked.length - 1 - i) + 1 },
    ]),
    { code: answer, k: takeAll },
  ];
}

function wordsOf(address: string, family: Family): number[] | null {
  const bytes = parseAddress(address);
  return bytes === null ? null : wordsOfBytes(bytes, family);
}

function wordsOfBytes(bytes: Uint8Array, family: Family): number[] | null {
  if (bytes.length !== (family === 4 ? 4 : 16)) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i));
}

// struct sock_filter: code, jump if true, jump if false, k.
function encode(program: readonly Instruction[]): Buffer {
  const bytes = Buffer.alloc(8 * program.length);
  program.forEach(({ code, k, yes = 0, no = 0 }, i) => {
    bytes.writeUInt16LE(code, 8 * i);
    bytes.writeUInt8(yes, 8 * i + 2);
    bytes.writeUInt8(no, 8 * i + 3);
    bytes.writeUInt32LE(k >>> 0, 8 * i + 4);
  });
  return bytes;
}
