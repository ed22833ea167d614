import { connect as connectHttp2, createSecureServer } from 'node:http2';
import type {
  ClientHttp2Session,
  Http2SecureServer,
  OutgoingHttpHeaders,
  ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import {
  asHost,
  asRequest,
  enterNamespace,
  makeAuthority,
  makeRig,
  open,
  serverAddress,
  shut,
} from './rig.ts';
import type { Rig } from './rig.ts';
import type { ProxyPorts, RequestQuery } from '../../proxy/options.ts';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';

enterNamespace();
const authority = makeAuthority();
const leaf = authority.filesFor('origin.test');

type OnStream = (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void;

async function serve(t: Test, onStream: OnStream, settings = {}): Promise<number> {
  const server: Http2SecureServer = createSecureServer({ ...leaf, settings });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    onStream(stream, headers);
  });
  server.on('sessionError', () => {});
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function start(t: Test, port: number, ports: Partial<ProxyPorts> = {}): Promise<Rig> {
  const rig = await makeRig(authority, port, { http2: { start: startHttp2, answer: answerHttp2 }, ...ports });
  t.teardown(() => rig.close());
  return rig;
}

function client(t: Test, rig: Rig, options = {}): ClientHttp2Session {
  const session = connectHttp2('https://origin.test', {
    ca: authority.ca,
    servername: 'origin.test',
    ...options,
    host: '127.0.0.1',
    port: rig.port,
  } as Parameters<typeof connectHttp2>[1]);
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

interface Answer {
  status: number;
  headers: Record<string, unknown>;
  trailers: Record<string, unknown>;
  interim: number[];
  body: string;
  code: number;
}

/** One request; settles when its stream is closed. */
function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body: string | Buffer | null = null,
): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = session.request({ ':authority': `origin.test`, ...headers }, { endStream: body === null });
    const answer: Answer = { status: 0, headers: {}, trailers: {}, interim: [], body: '', code: 0 };
    stream.on('response', (got) => {
      answer.status = got[':status'] ?? 0;
      answer.headers = got;
    });
    stream.on('headers', (got) => answer.interim.push(got[':status'] ?? 0));
    stream.on('trailers', (got) => (answer.trailers = got));
    stream.on('data', (bytes: Buffer) => (answer.body += bytes.toString('latin1')));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ ...answer, code: stream.rstCode ?? 0 }));
    if (body !== null) stream.end(body);
  });
}

t.test('streams of one connection are decided one by one, and only the blocked ones fail', async (t) => {
  const seen: string[] = [];
  const port = await serve(t, (stream, headers) => {
    seen.push(`${String(headers[':method'])} ${String(headers[':path'])} ${String(headers['x-n'])}`);
    stream.respond({ ':status': 200, 'x-n': headers['x-n'] as string });
    stream.end(`hello ${String(headers[':path'])}`);
  });
  const rig = await start(t, port);
  rig.request = (query: RequestQuery) => asRequest(query.path.startsWith('/no') ? shut : open);
  const session = client(t, rig);
  const asked = Array.from({ length: 60 }, (_, i) =>
    ask(session, {
      ':path': i % 3 === 1 ? `/no/${i}` : `/yes/${i}`,
      'x-n': `value ${i}`,
    }),
  );
  const answers = await Promise.all(asked);
  answers.forEach((answer, i) => {
    if (i % 3 === 1) {
      t.equal(answer.status, 403, `stream ${i} is blocked`);
      t.equal(answer.headers['x-sallyport-reason'], 'no-rule');
      return;
    }
    t.equal(answer.status, 200, `stream ${i} is served`);
    t.equal(answer.headers['x-n'], `value ${i}`);
    t.equal(answer.body, `hello /yes/${i}`);
  });
  t.equal(seen.length, 40, 'the server saw the allowed ones alone');
  t.notOk(seen.some((line) => line.includes('/no')));
  session.close();
  await rig.until(() => rig.closed('connection').length === 1);
  const requests = rig.closed('request');
  t.equal(requests.length, 60);
  t.same(rig.records.filter((record) => record.kind === 'request' && record.phase === 'opened').length, 60);
  const first = requests.find((record) => record.http?.path === '/yes/0')!;
  t.match(first, {
    http: { method: 'GET', version: '2', status: 200 },
    destination: { host: 'origin.test', address: serverAddress, port, protocol: 'https' },
    decision: { verdict: 'allow', rule: 'r1' },
    ended: null,
  });
  t.equal(first.parent, rig.closed('connection')[0]!.id);
  t.same(rig.errors, []);
});
