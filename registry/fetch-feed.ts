// One fetch of a malware feed to a file: conditional (RFC 9110 §13), bounded in size and time, whole or not at all. What
// stands in the URL is in no message.

import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request, type IncomingMessage } from 'node:http';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { SallyportError } from '../flow/errors.ts';

/** What a server said of its last answer, to be asked whether it still holds. */
export interface Validators {
  readonly etag: string | null;
  readonly lastModified: string | null;
}

export interface FeedRequest {
  readonly url: string;
  /** Value of Authorization for the URL's own host, or null. */
  readonly authorization: string | null;
  /** Null where everything is wanted anew. */
  readonly previous: Validators | null;
  /** Where a download goes. */
  readonly path: string;
  readonly maxBytes: number;
  /** Of the whole, redirects and all. */
  readonly limitMs: number;
  /** A verified TLS stream. @throws SallyportError upstream */
  connect(host: string, port: number, signal: AbortSignal): Promise<Socket>;
}

/** `same`: what was had before still holds. `path` of a `file:` URL is the operator's own file. */
export type FetchedFile =
  { readonly kind: 'same' } | ({ readonly kind: 'file'; readonly path: string } & Validators);

const maxRedirects = 3;
const stallMs = 30_000;
const redirects = new Set([301, 302, 303, 307, 308]);

/** Asks for the feed. @throws SallyportError upstream: nothing came, too much, or not all of it */
export async function fetchFeed(asked: FeedRequest): Promise<FetchedFile> {
  const url = new URL(asked.url);
  if (url.protocol === 'file:') return lookAtFile(fileURLToPath(url), asked);
  const limit = AbortSignal.timeout(asked.limitMs);
  try {
    return await follow(asked, url, limit);
  } catch (error) {
    if (limit.aborted) throw failed(`it did not come within ${Math.round(asked.limitMs / 1000)} s`);
    // Node's own messages name hosts and codes at most.
    throw error instanceof SallyportError ? error : failed(codeOf(error));
  }
}

const failed = (detail: string): SallyportError =>
  new SallyportError('upstream', `the malware feed was not fetched: ${detail}`);

function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code);
  return error instanceof Error ? error.name : 'an error';
}

async function lookAtFile(path: string, { previous, maxBytes }: FeedRequest): Promise<FetchedFile> {
  const found = await stat(path).catch((error: unknown) => {
    throw failed(codeOf(error));
  });
  const etag = `${found.ino} ${found.size} ${found.mtimeMs}`;
  if (previous?.etag === etag) return { kind: 'same' };
  if (found.size > maxBytes) throw failed(`it is larger than ${maxBytes} bytes`);
  return { kind: 'file', path, etag, lastModified: null };
}

async function follow(asked: FeedRequest, first: URL, signal: AbortSignal): Promise<FetchedFile> {
  let url = first;
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const answer = await ask(asked, url, url.host === first.host, signal);
    const status = answer.statusCode ?? 0;
    if (status === 200) return save(asked, answer, signal);
    answer.destroy();
    if (status === 304 && asked.previous !== null) return { kind: 'same' };
    if (!redirects.has(status)) throw failed(`the server answered ${status}`);
    url = nextUrl(answer.headers.location, url);
  }
  throw failed('the server redirects too often');
}

function nextUrl(location: string | undefined, from: URL): URL {
  const next = location !== undefined && URL.canParse(location, from.href) ? new URL(location, from) : null;
  if (next === null || next.protocol !== 'https:' || next.username !== '')
    throw failed('the server redirects to no https: URL');
  return next;
}

async function ask(
  { authorization, previous, connect }: FeedRequest,
  url: URL,
  isOwnHost: boolean,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const socket = await connect(host, url.port === '' ? 443 : Number(url.port), signal);
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    createConnection: () => socket,
    method: 'GET',
    path: `${url.pathname}${url.search}`,
    signal,
    maxHeaderSize: 16_384,
    headers: {
      host: url.host,
      accept: '*/*',
      'accept-encoding': 'identity',
      'user-agent': 'sallyport',
      ...(authorization !== null && isOwnHost ? { authorization } : {}),
      ...(previous?.etag == null ? {} : { 'if-none-match': previous.etag }),
      ...(previous?.lastModified == null ? {} : { 'if-modified-since': previous.lastModified }),
    },
  });
  sent.on('response', resolve);
  sent.on('error', reject);
  socket.setTimeout(stallMs, () => sent.destroy(failed(`nothing came for ${stallMs / 1000} s`)));
  sent.end();
  return promise;
}

async function save(
  { path, maxBytes }: FeedRequest,
  answer: IncomingMessage,
  signal: AbortSignal,
): Promise<FetchedFile> {
  const { headers } = answer;
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding !== 'identity') throw failed('the server coded what was asked for as it is');
  // Whoever sends neither cannot be told from one that was cut off.
  if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined)
    throw failed('the server does not say how long it is');
  const tooLarge = (): SallyportError => failed(`it is larger than ${maxBytes} bytes`);
  if (Number(headers['content-length'] ?? 0) > maxBytes) throw tooLarge();
  let bytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _, done) {
      bytes += chunk.length;
      done(bytes > maxBytes ? tooLarge() : null, chunk);
    },
  });
  await pipeline(answer, count, createWriteStream(path, { mode: 0o600 }), { signal });
  if (!answer.complete) throw failed('the server closed in the middle of it');
  return {
    kind: 'file',
    path,
    etag: headers.etag ?? null,
    lastModified: headers['last-modified'] ?? null,
  };
}
