// Requests of a runner's programs, over HTTP/1.1 as theirs are.

import { Agent, request } from 'node:https';
import { once } from 'node:events';

export interface Asked {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly agent?: Agent | false;
  readonly signal?: AbortSignal;
}

export interface Answered {
  readonly status: number;
  readonly location: string;
  readonly text: string;
}

/** Kept by a whole program: its calls go over few connections. */
export const newAgent = (): Agent => new Agent({ keepAlive: true, maxSockets: 4, timeout: 60_000 });

/** @throws Error when there is no answer */
export async function call(url: string, asked: Asked = {}): Promise<Answered> {
  const { body, agent = false, signal } = asked;
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const isJson = text !== body;
  const headers = {
    ...(isJson ? { 'content-type': 'application/json; charset=utf-8' } : {}),
    ...(text === undefined ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
    ...asked.headers,
  };
  const out = request(url, { method: asked.method ?? 'GET', headers, agent, ...(signal ? { signal } : {}) });
  out.end(text);
  const [response] = (await once(out, 'response')) as [import('node:http').IncomingMessage]; // its one argument
  let answer = '';
  for await (const part of response.setEncoding('utf8')) answer += String(part);
  return { status: response.statusCode ?? 0, location: response.headers.location ?? '', text: answer };
}

/** The value under this key of an answer whose names may be in either case; undefined where there is none. */
export function field(value: unknown, ...path: readonly string[]): unknown {
  let at = value;
  for (const name of path) {
    if (typeof at !== 'object' || at === null) return undefined;
    const found = Object.entries(at).find(([key]) => key.toLowerCase() === name.toLowerCase());
    at = found?.[1];
  }
  return at;
}

/** The same as text, empty where there is none. */
export function textField(value: unknown, ...path: readonly string[]): string {
  const found = field(value, ...path);
  return typeof found === 'string' ? found : '';
}
