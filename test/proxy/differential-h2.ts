// The differential suite over h2: header lists in their order, interim answers, bodies and trailers, as Node's own h2
// shows them at both ends.

import { connect, createSecureServer } from 'node:http2';
import type {
  IncomingHttpHeaders,
  ClientHttp2Session,
  ClientHttp2Stream,
  Http2SecureServer,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Body, Case, Field } from './differential-cases.ts';
import type { Seen } from './differential-h1.ts';

/** Header lists by name, with values in the order in which they are sent; Node wants it so. */
function grouped(fields: readonly Field[]): Record<string, string | string[]> {
  const byName = Object.groupBy(fields, ([name]) => name.toLowerCase());
  return Object.fromEntries(
    Object.entries(byName).map(([name, all = []]) => {
      const values = all.map(([, value]) => value);
      return [name, values.length === 1 ? values[0]! : values];
    }),
  );
}

const length = ({ parts }: Body): string => String(parts.reduce((sum, part) => sum + part.length, 0));
const withLength = (fields: readonly Field[], body: Body): readonly Field[] =>
  body.framing === 'length' ? [...fields, ['content-length', length(body)]] : fields;

function sendBody(stream: ClientHttp2Stream | ServerHttp2Stream, { parts, trailers }: Body): void {
  stream.on('wantTrailers', () => stream.sendTrailers(grouped(trailers)));
  for (const part of parts) stream.write(part);
  stream.end();
}

/** Everything a stream brought, as text. */
function collect(stream: ClientHttp2Stream | ServerHttp2Stream, heads: string[]): Promise<string> {
  const parts: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => parts.push(chunk));
  stream.on('trailers', (_headers: unknown, _flags: unknown, raw: string[]) =>
    heads.push(`trailers ${raw.join('|')}`),
  );
  return new Promise((done) => {
    const finish = (): void => done(`${heads.join('\n')}\n${Buffer.concat(parts).toString('latin1')}`);
    stream.on('end', () => setImmediate(finish));
    stream.on('error', finish);
  });
}

interface Wanted {
  readonly one: Case;
  readonly arrived: (text: string) => void;
}

/** The server: what arrives is kept, the answer is that of the case. */
export class Http2Server {
  readonly #server: Http2SecureServer;
  readonly cases = new Map<string, Wanted>();

  constructor(files: { readonly key: string; readonly cert: string }) {
    this.#server = createSecureServer(files);
    this.#server.on('sessionError', () => {});
    // Node passes the list as it came as the fourth argument; its types do not know what is in it.
    this.#server.on(
      'stream',
      (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, _flags: number, raw: unknown) => {
        const wanted = this.cases.get(String(headers['x-case']));
        stream.on('error', () => stream.close());
        if (wanted === undefined) return stream.close();
        void this.#serve(stream, (raw as string[]).join('|'), wanted);
      },
    );
  }

  async #serve(stream: ServerHttp2Stream, head: string, wanted: Wanted): Promise<void> {
    wanted.arrived(await collect(stream, [head]));
    answerCase(stream, wanted.one);
  }

  async listen(address: string): Promise<number> {
    await new Promise<void>((done) => this.#server.listen(0, address, done));
    // A listening TCP server has this kind of address.
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }
}

function answerCase(stream: ServerHttp2Stream, { method, answer }: Case): void {
  for (const { status, fields } of answer.interim)
    stream.additionalHeaders({ ':status': status, ...grouped(fields) });
  const { status, fields, body } = answer;
  const hasBody = method !== 'HEAD' && body.framing !== 'none';
  const head = {
    ':status': status,
    date: 'Thu, 01 Jan 1970 00:00:00 GMT',
    ...grouped(withLength(fields, body)),
  };
  stream.respond(head, { endStream: !hasBody, waitForTrailers: hasBody && body.trailers.length > 0 });
  if (hasBody) sendBody(stream, body);
}

/** A session with the server, straight or through something at this address. */
export function openSession(address: string, port: number, ca: string): ClientHttp2Session {
  const options = { ca, servername: 'origin.test', host: address, port };
  // Host and port go to the socket below, which the types do not say.
  const session = connect('https://origin.test', options as Parameters<typeof connect>[1]);
  session.on('error', () => {});
  return session;
}

/** Sends one case as a stream and answers what both ends saw. */
export async function tryStream(
  one: Case,
  key: string,
  server: Http2Server,
  session: ClientHttp2Session,
): Promise<Seen> {
  const arrived = new Promise<string | null>((done) => {
    server.cases.set(key, { one, arrived: done });
    setTimeout(done, 3000, null).unref();
  });
  const { method, path, fields, body } = one;
  const hasBody = body.framing !== 'none';
  const first = {
    ':method': method,
    ':path': path,
    ':authority': 'origin.test',
    ':scheme': 'https',
    'x-case': key,
  };
  const options = { endStream: !hasBody, waitForTrailers: hasBody && body.trailers.length > 0 };
  const stream = session.request({ ...first, ...grouped(withLength(fields, body)) }, options);
  const heads: string[] = [];
  for (const name of ['headers', 'response'] as const)
    stream.on(name, (_headers: unknown, _flags: unknown, raw: unknown) =>
      heads.push(`${name} ${(raw as string[]).join('|')}`),
    );
  if (hasBody) sendBody(stream, body);
  const late = new Promise<null>((done) => void setTimeout(done, 3000, null).unref());
  const client = await Promise.race([collect(stream, heads), late]);
  return { server: await arrived, client };
}
