// A client of the test's own process that lives on a runner: one question of the policy tables (`GET https://host/path`)
// becomes the bytes that a job would send, from an address of its own. What the gateway made of it stands in records.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { FlowRecord } from '../../flow/flow.ts';
import type { JobRecord } from '../../flow/job-record.ts';
import type { Job } from '../../flow/job.ts';
import type { DeclaredJob } from '../../netns/gateway-port.ts';
import { canonicaliseHost } from '../../policy/canonicalise-host.ts';
import { dialTcp } from '../../netns/socket.ts';

/** A request in the words of test/policy/judge.ts: `METHOD URL [+body] [header=value]…`. */
export interface LiveRequest {
  readonly namespace: string;
  /** Address of the runner that speaks. */
  readonly source: string;
  readonly question: string;
  /** Where names lead. */
  readonly web: string;
  readonly authority: string;
}

const webSocketKey = 'MDEyMzQ1Njc4OWFiY2RlZg==';
const url = /^(https?|wss?):\/\/(\[[^\]]*\]|[^/?#:]*)(?::(\d+))?([^#]*)$/;

/** Sends it and waits for the first bytes of an answer, the end, or `limitMs`. */
export async function sendRequest(request: LiveRequest, limitMs = 1500): Promise<void> {
  const [, text = ''] = request.question.split(' ');
  const [, scheme = '', host = '', port = '', target = ''] = url.exec(text) ?? [];
  const isTls = scheme === 'https' || scheme === 'wss';
  const known = canonicaliseHost(host);
  const address = known.kind === 'address' ? known.address : request.web;
  const socket = dialTcp(request.namespace, address, Number(port || (isTls ? 443 : 80)), request.source);
  const bytes = encode(request.question, host + (port && `:${port}`), target, scheme.startsWith('ws'));
  const stream = isTls
    ? connectTls({
        socket,
        ca: request.authority,
        ALPNProtocols: ['http/1.1'],
        ...(known.kind === 'address' ? {} : { servername: host }),
        checkServerIdentity: () => undefined,
      })
    : socket;
  await speak(socket, stream, bytes, limitMs);
}

function speak(socket: Socket, stream: Socket, bytes: string, limitMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, limitMs);
  for (const one of new Set([socket, stream])) {
    one.on('error', () => {});
    one.once('close', () => resolve());
  }
  stream.once('data', () => resolve());
  stream.write(bytes);
  return promise.finally(() => {
    clearTimeout(timer);
    stream.destroy();
    socket.destroy();
  });
}

function encode(question: string, authority: string, target: string, isWebSocket: boolean): string {
  const [method = '', , ...words] = question.split(' ');
  const headers = new Map([['host', authority]]);
  if (isWebSocket) headers.set('upgrade', 'websocket');
  for (const word of words) {
    const [name = '', value = ''] = word.split('=');
    if (value !== '') headers.set(name, value);
  }
  if (headers.has('upgrade')) headers.set('connection', 'upgrade');
  // A WebSocket is opened as RFC 6455 §4.1 says, or it is no request.
  if (/^websocket$/i.test(headers.get('upgrade') ?? ''))
    headers.set('sec-websocket-version', '13').set('sec-websocket-key', webSocketKey);
  let body = '';
  if (words.includes('+body')) headers.set('content-length', '1');
  if (headers.has('content-length')) body = 'x'.repeat(Number(headers.get('content-length')));
  if (headers.has('transfer-encoding')) body = '1\r\nx\r\n0\r\n\r\n';
  const lines = [...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  return `${method} ${target.startsWith('/') ? target : `/${target}`} HTTP/1.1\r\n${lines}\r\n${body}`;
}

/** The job as `jobs:` of sallyport.yaml declares it, for these addresses. */
export function declareJob(job: Job | null, addresses: readonly string[]): DeclaredJob[] {
  if (job === null) return [];
  const known = Object.entries(job).filter(([, value]) => value !== null);
  // The keys of a job are those of a declared one.
  return [{ ...(Object.fromEntries(known) as Omit<DeclaredJob, 'addresses'>), addresses: [...addresses] }];
}

/** `allow RULE`, `block REASON [RULE]` or `would REASON [RULE]`, as judge.ts writes a decision. */
export function outcomeOf({ decision }: FlowRecord): string {
  const { verdict, enforced, rule, scope, reason } = decision;
  const by = rule === null ? '' : ` ${scope === null ? '' : `${scope}:`}${rule}`;
  if (verdict === 'allow') return `allow${by}`;
  return `${enforced ? 'block' : 'would'} ${reason}${by}`;
}

/** Reads the lines that were added to segments since it looked last. */
export class RecordTail {
  readonly #directory: string;
  readonly #read = new Map<string, { at: number; rest: string }>();
  readonly records: FlowRecord[] = [];

  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'segments');
  }

  /** All records of flows so far, in the order of their files. */
  update(): readonly FlowRecord[] {
    for (const name of readdirSync(this.#directory).filter((name) => name.endsWith('.jsonl'))) {
      const file = this.#read.get(name) ?? { at: 0, rest: '' };
      this.#read.set(name, file);
      const lines = (file.rest + readFrom(join(this.#directory, name), file)).split('\n');
      file.rest = lines.pop() ?? '';
      for (const line of lines) {
        // Lines of a segment have one of these shapes (store/serialise-record.ts).
        const record = JSON.parse(line) as FlowRecord | JobRecord;
        if (record.kind !== 'job') this.records.push(record);
      }
    }
    return this.records;
  }
}

function readFrom(path: string, file: { at: number }): string {
  const fd = openSync(path, 'r');
  const chunk = Buffer.alloc(1024 * 1024);
  let text = '';
  for (let size = -1; size !== 0; file.at += size) {
    size = readSync(fd, chunk, 0, chunk.length, file.at);
    text += chunk.toString('latin1', 0, size);
  }
  closeSync(fd);
  return Buffer.from(text, 'latin1').toString('utf8');
}
