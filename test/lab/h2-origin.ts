// A server of the lab that speaks HTTP/2 and takes everything: it keeps what it was sent as it came, answers each
// HEADERS with 200 and grants all windows. What a strict server would refuse must be seen to arrive here.

import { createServer, type Server, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import type { TestAuthority } from '../../netns/authority.ts';
import { listenTcp } from '../../netns/socket.ts';

const prefaceBytes = 24;
/** What is kept of a connection, and of one HEADERS or SETTINGS frame. */
const maxHeard = 4_194_304;
/** SETTINGS with ENABLE_CONNECT_PROTOCOL (RFC 8441), and windows of 2 GB for streams and connection. */
const greeting = Buffer.from('00000c04000000000000080000000100047fff00000000040800000000007fff0000', 'hex');

/** Serves port 443 of these addresses until `close`. */
export class H2Origin {
  /** Bytes of every connection, as text of one character a byte. */
  heard: string[] = [];
  /** Payload of DATA that arrived. */
  bodyBytes = 0;
  readonly #servers: Server[] = [];
  readonly #open = new Set<TLSSocket>();

  async start(namespace: string, addresses: readonly string[], authority: TestAuthority): Promise<void> {
    const { certificate, key } = authority.issue(['h2.example.com', 'other-h2.example.com']);
    for (const address of addresses) {
      const server = createServer({ cert: certificate, key, ALPNProtocols: ['h2'] }, (socket) =>
        this.#take(socket),
      );
      server.listen({ fd: listenTcp(namespace, address, 443) });
      this.#servers.push(server);
      await once(server, 'listening');
    }
  }

  /** How often this text arrived. */
  count(text: string): number {
    return this.heard.reduce((sum, bytes) => sum + bytes.split(text).length - 1, 0);
  }

  close(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #take(socket: TLSSocket): void {
    this.#open.add(socket);
    const at = this.heard.push('') - 1;
    const { heard } = this;
    let pending: Buffer = Buffer.alloc(0);
    let skip = prefaceBytes;
    socket.write(greeting);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#open.delete(socket));
    let bodyLeft = 0;
    socket.on('data', (bytes: Buffer) => {
      if (heard[at]!.length < maxHeard) heard[at] += bytes.toString('latin1');
      const body = Math.min(bodyLeft, bytes.length);
      bodyLeft -= body;
      this.bodyBytes += body;
      pending = pending.length === 0 ? bytes.subarray(body) : Buffer.concat([pending, bytes.subarray(body)]);
      for (let start = skip; pending.length >= start + 9; start = 0) {
        const type = pending[start + 3]!;
        const end = start + 9 + pending.readUIntBE(start, 3);
        if (type !== 0 && pending.length < end) break;
        skip = 0;
        if (type !== 0) this.#answer(socket, type, pending.subarray(start + 4, start + 9));
        else {
          bodyLeft = Math.max(0, end - pending.length);
          this.bodyBytes += end - start - 9 - bodyLeft;
        }
        pending = pending.subarray(end);
      }
    });
  }

  #answer(socket: TLSSocket, type: number, flagsAndId: Buffer): void {
    if (type === 4 && flagsAndId[0] === 0) socket.write(Buffer.from('000000040100000000', 'hex'));
    if (type !== 1) return;
    // `:status: 200` is entry 8 of the static table; END_STREAM and END_HEADERS.
    socket.write(Buffer.concat([Buffer.from('0000010105', 'hex'), flagsAndId.subarray(1), Buffer.of(0x88)]));
  }
}
