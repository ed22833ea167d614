// A scripted upstream and a DNS server on loopback, for the tests of this folder. The upstream speaks through dns2's
// codec, so that both sides of the server are foreign code.

import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import type { Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsOptions } from 'node:tls';
import { Packet } from 'dns2';
import { parseCidr } from '../../flow/address.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { unattributed } from '../../flow/job.ts';
import { noMeter } from '../../flow/ports.ts';
import { SallyportError } from '../../flow/errors.ts';
import type { BatchRecorder, Binding, KeeperPort } from '../../flow/ports.ts';
import type { Reason } from '../../flow/reason.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import { Lookup } from '../../dns/lookup.ts';
import type { LookupOptions } from '../../dns/lookup.ts';
import type { NamePolicyPort, NameVerdictOfPolicy } from '../../dns/policy-port.ts';
import { startDns } from '../../dns/server.ts';
import type { DnsOptions, DnsServer } from '../../dns/server.ts';

export interface Row {
  name: string;
  type: number;
  ttl: number;
  [field: string]: unknown;
}
export interface Script {
  answers?: Row[];
  authorities?: Row[];
  rcode?: number;
  truncated?: boolean;
  delayMs?: number;
  silent?: boolean;
  /** Sent instead of the encoded answer. */
  raw?: (query: Buffer, encoded: Buffer) => Buffer[];
}
export interface Asked {
  name: string;
  type: number;
  transport: 'udp' | 'tcp' | 'tls';
}

export const a = (name: string, address: string, ttl = 300): Row => ({
  name,
  type: 1,
  class: 1,
  ttl,
  address,
});
export const aaaa = (name: string, address: string, ttl = 300): Row => ({
  name,
  type: 28,
  class: 1,
  ttl,
  address,
});
export const cname = (name: string, domain: string, ttl = 300): Row => ({
  name,
  type: 5,
  class: 1,
  ttl,
  domain,
});
export const soa = (name: string, ttl: number, minimum: number): Row => ({
  name,
  type: 6,
  class: 1,
  ttl,
  primary: 'ns.example',
  admin: 'admin.example',
  serial: 1,
  refresh: 1,
  retry: 1,
  expiration: 1,
  minimum,
});

export class FakeUpstream {
  readonly asked: Asked[] = [];
  readonly script: (asked: Asked) => Script;
  port = 0;
  #udp = createSocket('udp4');
  #servers: Server[] = [];
  #isOpen = true;

  constructor(script: (asked: Asked) => Script) {
    this.script = script;
  }

  answer(query: Buffer, transport: Asked['transport']): { delayMs: number; messages: Buffer[] } {
    const request = Packet.parse(query) as unknown as { header: { id: number }; questions: Row[] };
    const [question] = request.questions;
    const asked = { name: question!.name.toLowerCase(), type: question!.type, transport };
    this.asked.push(asked);
    const script = this.script(asked);
    if (script.silent) return { delayMs: 0, messages: [] };
    const response = new Packet() as unknown as Record<string, unknown> & {
      header: Record<string, unknown>;
      toBuffer(): Buffer;
    };
    Object.assign(response.header, { id: request.header.id, qr: 1, ra: 1, rcode: script.rcode ?? 0 });
    if (script.truncated) response.header['tc'] = 1;
    response['questions'] = request.questions;
    response['answers'] = script.answers ?? [];
    response['authorities'] = script.authorities ?? [];
    const encoded = Buffer.from(response.toBuffer());
    // The question as it was sent, byte for byte.
    return { delayMs: script.delayMs ?? 0, messages: script.raw ? script.raw(query, encoded) : [encoded] };
  }

  async open(tls?: TlsOptions): Promise<void> {
    const serve = (transport: 'tcp' | 'tls') => (socket: import('node:net').Socket) => {
      let held = Buffer.alloc(0);
      socket.on('error', () => {});
      socket.on('data', (chunk) => {
        held = Buffer.concat([held, chunk]);
        while (held.length > 2 && held.length >= 2 + held.readUInt16BE(0)) {
          const query = Buffer.from(held.subarray(2, 2 + held.readUInt16BE(0)));
          held = held.subarray(2 + held.readUInt16BE(0));
          const { delayMs, messages } = this.answer(query, transport);
          for (const message of messages) {
            const size = Buffer.alloc(2);
            size.writeUInt16BE(message.length);
            setTimeout(() => socket.write(Buffer.concat([size, message])), delayMs);
          }
        }
      });
    };
    const server = tls ? createTlsServer(tls, serve('tls')) : createServer(serve('tcp'));
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    this.port = typeof address === 'object' && address ? address.port : 0;
    this.#udp.on('message', (query, from) => {
      const { delayMs, messages } = this.answer(query, 'udp');
      for (const message of messages)
        setTimeout(() => this.#isOpen && this.#udp.send(message, from.port, from.address), delayMs);
    });
    await new Promise<void>((resolve) => this.#udp.bind(this.port, '127.0.0.1', resolve));
  }

  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#udp.close();
    for (const server of this.#servers) server.close();
  }
}

/** A policy of the tests: names to verdicts; anything else is `no-rule`. */
export interface FakeRule {
  reason?: Reason;
  addresses?: string;
  bind?: { protocol: 'tcp' | 'udp'; port: number }[];
  rule?: string;
}

export function fakePolicy(rules: Record<string, FakeRule>, mode: 'audit' | 'block' = 'block') {
  return {
    effectivePolicy: (policy: object) => policy,
    decideName: (_: object, { name }: { readonly name: string }): NameVerdictOfPolicy => {
      const suffix = Object.keys(rules).find((key) => key.startsWith('*') && name.endsWith(key.slice(1)));
      const found = rules[name] ?? (suffix === undefined ? undefined : rules[suffix]);
      const reason = found?.reason ?? (found ? 'rule' : 'no-rule');
      const verdict = reason === 'rule' ? 'allow' : 'block';
      return {
        verdict,
        enforced: reason === 'blocklist' || mode === 'block',
        mode,
        rule: found?.rule ?? (found ? 'r1' : null),
        scope: null,
        reason,
        addresses: found?.addresses ? [parseCidr(found.addresses)!] : [],
        bind: found?.bind ?? [],
        answer: verdict === 'allow' ? 'forward' : 'explain',
        ...(verdict === 'block' ? {} : { wildcard: rules[name] ? null : suffix! }),
      };
    },
  };
}

/** Keeps records as they are; a recurring one comes from the records that its halves were prepared from. */
export class FakeRecorder implements BatchRecorder {
  readonly #records: FlowRecord[];
  /** Set by a test: the disk refuses. */
  isFull = false;
  handedOver = 0;

  constructor(records: FlowRecord[]) {
    this.#records = records;
  }

  #refuse(): void {
    if (this.isFull) throw new SallyportError('record-unavailable', 'full');
  }

  opened(record: FlowRecord): void {
    this.#refuse();
    this.#records.push(record);
  }

  closed(record: FlowRecord): void {
    this.#records.push(record);
  }

  prepareSource(record: FlowRecord): FlowRecord {
    return record;
  }

  prepareOutcome(record: FlowRecord): FlowRecord {
    return record;
  }

  closedAgain(source: object, outcome: object, nowMs: number): void {
    // Both are what the two methods above answered.
    const { runner, job, attribution } = source as FlowRecord;
    const time = new Date(nowMs).toISOString();
    this.#records.push({ ...(outcome as FlowRecord), id: uuidv7(nowMs), time, runner, job, attribution });
  }

  handOver(): void {
    this.#refuse();
    this.handedOver = this.#records.length;
  }
}

export interface Bench {
  server: DnsServer;
  port: number;
  tcpPort: number;
  records: FlowRecord[];
  upstream: FakeUpstream;
  lookup: Lookup;
  bindings: Binding[];
  close(): Promise<void>;
}

export async function startBench(options: {
  script: (asked: Asked) => Script;
  rules?: Record<string, FakeRule>;
  mode?: 'audit' | 'block';
  grantedName?: NonNullable<NamePolicyPort['grantedName']>;
  dns?: Partial<DnsOptions>;
  lookup?: Partial<LookupOptions>;
}): Promise<Bench> {
  const upstream = new FakeUpstream(options.script);
  await upstream.open();
  const records: FlowRecord[] = [];
  const bindings: Binding[] = [];
  const keeper = {
    bind: async (list: readonly Binding[]) => void bindings.push(...list),
  } as unknown as KeeperPort;
  const lookup = new Lookup({
    upstreams: [{ address: '127.0.0.1', port: upstream.port, transport: 'udp' }],
    meter: noMeter,
    ...options.lookup,
  });
  const policy = { revision: 'abc', mode: options.mode ?? 'block' } as const;
  const server = await startDns({
    identity: { gateway: 'gw', fleet: 'f' },
    lookup,
    policy: {
      ...fakePolicy(options.rules ?? {}, options.mode),
      ...(options.grantedName === undefined ? {} : { grantedName: options.grantedName }),
    },
    currentPolicy: () => policy,
    attribution: { attribute: () => unattributed },
    recorder: new FakeRecorder(records),
    keeper,
    meter: noMeter,
    udp: [{ address: '127.0.0.1', port: 0 }],
    blockedAnswer: 'explain',
    searchDomains: [],
    gatewayAddresses: { v4: '10.80.0.1', v6: 'fd00::1' },
    ownNames: [],
    steer: false,
    ipv6: true,
    ...options.dns,
  });
  const tcp = createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => tcp.listen(0, '127.0.0.1', resolve));
  const address = tcp.address();
  const tcpPort = typeof address === 'object' && address ? address.port : 0;
  const close = async () => {
    tcp.close();
    await server.close();
    lookup.close();
    upstream.close();
  };
  return { server, port: server.ports[0]!, tcpPort, records, upstream, lookup, bindings, close };
}

/** A query by hand: id 0x1234, RD, one question. */
export function rawQuery(
  name: string,
  type: number,
  edns: { size?: number; flags?: number } | null = null,
): Buffer {
  const labels = name === '' ? [] : name.split('.');
  const parts = labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')]));
  const opt = edns
    ? Buffer.of(0, 0, 41, (edns.size ?? 1232) >> 8, (edns.size ?? 1232) & 255, 0, 0, edns.flags ?? 0, 0, 0, 0)
    : Buffer.alloc(0);
  return Buffer.concat([
    Buffer.of(0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, edns ? 1 : 0),
    ...parts,
    Buffer.of(0, type >> 8, type & 255, 0, 1),
    opt,
  ]);
}

/** Sends one datagram and resolves with the answer, or null after the time. */
export function exchange(port: number, query: Buffer, timeoutMs = 1500): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    const timer = setTimeout(() => {
      socket.close();
      resolve(null);
    }, timeoutMs);
    socket.on('message', (message) => {
      clearTimeout(timer);
      socket.close();
      resolve(message);
    });
    socket.send(query, port, '127.0.0.1');
  });
}

/** The same over a TCP connection of its own. */
export function exchangeTcp(port: number, query: Buffer, timeoutMs = 1500): Promise<Buffer | null> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: Buffer | null) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(end, timeoutMs, null);
    let held = Buffer.alloc(0);
    socket.on('error', () => end(null));
    socket.on('close', () => end(null));
    socket.on('data', (chunk) => {
      held = Buffer.concat([held, chunk]);
      if (held.length >= 2 && held.length >= 2 + held.readUInt16BE(0)) end(held.subarray(2));
    });
    socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query]));
  });
}

export const rcodeOf = (answer: Buffer | null) => (answer === null ? null : answer[3]! & 15);
