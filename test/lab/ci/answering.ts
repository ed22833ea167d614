// What the stubs of platforms have in common: whole bodies, answers in pieces, JSON in any form.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { drawForm, writeJson, type Json } from './any-json.ts';
import type { Seeded } from './seeded.ts';

/** One call as a stub took it. */
export interface Call {
  readonly method: string;
  readonly host: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string;
  readonly body: string;
  /** Milliseconds since 1970, when the whole body was there. */
  readonly atMs: number;
  header(name: string): string;
}

export async function readCall(request: IncomingMessage, host: string): Promise<Call> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer); // no encoding is set
  const url = new URL(request.url ?? '/', `https://${host}`);
  const header = (name: string): string => String(request.headers[name] ?? '');
  return {
    method: request.method ?? '',
    host,
    path: url.pathname,
    query: url.searchParams,
    authorization: header('authorization'),
    body: Buffer.concat(parts).toString(),
    atMs: Date.now(),
    header,
  };
}

/** The body's object; empty where it is none. */
export function bodyOf(call: Call): Readonly<Record<string, unknown>> {
  if (call.body === '') return {};
  return JSON.parse(call.body) as Readonly<Record<string, unknown>>; // programs of the lab send objects
}

/** Sends JSON in any form; `isProtocol`: its names are those of a protocol's definition. */
export function sendJson(
  response: ServerResponse,
  random: Seeded,
  status: number,
  value: Json,
  headers: Readonly<Record<string, string>> = {},
  isProtocol = false,
): Promise<void> {
  const form = drawForm(random);
  const text = writeJson(value, random, isProtocol ? { ...form, isPascal: false } : form);
  return sendText(response, random, status, text, headers);
}

/** Sends a text of JSON in chunks of any size, some of them late. */
export async function sendText(
  response: ServerResponse,
  random: Seeded,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>>,
): Promise<void> {
  const bytes = Buffer.from(text);
  response.writeHead(status, {
    'content-type': random.pick(['application/json', 'application/json; charset=utf-8']),
    ...headers,
  });
  const size = random.pick([bytes.length + 1, 4096, 1000, Math.ceil(bytes.length / 3) + 1]);
  for (let at = 0; at < bytes.length; at += size) {
    if (response.destroyed) return;
    response.write(bytes.subarray(at, at + size));
    if (random.chance(0.05)) await sleep(random.below(15));
  }
  response.end();
}
