import { once } from 'node:events';
import { connect, createServer as createTcp } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import t from 'tap';
import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import type { Attribution } from '../../flow/job.ts';
import type { Reason } from '../../flow/reason.ts';
import { grantHolder } from '../../proxy/follow.ts';
import { deciderOf } from '../../proxy/policy-decider.ts';
import { policyOf } from '../policy/judge.ts';
import {
  asHost,
  asRequest,
  collect,
  enterNamespace,
  jobNamed,
  listenOn,
  makeAuthority,
  makeRig,
  open,
  openTls,
  serverAddress,
  shut,
} from './rig.ts';
import type { Rig } from './rig.ts';

enterNamespace();
const authority = makeAuthority();
const listen = (server: Server) => listenOn(t, server);
const last = 'Connection: close\r\n\r\n';

await t.test('a grant from a redirect opens requests, never a tunnel', async (t) => {
  const heads: string[] = [];
  const files = authority.filesFor('a.test');
  const server = createTls(
    { ...files, SNICallback: (name, done) => done(null, authority.contextFor(name)) },
    (socket) => {
      socket
        .on('error', () => {})
        .on('data', (bytes: Buffer) => {
          const head = bytes.toString('latin1').split(' HTTP/')[0]!;
          heads.push(`${String(socket.servername)} ${head}`);
          const to = `https://evil.test:${(server.address() as AddressInfo).port}/one`;
          socket.end(
            head === 'GET /start'
              ? `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`
              : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
          );
        });
    },
  );
  const port = await listen(server);
  const rig = await makeRig(authority, port);
  t.teardown(() => rig.close());
  rig.host = ({ host }) => (host === 'a.test' ? asHost(open) : asHost(shut, 'pass-through'));
  rig.request = ({ host }) => (host === 'a.test' ? asRequest(open, { follow: true }) : asRequest(shut));
  const ask = async (host: string, method: string, path: string) => {
    const client = await openTls(rig.port, host, authority.ca);
    const answer = await collect(client, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${last}`);
    return answer.slice(9, 12);
  };
  t.equal(await ask('a.test', 'GET', '/start'), '302');
  t.equal(await ask('evil.test', 'POST', '/one'), '403');
  t.equal(await ask('evil.test', 'GET', '/two'), '403');
  t.equal(await ask('evil.test', 'GET', '/one'), '200');
  t.same(heads, ['a.test GET /start', 'evil.test GET /one']);
});

/** A package by the shape of its path: `/NAME-VERSION`, malicious where its name says so. */
function readShape({ host, path, credential }: AskedRequest): Understanding | null {
  const [, name = '', version = ''] = /^\/([a-z]+)-([0-9.]+)$/.exec(path) ?? [];
  if (name === '') return null;
  const malicious = name === 'evil' ? 'MAL-1' : null;
  const facts = { ageMs: null, atLeastMs: null, timeClass: 'unknown', malicious } as const;
  const purl = `pkg:npm/${name}`;
  const touch = {
    kind: 'package',
    access: 'read',
    act: 'install',
    purl,
    version,
    registry: host,
    facts,
  } as const;
  const operation = {
    platform: 'npm',
    server: host,
    name: 'npm/install',
    access: 'read',
    touches: [touch],
    needs: [{}],
    ungrantable: [],
    sureness: 'known',
    widens: false,
    credential,
    detail: null,
    ...(host === 'a.test' ? {} : { byShape: true as const }),
  } as const;
  return { operation, evidence: [] };
}

await t.test('where an answer leads opens no package that may not be had', async (t) => {
  const files = authority.filesFor('a.test');
  const server = createTls(
    { ...files, SNICallback: (name, done) => done(null, authority.contextFor(name)) },
    (socket) => {
      socket
        .on('error', () => {})
        .on('data', (bytes: Buffer) => {
          const path = bytes.toString('latin1').split(' ')[1]!;
          const to = `https://b.test:${(server.address() as AddressInfo).port}${path.replace('/to', '')}`;
          socket.end(
            socket.servername === 'a.test'
              ? `HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`
              : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
          );
        });
    },
  );
  const port = await listen(server);
  const rule = `http: {id: a, host: a.test, port: ${port}, follow: true}`;
  const terms =
    'packages: {malware: block, unknownAge: block, age: {purl: "pkg:npm/*", registry: b.test, min: 1h}}';
  // Everything leads to loopback here.
  const decider = { ...deciderOf(policyOf(`${rule}\n${terms}`)), dial: () => null };
  const rig = await makeRig(authority, port, {
    decider: () => decider,
    interpreter: { understand: readShape, mayHold: () => false },
  });
  t.teardown(() => rig.close());
  const ask = async (host: string, path: string) => {
    const client = await openTls(rig.port, host, authority.ca);
    return (await collect(client, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${last}`)).slice(9, 12);
  };
  for (const [from, to, expected] of [
    ['/to/page', '/page', '200'],
    ['/to/evil-1.0.0', '/evil-1.0.0', '403'],
    ['/to/app-1.0.0', '/app-1.0.0', '403'],
    ['/app-2.0.0', '/app-2.0.0', '200'],
  ] as const) {
    t.equal(await ask('a.test', from), '302');
    t.equal(await ask('b.test', to), expected, to);
  }
  t.same(
    rig
      .closed('request')
      .flatMap(({ destination, decision }) => (destination.host === 'b.test' ? decision.reason : [])),
    ['rule', 'malicious-package', 'unknown-age', 'rule'],
    'the last one was judged where its registry was asked',
  );
});

/** A tunnel that is being dialled: resolution waits for `go`. */
async function openSlowly(): Promise<{ rig: Rig; go: () => void; got: string[] }> {
  const got: string[] = [];
  const port = await listen(
    createTcp(
      (socket) =>
        void socket
          .on('error', () => {})
          .on('data', (bytes: Buffer) => got.push(bytes.toString('hex', 0, 1))),
    ),
  );
  let go = () => {};
  const gate = new Promise<void>((resolve) => (go = resolve));
  const resolver = { resolve: async () => (await gate, [serverAddress]) };
  const rig = await makeRig(authority, port, { resolver });
  t.teardown(() => rig.close());
  rig.host = () => asHost(open, 'pass-through');
  const client = connectTls({ port: rig.port, host: '127.0.0.1', servername: 'a.test' });
  client.on('error', () => {});
  t.teardown(() => client.destroy());
  await rig.until(() => rig.records.length === 1);
  return { rig, go, got };
}

await t.test('a policy that changes while a connection is being dialled counts', async (t) => {
  const changes: readonly [what: string, change: (rig: Rig) => void, reason: Reason][] = [
    ['the host is blocked', (rig) => (rig.host = () => asHost(shut, 'pass-through')), 'no-rule'],
    ['the host is to be opened', (rig) => (rig.host = () => asHost(open, 'intercept')), 'rule'],
    ['the address is on the blocklist', (rig) => (rig.dial = () => 'blocklist'), 'blocklist'],
  ];
  for (const [what, change, reason] of changes) {
    const { rig, go, got } = await openSlowly();
    change(rig);
    rig.revision = 'r1';
    go();
    await rig.until(() => rig.closed('connection').length === 1);
    t.equal(rig.closed('connection')[0]?.ended, reason, what);
    t.same(got, [], 'nothing was sent');
  }
  const { rig, go, got } = await openSlowly();
  rig.revision = 'r1';
  go();
  await rig.until(() => got.length > 0);
  t.equal(got[0], '16', 'the same answer again lets it through');
});

/** A transfer that goes on for ever, by tunnel or by request. */
async function openEndless(isTunnel: boolean): Promise<{ rig: Rig; client: Socket }> {
  const port = await listen(
    createTcp((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nx'));
    }),
  );
  const rig = await makeRig(authority, port);
  t.teardown(() => rig.close());
  if (isTunnel) rig.host = () => asHost(open, 'pass-through');
  const client = connect(rig.port, '127.0.0.1').on('error', () => {});
  t.teardown(() => client.destroy());
  const hello = Buffer.from(helloOf('a.test'), 'hex');
  client.write(isTunnel ? hello : 'GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
  await new Promise((resolve) => client.once('data', resolve));
  return { rig, client };
}

/** The smallest ClientHello with a server name (RFC 8446 §4.1.2, RFC 6066 §3), as hex. */
function helloOf(name: string): string {
  const sized = (hex: string, bytes: number) => (hex.length / 2).toString(16).padStart(bytes * 2, '0') + hex;
  const list = sized(`00${sized(Buffer.from(name).toString('hex'), 2)}`, 2);
  const extensions = sized(`0000${sized(list, 2)}`, 2);
  const body = `0303${'00'.repeat(32)}00${sized('1301', 2)}0100${extensions}`;
  return `160301${sized(`01${sized(body, 3)}`, 2)}`;
}

await t.test('an address that may no longer be used ends what is open to it', async (t) => {
  for (const isTunnel of [true, false]) {
    const { rig } = await openEndless(isTunnel);
    rig.revision = 'r1';
    await new Promise((resolve) => setTimeout(resolve, 400));
    t.equal(rig.closed('connection').length, 0, 'the same answers leave it open');
    rig.dial = () => 'blocklist';
    rig.revision = 'r2';
    await rig.until(() => rig.closed('connection').length === 1);
    const [closed] = rig.closed(isTunnel ? 'connection' : 'request');
    t.match(closed, { ended: 'blocklist', policyRevision: 'r0', decision: { verdict: 'allow', rule: 'r1' } });
  }
});

await t.test('a quarantine closes everything of its runner', async (t) => {
  const { rig, client } = await openEndless(true);
  const silent = connect(rig.port, '127.0.0.1').on('error', () => {});
  silent.write('GET');
  await new Promise((resolve) => setTimeout(resolve, 100));
  rig.proxy.end('192.0.2.1', 'quarantine');
  t.equal(client.destroyed, false);
  rig.proxy.end('127.0.0.1', 'quarantine');
  await rig.until(() => rig.closed('connection').length === 2);
  t.same(
    rig.closed('connection').map(({ ended, decision }) => `${String(ended)} ${decision.reason}`),
    ['quarantine rule', 'quarantine quarantine'],
  );
});

await t.test('a transfer that a redirect opened outlives a reload that changes nothing', async (t) => {
  const port = await listen(
    createTls(
      {
        ...authority.filesFor('a.test'),
        SNICallback: (name, done) => done(null, authority.contextFor(name)),
      },
      (socket) => {
        socket
          .on('error', () => {})
          .on('data', (bytes: Buffer) => {
            const to = `https://b.test:${port}/part`;
            if (!bytes.includes('GET /start'))
              return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na');
            socket.write(`HTTP/1.1 302 Found\r\nLocation: ${to}\r\nContent-Length: 0\r\n\r\n`);
          });
      },
    ),
  );
  const rig = await makeRig(authority, port, { limits: { lingerMs: 50, drainMs: 50 } });
  t.teardown(() => rig.close());
  rig.host = ({ host }) => asHost(host === 'a.test' ? open : shut);
  rig.request = ({ host }) => (host === 'a.test' ? asRequest(open, { follow: true }) : asRequest(shut));
  const start = await openTls(rig.port, 'a.test', authority.ca);
  t.match(await collect(start, `GET /start HTTP/1.1\r\nHost: a.test\r\n${last}`), /302/);
  const client = await openTls(rig.port, 'b.test', authority.ca);
  client.write('GET /part HTTP/1.1\r\nHost: b.test\r\n\r\n');
  await new Promise((resolve) => client.once('data', resolve));
  rig.revision = 'r1';
  await new Promise((resolve) => setTimeout(resolve, 400));
  t.equal(rig.closed('request').length, 1, 'only the redirect is over');
  client.destroy();
});

await t.test('a client cannot hold a tunnel whose server has ended it', async (t) => {
  const port = await listen(createTcp((socket) => void socket.on('error', () => {}).end()));
  const rig = await makeRig(authority, port, { limits: { lingerMs: 100 } });
  t.teardown(() => rig.close());
  rig.host = () => asHost(open, 'pass-through');
  const client = connect({ port: rig.port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  client.write(Buffer.from(helloOf('a.test'), 'hex'));
  const timer = setInterval(() => client.write('more'), 20);
  await rig.until(() => rig.closed('connection').length === 1, 3_000);
  clearInterval(timer);
  client.destroy();
  t.ok(true, 'it was closed');
});

await t.test(
  'who was accepted before its worker retired is served, also by way of a load balancer',
  async (t) => {
    const peers = { isPeer: () => true, isRunner: () => true };
    const rig = await makeRig(authority, 80, { peers, limits: { lingerMs: 50 } });
    t.teardown(() => rig.close());
    rig.request = () => asRequest(shut);
    const client = connect(rig.port, '127.0.0.1');
    await once(client, 'connect');
    await new Promise((resolve) => setTimeout(resolve, 20));
    let isOver = false;
    const retired = rig.proxy.retire(2_000).then(() => (isOver = true));
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.notOk(isOver, 'it is waited for');
    const header = Buffer.from('0d0a0d0a000d0a515549540a2111000c0a4d010a0a4d0001c35001bb', 'hex');
    const answer = collect(
      client,
      Buffer.concat([header, Buffer.from(`GET / HTTP/1.1\r\nHost: a.test\r\n${last}`)]),
    );
    t.match(await answer, /^HTTP\/1\.1 403 /);
    await retired;
  },
);

await t.test('a client that resets before it has said enough is no error of ours', async (t) => {
  const rig = await makeRig(authority, 443);
  t.teardown(() => rig.close());
  for (const [index, said] of ['', '\x16\x03', 'GET / HT'].entries()) {
    const client = connect(rig.port, '127.0.0.1').on('error', () => {});
    await once(client, 'connect');
    if (said !== '') client.write(said);
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.resetAndDestroy();
    await rig.until(() => rig.closed('connection').length > index);
    t.match(rig.closed('connection')[index], {
      decision: { reason: 'client-closed' },
      ended: 'client-closed',
    });
  }
});

await t.test(
  'an answer that changes whose the runner is goes on whole, and what else is open is decided anew',
  async (t) => {
    const files = authority.filesFor('a.test');
    const server = createTls(
      { ...files, SNICallback: (name, done) => done(null, authority.contextFor(name)) },
      (socket) => {
        socket
          .on('error', () => {})
          .on('data', (bytes: Buffer) => {
            const path = bytes.toString('latin1').split(' ')[1]!;
            if (path === '/rest')
              return void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nrest!');
            socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n');
            if (path === '/job') setTimeout(() => socket.write('4\r\nlast\r\n0\r\n\r\n'), 20);
          });
      },
    );
    const port = await listen(server);
    const jobs = [jobNamed('first'), jobNamed('second')].map((job, at) => ({
      ...job,
      jobId: `github.com/${at}`,
    }));
    let current: Attribution = jobs[0]!;
    const heard: unknown[] = [];
    const news = { kind: 'polled', server: 'a.test', agent: 'x' } as const;
    const reader: Understanding = {
      operation: null,
      evidence: [],
      answer: {
        limits: { maxBytes: 1_000, maxDecodedBytes: 1_000, maxRatio: 10 },
        wantsBody: () => true,
        read: () => ({ grants: [], accepted: null, evidence: [], news: [news] }),
      },
    };
    const rig: Rig = await makeRig(authority, port, {
      attribution: { attribute: () => current },
      interpreter: { understand: ({ path }) => (path === '/job' ? reader : null) },
      hearJobs: (runner, told) => {
        heard.push(...told);
        current = jobs[1]!;
        rig.proxy.reattribute(runner, [jobs[0]!]);
      },
    });
    t.teardown(() => rig.close());
    const mayFirst = () => (current === jobs[0] ? open : shut);
    rig.host = () => asHost(mayFirst());
    rig.request = () => asRequest(mayFirst());
    /** What has come when the form is found; the socket stays as it is. */
    const read = (socket: Socket, path: string, form: RegExp) =>
      new Promise<string>((resolve) => {
        let text = '';
        socket.on('data', (bytes: Buffer) => {
          text += bytes.toString('latin1');
          if (form.test(text)) resolve(text);
        });
        socket.write(`GET ${path} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
      });
    const other = await openTls(rig.port, 'a.test', authority.ca);
    const kept = await openTls(rig.port, 'a.test', authority.ca);
    t.match(await read(other, '/slow', /first/), /first/);
    t.match(await read(kept, '/rest', /rest!/), /rest!/);
    const ended = [once(other, 'close'), once(kept, 'close')];
    const teller = await openTls(rig.port, 'a.test', authority.ca);
    const over = once(teller, 'end');
    const answer = await read(teller, '/job', /0\r\n\r\n/);
    t.match(answer, /first[^]*last\r\n0\r\n\r\n$/, 'the answer that said so is whole');
    await Promise.all([over, ...ended]);
    t.same(heard, [news]);
    const requests = rig
      .closed('request')
      .map(({ http, ended: why, attribution }) => [http?.path, why, attribution.jobId]);
    t.same(
      requests.toSorted(([a = ''], [b = '']) => (a! < b! ? -1 : 1)),
      [
        ['/job', null, 'github.com/0'],
        ['/rest', null, 'github.com/0'],
        ['/slow', 'no-rule', 'github.com/0'],
      ],
      'each is its own job’s, and one was cut',
    );
    t.same(rig.errors, []);
  },
);

await t.test('the next job with the same words inherits nothing that the one before was given', async (t) => {
  const [one, next] = ['1', '2'].map((serial) => ({ ...jobNamed('build'), jobId: `github.com/${serial}` }));
  t.not(grantHolder(one!, '10.0.0.1'), grantHolder(next!, '10.0.0.1'));
  t.equal(
    grantHolder(one!, '10.0.0.1'),
    grantHolder({ ...one! }, 'fd00::1'),
    'over the other family it is the same',
  );
  t.equal(grantHolder({ ...one!, conflict: true }, '10.0.0.1'), 'runner 10.0.0.1');
});
