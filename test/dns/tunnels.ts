// Encoders in the manner of known tunnel programs: data in labels, as dense and as long as each makes them.

import { createHash } from 'node:crypto';

export interface Tunnel {
  readonly name: string;
  /** Bytes of the job's data that one name carries. */
  readonly bytesPerName: number;
  readonly types: readonly number[];
  readonly encode: (i: number) => string;
  /** Bytes of each answer. */
  readonly answerBytes: number;
}

const noise = (i: number, bytes: number): Buffer =>
  Buffer.concat(
    Array.from({ length: Math.ceil(bytes / 64) }, (_, k) =>
      createHash('sha512').update(`${i} ${k}`).digest(),
    ),
  ).subarray(0, bytes);
const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';

function base32(bytes: Buffer): string {
  let [text, held, bits] = ['', 0, 0];
  for (const byte of bytes) {
    held = (held << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += alphabet[(held >> (bits - 5)) & 31];
    held &= (1 << bits) - 1;
  }
  return text;
}

const inLabels = (text: string) => text.match(/.{1,60}/g)!.join('.');
const [A, CNAME, MX, TXT, SRV] = [1, 5, 15, 16, 33];

export const tunnels: readonly Tunnel[] = [
  {
    name: 'iodine-like: base32 over whole names, SRV and CNAME',
    bytesPerName: 125,
    types: [SRV, CNAME],
    encode: (i) => inLabels(base32(noise(i, 125))),
    answerBytes: 700,
  },
  {
    name: 'dnscat-like: hex, TXT, CNAME and MX in turn',
    bytesPerName: 60,
    types: [TXT, CNAME, MX],
    encode: (i) => inLabels(noise(i, 60).toString('hex')),
    answerBytes: 180,
  },
  {
    name: 'addresses only: base32, one label of 60',
    bytesPerName: 37,
    types: [A],
    encode: (i) => base32(noise(i, 37)),
    answerBytes: 90,
  },
  {
    name: 'short: base32, one label of 32, addresses only',
    bytesPerName: 20,
    types: [A],
    encode: (i) => base32(noise(i, 20)),
    answerBytes: 90,
  },
];

/** Milliseconds between two questions. */
export const rates: Readonly<Record<string, number>> = {
  '100 a second': 10,
  '1 a second': 1000,
  '10 a minute': 6000,
  '1 a minute': 60_000,
};
