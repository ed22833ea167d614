// The same 300 requests straight, through ours and through http-mitm-proxy: what server and client see of them is the
// same to the byte with ours. Hop-by-hop headers (RFC 9110 section 7.6.1) are not among them: relay.test.ts has those.

import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Proxy } from 'http-mitm-proxy';
import t from 'tap';
import { answerHttp2 } from '../../proxy/h2/whole-answer.ts';
import { startHttp2 } from '../../proxy/h2/relay.ts';
import { cases } from './differential-cases.ts';
import { dialHttp1, RawServer, tryCase, type Dial, type Seen } from './differential-h1.ts';
import { Http2Server, openSession, tryStream } from './differential-h2.ts';
import { enterNamespace, makeAuthority, makeRig, serverAddress } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const files = authority.filesFor('origin.test');
t.setTimeout(120_000);

/** Where what was seen differs from what was seen without anything between, with the first place. */
function differences(found: readonly Seen[], direct: readonly Seen[]): string[] {
  return cases.flatMap(({ title }, at) =>
    (['server', 'client'] as const).flatMap((side) => {
      const [is, was] = [found[at]![side], direct[at]![side]];
      if (is === was) return [];
      const place = is === null || was === null ? 0 : firstDifference(is, was);
      const near = (text: string | null): string =>
        JSON.stringify(text?.slice(Math.max(0, place - 20), place + 60) ?? null);
      return [`${title}: the ${side} sees ${near(is)} instead of ${near(was)}`];
    }),
  );
}

function firstDifference(one: string, other: string): number {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at += 1;
  return at;
}

/** What is left of a message when the case of names, Date and hop-by-hop headers do not count. */
function withoutLooks({ server, client }: Seen): Seen {
  const strip = (text: string | null): string | null => {
    const [head = '', ...body] = (text ?? '').split('\r\n\r\n');
    const kept = head.split('\r\n').map((line) => line.replace(/^[^:]+:/, (name) => name.toLowerCase()));
    const fields = kept.filter((line) => !/^(?:date|connection|keep-alive|transfer-encoding):/.test(line));
    return [fields.join('\r\n'), ...body].join('\r\n\r\n');
  };
  return { server: strip(server), client: strip(client) };
}

/** All cases, each over a connection of its own. */
async function tryAll(server: RawServer, dial: Dial, limitMs = 2000): Promise<Seen[]> {
  const seen: Seen[] = [];
  for (const one of cases) seen.push(await tryCase(one, server, dial, limitMs));
  return seen;
}

function startPeer(directory: string): Promise<{ readonly port: number; close(): void }> {
  const proxy = new Proxy();
  proxy.onError(() => {});
  // It prints every error of a client or server by itself, besides telling it.
  for (const name of ['error', 'log', 'debug'] as const) t.intercept(console, name, { value: () => {} });
  const lookup = (_host: string, options: { all?: boolean }, done: (...args: unknown[]) => void): void =>
    options.all === true ? done(null, [{ address: serverAddress, family: 4 }]) : done(null, serverAddress, 4);
  // Its types name neither the agent's look-up nor the callback's argument.
  const httpsAgent = new Agent({ ca: authority.ca, keepAlive: true, lookup } as ConstructorParameters<
    typeof Agent
  >[0]);
  return new Promise((done) => {
    proxy.listen({ host: '127.0.0.1', port: 8451, sslCaDir: directory, keepAlive: true, httpsAgent }, () =>
      done({ port: 8451, close: () => (httpsAgent.destroy(), proxy.close()) }),
    );
  });
}

t.test('over h1, ours is the same to the byte at both ends; http-mitm-proxy is not', async (t) => {
  const server = new RawServer(files);
  // The peer dials the port that Host names.
  const port = 443;
  await server.listen(serverAddress, port);
  const rig = await makeRig(authority, port);
  const directory = mkdtempSync(join(tmpdir(), 'differential-'));
  const peer = await startPeer(directory);
  t.teardown(async () => {
    peer.close();
    server.close();
    await rig.close();
    rmSync(directory, { recursive: true });
  });
  const direct = await tryAll(server, () => dialHttp1(port, serverAddress, authority.ca, null));
  t.equal(
    direct.filter((seen) => seen.server === null || seen.client === null).length,
    0,
    'all of them work directly',
  );
  const ours = await tryAll(server, () => dialHttp1(rig.port, '127.0.0.1', authority.ca, null));
  const wrong = differences(ours, direct);
  t.same(wrong.slice(0, 10), []);
  const peerSeen = await tryAll(server, () => dialHttp1(port, serverAddress, null, peer.port), 300);
  const theirs = differences(peerSeen, direct);
  const deeper = differences(peerSeen.map(withoutLooks), direct.map(withoutLooks));
  t.comment(
    `client h1: of ${2 * cases.length} messages ours changes ${wrong.length}, http-mitm-proxy ${theirs.length}, ` +
      `${deeper.length} of them in more than the case of names, Date and hop-by-hop headers`,
  );
  t.ok(theirs.length > 0, 'what rewrites heads is seen to do so');
  t.equal(rig.closed('request').length, cases.length, 'and each is recorded');
});

t.test('over h2, ours is the same in order and content at both ends', async (t) => {
  const server = new Http2Server(files);
  const port = await server.listen(serverAddress);
  const rig = await makeRig(authority, port, { http2: { start: startHttp2, answer: answerHttp2 } });
  t.teardown(async () => {
    server.close();
    await rig.close();
  });
  const tryStreams = async (address: string, at: number): Promise<Seen[]> => {
    const session = openSession(address, at, authority.ca);
    t.teardown(() => session.destroy());
    const seen: Seen[] = [];
    // Ten at once; the order in which a header compressor meets them is then not that of their answers.
    for (let from = 0; from < cases.length; from += 10) {
      const some = cases
        .slice(from, from + 10)
        .map((one, i) => tryStream(one, `${from + i}`, server, session));
      seen.push(...(await Promise.all(some)));
    }
    return seen;
  };
  const direct = await tryStreams(serverAddress, port);
  t.equal(
    direct.filter((seen) => seen.server === null || seen.client === null).length,
    0,
    'all of them work directly',
  );
  const wrong = differences(await tryStreams('127.0.0.1', rig.port), direct);
  t.same(wrong.slice(0, 10), []);
  t.comment(
    `client h2: of ${2 * cases.length} messages ours changes ${wrong.length}; http-mitm-proxy speaks no h2`,
  );
  t.equal(rig.closed('request').length, cases.length, 'and each is recorded');
});
