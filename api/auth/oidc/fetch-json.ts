// One question to an OIDC issuer, over TLS that whoever connects has verified: bounded in size and time, and never sent on
// to another place, which would be somebody else's word for the issuer's.

import { request, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { SallyportError } from '../../../flow/errors.ts';

/** Opens a verified TLS stream. @throws SallyportError upstream */
export type Connect = (host: string, port: number, signal: AbortSignal) => Promise<Socket>;

export interface SentForm {
  readonly form: URLSearchParams;
  /** Value of Authorization, or null. */
  readonly authorization: string | null;
}

const limitMs = 10_000;
const maxBytes = 262_144;

/** The JSON object at a URL. @throws SallyportError upstream: it is not reached, or answers anything else */
export async function fetchJson(
  connect: Connect,
  url: URL,
  sent: SentForm | null = null,
): Promise<Readonly<Record<string, unknown>>> {
  if (url.protocol !== 'https:') throw failed(url, 'it is no https: URL');
  const signal = AbortSignal.timeout(limitMs);
  try {
    const answer = await ask(connect, url, sent, signal);
    const text = await readText(answer, url);
    if (answer.statusCode !== 200) throw failed(url, `it answers ${answer.statusCode}`);
    return parseObject(text, url);
  } catch (error) {
    if (signal.aborted) throw failed(url, 'it does not answer in time');
    throw error instanceof SallyportError ? error : failed(url, codeOf(error));
  }
}

async function ask(
  connect: Connect,
  url: URL,
  sent: SentForm | null,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = await connect(host, url.port === '' ? 443 : Number(url.port), signal);
  const body = sent?.form.toString() ?? null;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const asked = request({
    createConnection: () => socket,
    method: body === null ? 'GET' : 'POST',
    path: `${url.pathname}${url.search}`,
    signal,
    maxHeaderSize: 16_384,
    headers: {
      host: url.host,
      accept: 'application/json',
      'accept-encoding': 'identity',
      connection: 'close',
      'user-agent': 'sallyport',
      ...(body === null ? {} : formHeaders(body)),
      ...(sent?.authorization == null ? {} : { authorization: sent.authorization }),
    },
  });
  asked.on('response', resolve);
  asked.on('error', (error) => {
    socket.destroy();
    reject(error);
  });
  asked.end(body ?? undefined);
  return promise;
}

function formHeaders(body: string) {
  return { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) };
}

async function readText(answer: IncomingMessage, url: URL): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  // as: a stream without an encoding gives buffers.
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > maxBytes) throw failed(url, `it answers more than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function parseObject(text: string, url: URL): Readonly<Record<string, unknown>> {
  const value = parse(text);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw failed(url, 'it does not answer with a JSON object');
  // as: an object of JSON has string keys.
  return value as Record<string, unknown>;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// Host and path alone: what else stands in a URL may be a secret, and so may what an issuer answers.
function failed(url: URL, detail: string): SallyportError {
  return new SallyportError('upstream', `${url.host}${url.pathname} cannot be asked for a login: ${detail}`);
}

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.name : 'an error';
}
