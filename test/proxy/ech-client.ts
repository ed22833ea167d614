// A TLS 1.3 client that sends an encrypted_client_hello, as far as RFC 9849 §6.1.6 asks of one whose server has no
// key: it completes nothing, looks at the certificate for the outer name, and says ech_required. No client on the
// machine does that. TLS_AES_128_GCM_SHA256 over X25519 alone (RFC 8446 §7.1).

import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto';
import type { Socket } from 'node:net';
import { echHello } from '../bypass/client-hello-bytes.ts';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest();
const hmac = (key: Uint8Array, bytes: Uint8Array) => createHmac('sha256', key).update(bytes).digest();
const none = Buffer.alloc(32);

/** HKDF-Expand-Label; at most one block. */
function expand(secret: Uint8Array, label: string, context: Uint8Array, length: number): Buffer {
  const name = Buffer.from(`tls13 ${label}`);
  const info = [Buffer.of(0, length, name.length), name, Buffer.of(context.length), context, Buffer.of(1)];
  return hmac(secret, Buffer.concat(info)).subarray(0, length);
}

/** What the server showed. */
export interface Shown {
  readonly certificate: X509Certificate;
  /** Types of its encrypted extensions; 0xfe0d would carry new keys. */
  readonly extensions: readonly number[];
}

/** Speaks to the server over a fresh connection up to the alert; rejects when it breaks the protocol. */
export async function tryEch(socket: Socket, publicName: string): Promise<Shown> {
  const own = generateKeyPairSync('x25519');
  const share = own.publicKey.export({ type: 'spki', format: 'der' }).subarray(-32);
  const hello = echHello(publicName, 'ech-client', share);
  socket.write(hello);
  const records = readRecords(socket);
  const serverHello = (await records.next()).value as Buffer;
  const message = serverHello.subarray(5);
  const prefix = Buffer.from('302a300506032b656e032100', 'hex');
  const peer = Buffer.concat([prefix, keyShareOf(message)]);
  const publicKey = createPublicKey({ key: peer, format: 'der', type: 'spki' });
  const shared = diffieHellman({ privateKey: own.privateKey, publicKey });
  const early = hmac(none, none);
  const secret = hmac(expand(early, 'derived', sha256(Buffer.alloc(0)), 32), shared);
  const transcript = sha256(Buffer.concat([hello.subarray(5), message]));
  const server = expand(secret, 's hs traffic', transcript, 32);
  let flight = Buffer.alloc(0);
  for (let sequence = 0; !flight.includes(Buffer.of(20, 0, 0, 32));) {
    const record = (await records.next()).value as Buffer;
    if (record[0] === 23) flight = Buffer.concat([flight, open(record, server, sequence++)]);
  }
  socket.end(seal(Buffer.of(2, 121, 21), expand(secret, 'c hs traffic', transcript, 32)));
  socket.resume();
  return readFlight(flight);
}

async function* readRecords(socket: Socket): AsyncGenerator<Buffer> {
  let bytes = Buffer.alloc(0);
  for await (const piece of socket.iterator({ destroyOnReturn: false })) {
    bytes = Buffer.concat([bytes, piece as Buffer]);
    while (bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3)) {
      const end = 5 + bytes.readUInt16BE(3);
      if (bytes[0] === 21) throw new Error(`alert ${bytes[6]}`);
      yield bytes.subarray(0, end);
      bytes = bytes.subarray(end);
    }
  }
  throw new Error('the server ended');
}

function keyShareOf(message: Buffer): Buffer {
  const at = message.indexOf(Buffer.of(0, 51, 0, 36, 0, 29, 0, 32));
  if (message[0] !== 2 || at < 0) throw new Error('no ServerHello with a key share');
  return message.subarray(at + 8, at + 40);
}

function nonceOf(secret: Uint8Array, sequence: number): Buffer {
  const iv = Buffer.from(expand(secret, 'iv', Buffer.alloc(0), 12));
  iv[11] = iv[11]! ^ sequence;
  return iv;
}

function open(record: Buffer, secret: Uint8Array, sequence: number): Buffer {
  const key = expand(secret, 'key', Buffer.alloc(0), 16);
  const cipher = createDecipheriv('aes-128-gcm', key, nonceOf(secret, sequence));
  cipher.setAAD(record.subarray(0, 5)).setAuthTag(record.subarray(-16));
  const inner = Buffer.concat([cipher.update(record.subarray(5, -16)), cipher.final()]);
  return inner.subarray(
    0,
    inner.findLastIndex((byte) => byte !== 0),
  );
}

function seal(inner: Buffer, secret: Uint8Array): Buffer {
  const head = Buffer.of(23, 3, 3, 0, inner.length + 16);
  const cipher = createCipheriv(
    'aes-128-gcm',
    expand(secret, 'key', Buffer.alloc(0), 16),
    nonceOf(secret, 0),
  );
  cipher.setAAD(head);
  return Buffer.concat([head, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
}

function readFlight(flight: Buffer): Shown {
  const messages = new Map<number, Buffer>();
  for (let at = 0; at < flight.length;) {
    const end = at + 4 + flight.readUIntBE(at + 1, 3);
    messages.set(flight[at]!, flight.subarray(at + 4, end));
    at = end;
  }
  const [encrypted, certificates] = [messages.get(8)!, messages.get(11)!];
  const extensions: number[] = [];
  for (let at = 2; at < encrypted.length; at += 4 + encrypted.readUInt16BE(at + 2))
    extensions.push(encrypted.readUInt16BE(at));
  const certificate = new X509Certificate(certificates.subarray(7, 7 + certificates.readUIntBE(4, 3)));
  return { certificate, extensions };
}
