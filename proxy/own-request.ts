// One HTTPS request of the gateway's own, on the way out that jobs' requests take: our resolution, addresses checked,
// the server verified. Bounded in time and bytes; its answer is for us alone.

import type { OwnAnswer, OwnRequest, SendOwn } from '../flow/action-facts.ts';
import type { Decision } from '../flow/decision.ts';
import type { NameJudgement } from '../flow/ports.ts';
import { AddressCheck } from './address-check.ts';
import { dechunk } from './dechunk.ts';
import type { Exchange } from './exchange.ts';
import { byChunks, byLength, untilClose, type Framer } from './framing.ts';
import { findHeadEnd } from './head-bytes.ts';
import { parseResponseHead, type ResponseHead } from './response-head.ts';
import { poolKey, type Upstream, type UpstreamOwner } from './upstream.ts';

const maxHeadBytes = 32_768;
// The operator has switched the question on: rules of jobs need not name the host.
const asked: Decision = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'rule',
};

class OwnCheck extends AddressCheck {
  override judge(): NameJudgement {
    return asked;
  }
}

/** Sends for the job whose answer waits; private ranges are open as far as they are to the job's own request. */
export function sendOwn({ connection, judgement, runner, attribution }: Exchange): SendOwn {
  const { core, holder } = connection;
  const { query, allowed } = judgement;
  return async (request) => {
    const isSame = query?.host === request.host;
    const port = isSame ? query.port : 443;
    const check = new OwnCheck(core.decider, attribution, port, isSame ? allowed : [], core.ports);
    const target = { runner, holder, isTls: true, host: request.host, port };
    const signal = AbortSignal.timeout(request.timeMs);
    const opened = await core.upstreams.open({ ...target, key: poolKey(target), check }, undefined, signal);
    if ('failure' in opened)
      return { kind: 'failed', detail: `${request.host} is not reached: ${opened.failure}` };
    return exchangeOwn(opened, request, port, signal);
  };
}

function exchangeOwn(
  upstream: Upstream,
  request: OwnRequest,
  port: number,
  signal: AbortSignal,
): Promise<OwnAnswer> {
  return new Promise((resolve) => {
    const finish = (answer: OwnAnswer): void => {
      signal.removeEventListener('abort', onAbort);
      upstream.destroy();
      resolve(answer);
    };
    const onAbort = (): void => finish({ kind: 'failed', detail: `${request.host} did not answer in time` });
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort);
    upstream.owner = new OwnAnswering(request, finish);
    upstream.uses++;
    upstream.socket.write(Buffer.concat([headOf(request, port), request.body]));
  });
}

function headOf({ host, method, path, fields, body }: OwnRequest, port: number): Buffer {
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `host: ${port === 443 ? host : `${host}:${port}`}`,
    'user-agent: sallyport',
    ...Object.entries(fields).map(([name, value]) => `${name}: ${value}`),
    `content-length: ${body.length}`,
    'connection: close',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** Gathers one answer. */
class OwnAnswering implements UpstreamOwner {
  readonly #request: OwnRequest;
  readonly #finish: (answer: OwnAnswer) => void;
  #head: ResponseHead | null = null;
  #framer: Framer | null = null;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(request: OwnRequest, finish: (answer: OwnAnswer) => void) {
    this.#request = request;
    this.#finish = finish;
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.#head !== null) return this.#takeBody(bytes);
    this.#parts.push(bytes);
    const gathered = Buffer.concat(this.#parts);
    this.#parts = [gathered];
    const end = findHeadEnd(gathered, 0);
    if (end === -1 && gathered.length <= maxHeadBytes) return;
    const head = end < 0 ? 'an unreadable head' : parseResponseHead(gathered, end, this.#request.method);
    if (typeof head === 'string' || head.status < 200)
      return this.#fail('answers with something else than HTTP');
    this.#head = head;
    this.#parts = [];
    if (head.framing === 'none') return this.#done();
    this.#framer = framerOf(head);
    if (gathered.length > head.bodyStart) this.#takeBody(gathered.subarray(head.bodyStart));
  }

  #takeBody(bytes: Buffer): void {
    const framer = this.#framer!; // the head was read
    const end = framer.feed(bytes, 0);
    if (end < 0) return this.#fail('breaks the protocol');
    this.#bytes += end;
    if (this.#bytes > this.#request.maxBytes) return this.#fail('answers with more than is read');
    this.#parts.push(bytes.subarray(0, end));
    if (framer.isDone) this.#done();
  }

  onUpstreamEnd(error: Error | null): void {
    if (this.#head?.framing === 'until-close' && error === null) this.#done();
    else this.#fail('closed the connection early');
  }

  onUpstreamDrain(): void {}

  #done(): void {
    const { status, framing } = this.#head!; // only called once it was read
    const body = Buffer.concat(this.#parts);
    this.#finish({ kind: 'answer', status, body: framing === 'chunked' ? dechunk(body) : body });
  }

  #fail(detail: string): void {
    this.#finish({ kind: 'failed', detail: `${this.#request.host} ${detail}` });
  }
}

function framerOf({ framing, length }: ResponseHead): Framer {
  if (framing === 'chunked') return byChunks();
  return framing === 'until-close' ? untilClose() : byLength(length);
}
