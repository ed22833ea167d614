// A resolver that lies in every way that a careful asker must notice: each question gets answers that are not to it,
// all leading to the same address, and never a true one.

import { createSocket, type Socket } from 'node:dgram';
import { parseAddress } from '../../flow/address.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { bindUdp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';

/** Where it lives in the lab's internet; nobody else does. */
export const lyingAddress = '198.41.0.13';

export class LyingResolver {
  readonly #socket: Socket;
  /** Questions that it lied to. */
  asked = 0;

  /** `to` is the IPv4 address that its answers lead to. */
  constructor(lab: Lab, to: string) {
    runIpBatch(lab.topology.internet, [`addr add ${lyingAddress}/32 dev lo`]);
    this.#socket = createSocket('udp4');
    this.#socket.on('message', (query, from) => {
      this.asked += 1;
      for (const lie of liesTo(query, to)) this.#socket.send(lie, from.port, from.address, () => {});
    });
    this.#socket.bind({ fd: bindUdp(lab.topology.internet, lyingAddress, 53) });
  }

  close(): void {
    this.#socket.close();
  }
}

function liesTo(query: Buffer, to: string): Buffer[] {
  const end = query.indexOf(0, 12) + 5;
  const question = query.subarray(12, end);
  const ownerAtQuestion = Buffer.of(0xc0, 12);
  const elsewhere = Buffer.from('\x04evil\x07example\x03net\0', 'latin1');
  const make = (change: (bytes: Buffer) => void, owner: Buffer = ownerAtQuestion): Buffer => {
    const head = Buffer.from([query[0]!, query[1]!, 0x84, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
    const record = Buffer.from([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...(parseAddress(to) ?? [])]);
    const whole = Buffer.concat([head, question, owner, record]);
    change(whole);
    return whole;
  };
  return [
    make((bytes) => (bytes[0]! ^= 1)), // another id
    make((bytes) => (bytes[2] = 4)), // a question, not an answer
    make((bytes) => (bytes[13]! ^= 1)), // another name
    make((bytes) => (bytes[12 + question.length - 3] = 28)), // another type
    make((bytes) => (bytes[5] = 0)), // no question at all
    make(() => {}, elsewhere), // an address of another name
    make((bytes) => bytes.fill(0xff, 12 + question.length + 2)), // lengths beyond the end
  ];
}
