import { execFileSync, spawn } from 'node:child_process';
import { X509Certificate, generateKeyPairSync, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { TLSSocket, connect as connectTls, createServer } from 'node:tls';

import * as fc from 'fast-check';
import t from 'tap';

import { loadOrCreateAuthority } from '../../certs/authority.ts';
import { toPem } from '../../certs/authority-certificate.ts';
import { checkToBeSigned } from '../../certs/check-leaf.ts';
import * as der from '../../certs/der.ts';
import { createLeafTemplate, signatureAlgorithmDer, wrap } from '../../certs/leaf-template.ts';
import { LeafIssuer } from '../../certs/leaf.ts';
import { noMeter } from '../../flow/ports.ts';

const cases = Number(process.env['FUZZ_CASES'] ?? 2000);
const dayMs = 86_400_000;
const authority = loadOrCreateAuthority(t.testdir({}));
const leafKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
  type: 'spki',
  format: 'der',
});
const signKey = (bytes: Uint8Array) => sign('sha256', bytes, authority.keyPem);
const certificateOf = (tbs: Uint8Array) =>
  wrap(0x30, tbs, signatureAlgorithmDer, der.encodeDer(der.bitString(signKey(tbs))));
const longName = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(56)}.test`;

t.test('a leaf for each kind of name is one that openssl verifies strictly', async (t) => {
  const dir = t.testdir({ 'ca.pem': authority.certificatePem });
  const template = createLeafTemplate(authority, leafKey);
  for (const [name, option] of [
    ['example.com', '-verify_hostname'],
    ['my_bucket.s3.example.com', '-verify_hostname'],
    [longName, '-verify_hostname'],
    ['192.0.2.7', '-verify_ip'],
    ['2001:db8::7', '-verify_ip'],
  ] as const) {
    const tbs = template.fill(name, Date.now());
    checkToBeSigned(tbs.der, authority);
    writeFileSync(join(dir, 'leaf.pem'), toPem('CERTIFICATE', certificateOf(tbs.der)));
    const args = [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      option,
      name,
      '-CAfile',
      join(dir, 'ca.pem'),
      join(dir, 'leaf.pem'),
    ];
    t.match(execFileSync('openssl', args).toString(), /: OK/, name.slice(0, 30));
  }
  const leaf = new X509Certificate(certificateOf(template.fill('example.com', Date.now()).der));
  t.equal(leaf.subjectAltName, 'DNS:example.com');
  t.notOk(leaf.subject);
  t.equal(leaf.validToDate.getTime() - leaf.validFromDate.getTime(), 8 * dayMs);
});

t.test('the validity of a leaf ends with that of the authority', async (t) => {
  const nowMs = authority.notAfterMs - dayMs;
  const tbs = createLeafTemplate(authority, leafKey).fill('example.com', nowMs);
  checkToBeSigned(tbs.der, authority, nowMs);
  t.equal(new X509Certificate(certificateOf(tbs.der)).validToDate.getTime(), authority.notAfterMs);
});

t.test(
  'one context per name: minted once for many askers, renewed before it ends, limited per runner',
  async (t) => {
    let nowMs = Date.now();
    const counted: string[] = [];
    const asked: Uint8Array[] = [];
    const issuer = new LeafIssuer({
      authority,
      sign: async (tbs) => {
        asked.push(tbs);
        checkToBeSigned(tbs, authority, nowMs);
        return signKey(tbs);
      },
      meter: { ...noMeter, count: (name) => counted.push(name) },
      mintsPerRunnerPerMinute: 3,
      cacheSize: 4,
      now: () => nowMs,
    });
    const first = await Promise.all(
      Array.from({ length: 50 }, async () => issuer.contextFor('a.test', 'r1')),
    );
    t.equal(new Set(first).size, 1);
    t.equal(asked.length, 1);
    t.equal(issuer.contextFor('a.test', 'r2'), first[0], 'a cached context comes at once');
    t.same(counted, ['sallyport_leaves_minted_total']);

    await issuer.contextFor('b.test', 'r1');
    await issuer.contextFor('c.test', 'r1');
    await t.rejects(Promise.resolve(issuer.contextFor('d.test', 'r1')), { code: 'runner-limit' });
    await issuer.contextFor('d.test', 'r2');
    nowMs += 20_000;
    await issuer.contextFor('e.test', 'r1');
    await t.rejects(Promise.resolve(issuer.contextFor('f.test', 'r1')), { code: 'runner-limit' });

    nowMs += 7 * dayMs - 2 * 3_600_000;
    t.type(issuer.contextFor('e.test', 'r1'), 'SecureContext', 'an hour and more is left');
    nowMs += 3_600_000;
    t.type(issuer.contextFor('e.test', 'r1'), Promise);
  },
);

t.test('names without end leave the cache bounded, and one subnet of addresses has one budget', async (t) => {
  let entries = 0;
  const nowMs = Date.now();
  const issuer = new LeafIssuer({
    authority,
    sign: async (tbs) => signKey(tbs),
    meter: { ...noMeter, gauge: (_name, value) => (entries = value) },
    cacheSize: 16,
    mintsPerRunnerPerMinute: 100,
    now: () => nowMs,
  });
  const kept = await issuer.contextFor('kept.test', '10.0.0.1');
  for (let at = 0; at < 99; at++) {
    await issuer.contextFor(`n${at}.wild.test`, '10.0.0.1');
    if (issuer.contextFor('kept.test', '10.0.0.2') !== kept) t.fail('what is used stays');
  }
  t.equal(entries, 16);
  const fromMany = Array.from({ length: 401 }, async (_, at) =>
    issuer.contextFor(`m${at}.test`, `2001:db8::${at.toString(16)}`),
  );
  const results = await Promise.allSettled(fromMany);
  t.equal(results.filter(({ status }) => status === 'rejected').length, 1);
});

t.test('a keeper that refuses is passed on, and the next asker tries again', async (t) => {
  let fails = true;
  const issuer = new LeafIssuer({
    authority,
    sign: async (tbs) => {
      if (fails) throw new Error('gone');
      return signKey(tbs);
    },
    meter: noMeter,
  });
  await t.rejects(Promise.resolve(issuer.contextFor('a.test', 'r')), /gone/);
  fails = false;
  t.ok(await issuer.contextFor('a.test', 'r'));
});

t.test('curl and openssl connect to names that the gateway stands in for', async (t) => {
  const dir = t.testdir({ 'ca.pem': authority.certificatePem });
  const issuer = new LeafIssuer({ authority, sign: async (tbs) => signKey(tbs), meter: noMeter });
  const server = createServer(
    {
      SNICallback: (name, done) => {
        void Promise.resolve(issuer.contextFor(name, 'r'))
          .catch(() => undefined)
          // oxlint-disable-next-line promise/no-callback-in-promise
          .then((context) => done(null, context));
      },
    },
    (socket: TLSSocket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok'),
  );
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const port = String((server.address() as AddressInfo).port);
  const run = (command: string, args: string[]) =>
    new Promise<string>((done) => {
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      let text = '';
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
      child.on('close', () => done(text));
    });
  const curl = (host: string) =>
    run('curl', [
      '-sS',
      '--cacert',
      join(dir, 'ca.pem'),
      '--resolve',
      `${host}:${port}:127.0.0.1`,
      `https://${host}:${port}/`,
    ]);
  t.equal(await curl('example.com'), 'ok');
  t.equal(await curl(longName), 'ok');
  const strict = await run('openssl', [
    's_client',
    '-x509_strict',
    '-verify_return_error',
    '-CAfile',
    join(dir, 'ca.pem'),
    '-servername',
    'a.test',
    '-verify_hostname',
    'a.test',
    '-connect',
    `127.0.0.1:${port}`,
  ]);
  t.match(strict, /Verification: OK/);
});

// ---- what the keeper refuses

type Part = ReturnType<typeof der.sequence>;
interface Shape {
  version: Part;
  serial: Part;
  algorithm: Part;
  issuer: Part;
  validity: Part;
  subject: Part;
  key: Part;
  extensions: Part[];
  more: Part[];
}
const critical = (id: string, value: Part) => der.extension(id, true, value);
const plain = (id: string, value: Part) => der.extension(id, false, value);
const dns = (name: string) => der.taggedBytes(2, Buffer.from(name, 'latin1'));
const san = (...names: Part[]) => critical(der.oids.subjectAltName, der.sequence(...names));
const keyUsage = (byte: number, unused: number) =>
  critical(der.oids.keyUsage, der.bitString(Uint8Array.of(byte), unused));
const eku = (...ids: string[]) => plain(der.oids.extendedKeyUsage, der.sequence(...ids.map(der.oid)));
const aki = (id: Buffer) => plain(der.oids.authorityKeyIdentifier, der.sequence(der.taggedBytes(0, id)));
const good = (): Shape => ({
  version: der.tagged(0, der.integer(2)),
  serial: der.integer(Buffer.from('4102030405060708090a0b0c0d0e0f10', 'hex')),
  algorithm: der.sequence(der.oid(der.oids.ecdsaWithSha256)),
  issuer: der.rawDer(authority.subjectDer),
  validity: der.sequence(der.time(Date.now() - 60_000), der.time(Date.now() + dayMs)),
  subject: der.sequence(),
  key: der.rawDer(leafKey),
  extensions: [
    keyUsage(0x80, 7),
    eku(der.oids.serverAuth),
    aki(authority.keyIdentifier),
    san(dns('example.com')),
  ],
  more: [],
});
const build = (shape: Shape) =>
  der.encodeDer(
    der.sequence(
      shape.version,
      shape.serial,
      shape.algorithm,
      shape.issuer,
      shape.validity,
      shape.subject,
      shape.key,
      der.tagged(3, der.sequence(...shape.extensions)),
      ...shape.more,
    ),
  );
const change = (apply: (shape: Shape) => void) => {
  const shape = good();
  apply(shape);
  return build(shape);
};
/** Replaces one extension (by its place in `good`), or adds one. */
const extend = (extension: Part, place?: number) =>
  change((shape) =>
    place === undefined ? shape.extensions.push(extension) : (shape.extensions[place] = extension),
  );
const name = (text: string) => extend(san(dns(text)), 3);
const paddedSerial = build(good());
paddedSerial.set([0, 2], paddedSerial.indexOf(Buffer.from('41020304', 'hex')));
const offCurve = Buffer.from(leafKey);
offCurve[90]! ^= 1;

t.test('the cheapest cipher that a client names is used, and one that it names alone too', async (t) => {
  const issuer = new LeafIssuer({ authority, sign: async (tbs) => signKey(tbs), meter: noMeter });
  const secureContext = await issuer.contextFor('a.test', 'r');
  const server = createTcpServer((socket) => {
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {});
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  const offers = [
    ['TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256', 'TLS_AES_128_GCM_SHA256'],
    ['TLS_AES_256_GCM_SHA384', 'TLS_AES_256_GCM_SHA384'],
    ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'],
  ] as const;
  for (const [ciphers, expected] of offers) {
    const ca = authority.certificatePem;
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'a.test', ca, ciphers });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    t.equal(socket.getCipher().name, expected, ciphers);
    socket.destroy();
  }
});

t.test('the keeper signs the shapes of a leaf and no other', async (t) => {
  const allowed: [string, Buffer][] = [
    ['the plain one', build(good())],
    ['CA:FALSE said aloud', extend(plain(der.oids.basicConstraints, der.sequence()))],
    ['an IPv4 address', extend(san(der.taggedBytes(7, Buffer.from([192, 0, 2, 1]))), 3)],
    ['without authority key identifier', change((shape) => shape.extensions.splice(2, 1))],
    ['a short serial', change((shape) => (shape.serial = der.integer(1)))],
  ];
  for (const [title, tbs] of allowed) t.doesNotThrow(() => checkToBeSigned(tbs, authority), title);

  const refused: [string, Uint8Array, RegExp][] = [
    ['nothing', Buffer.alloc(0), /eight fields/],
    ['a byte after the end', Buffer.concat([build(good()), Buffer.alloc(1)]), /eight fields/],
    ['over the size', Buffer.alloc(1501, 0x30), /over 1500/],
    ['version 1', change((s) => (s.version = der.tagged(0, der.integer(0)))), /version/],
    ['a negative serial', change((s) => (s.serial = der.integer(Uint8Array.of(0x80)))), /serial/],
    ['a zero-padded serial', paddedSerial, /serial/],
    ['a serial of 21 bytes', change((s) => (s.serial = der.integer(Buffer.alloc(21, 1)))), /serial/],
    ['a serial of no bytes', change((s) => (s.serial = der.integer(Buffer.alloc(0)))), /serial/],
    ['sha1', change((s) => (s.algorithm = der.sequence(der.oid('1.2.840.10045.4.1')))), /algorithm/],
    ['another issuer', change((s) => (s.issuer = der.sequence())), /issuer/],
    ['a subject', change((s) => (s.subject = der.rawDer(authority.subjectDer))), /subject/],
    [
      'eleven days',
      change(
        (s) =>
          (s.validity = der.sequence(der.time(Date.now() - 2 * dayMs), der.time(Date.now() + 9 * dayMs))),
      ),
      /longer/,
    ],
    [
      'next month',
      change(
        (s) =>
          (s.validity = der.sequence(der.time(Date.now() + 30 * dayMs), der.time(Date.now() + 31 * dayMs))),
      ),
      /from now/,
    ],
    [
      'before the authority',
      change(
        (s) => (s.validity = der.sequence(der.time(Date.now() - 3 * dayMs), der.time(Date.now() + dayMs))),
      ),
      /within/,
    ],
    [
      'backwards',
      change((s) => (s.validity = der.sequence(der.time(Date.now()), der.time(Date.now() - 60_000)))),
      /longer/,
    ],
    ['one time only', change((s) => (s.validity = der.sequence(der.time(Date.now())))), /malformed/],
    ['the authority’s own key', change((s) => (s.key = der.rawDer(authority.publicKeyDer))), /own/],
    [
      'a P-384 key',
      change(
        (s) =>
          (s.key = der.rawDer(
            generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({
              type: 'spki',
              format: 'der',
            }),
          )),
      ),
      /P-256/,
    ],
    [
      'an RSA key',
      change(
        (s) =>
          (s.key = der.rawDer(
            generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({
              type: 'spki',
              format: 'der',
            }),
          )),
      ),
      /P-256/,
    ],
    ['a point off the curve', change((s) => (s.key = der.rawDer(offCurve))), /not a point/],
    ['CA:TRUE', extend(critical(der.oids.basicConstraints, der.sequence(der.trueValue()))), /CA:FALSE/],
    [
      'CA:FALSE with a path length',
      extend(critical(der.oids.basicConstraints, der.sequence(der.integer(0)))),
      /CA:FALSE/,
    ],
    ['keyCertSign', extend(keyUsage(0x84, 2), 0), /keyUsage/],
    ['cRLSign', extend(keyUsage(0x82, 1), 0), /keyUsage/],
    ['no key usage', change((s) => s.extensions.splice(0, 1)), /missing/],
    [
      'client authentication too',
      extend(eku(der.oids.serverAuth, '1.3.6.1.5.5.7.3.2'), 1),
      /extendedKeyUsage/,
    ],
    ['code signing', extend(eku('1.3.6.1.5.5.7.3.3'), 1), /extendedKeyUsage/],
    ['any usage', extend(eku(der.oids.anyExtendedKeyUsage), 1), /extendedKeyUsage/],
    ['another key identifier', extend(aki(Buffer.alloc(20)), 2), /authorityKeyIdentifier/],
    ['two names', extend(san(dns('a.test'), dns('b.test')), 3), /one name/],
    ['no name', extend(san(), 3), /one name/],
    ['the name twice', extend(san(dns('b.test'))), /twice/],
    ['an e-mail name', extend(san(der.taggedBytes(1, Buffer.from('a@b.test'))), 3), /neither/],
    ['a URI name', extend(san(der.taggedBytes(6, Buffer.from('https://b.test'))), 3), /neither/],
    ['an address of 5 bytes', extend(san(der.taggedBytes(7, Buffer.alloc(5))), 3), /4 or 16/],
    [
      'a name that is not critical',
      extend(plain(der.oids.subjectAltName, der.sequence(dns('a.test'))), 3),
      /critical/,
    ],
    ['a wildcard', name('*.example.com'), /host name/],
    ['upper case', name('Example.com'), /host name/],
    ['a trailing dot', name('example.com.'), /host name/],
    ['an empty label', name('a..b'), /host name/],
    ['a NUL', name('a.test\0.b.test'), /host name/],
    ['a line end', name('a.test\n'), /host name/],
    ['a space', name('a b.test'), /host name/],
    ['an address as a name', name('192.0.2.1'), /host name/],
    ['254 characters', name(`${'a.'.repeat(126)}aa`), /host name/],
    ['name constraints', extend(critical('2.5.29.30', der.sequence())), /unknown/],
    ['an extension of one’s own', extend(plain('1.3.6.1.4.1.99999.1', der.nullValue())), /unknown/],
    ['a unique identifier', change((s) => s.more.push(der.taggedBytes(1, Uint8Array.of(0)))), /eight fields/],
  ];
  for (const [title, tbs, message] of refused) {
    t.throws(() => checkToBeSigned(tbs, authority), { code: 'authority', message }, title);
  }
  const explicitFalse = build(good());
  const at = explicitFalse.indexOf(Buffer.from('0101ff', 'hex'));
  explicitFalse[at + 2] = 0;
  t.throws(
    () => checkToBeSigned(explicitFalse, authority),
    /an extension is malformed/,
    'a default written out',
  );
});

function isHarmlessLeaf(tbs: Uint8Array): boolean {
  const leaf = new X509Certificate(certificateOf(tbs));
  const issuer = new X509Certificate(authority.certificateDer);
  const [entry = '', ...others] = (leaf.subjectAltName ?? '').split(', ');
  return (
    !leaf.ca &&
    !leaf.subject &&
    leaf.checkIssued(issuer) &&
    leaf.verify(issuer.publicKey) &&
    leaf.keyUsage.join() === der.oids.serverAuth &&
    others.length === 0 &&
    /^(DNS:[a-z0-9_.-]+|IP Address:[0-9A-F.:]+)$/.test(entry) &&
    leaf.publicKey.asymmetricKeyDetails?.namedCurve === 'prime256v1' &&
    !leaf.publicKey.equals(issuer.publicKey) &&
    leaf.validToDate.getTime() - leaf.validFromDate.getTime() <= 10 * dayMs
  );
}

function isAccepted(tbs: Uint8Array): boolean {
  try {
    checkToBeSigned(tbs, authority);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'authority') throw error;
    return false;
  }
}

t.test('whatever the keeper accepts is a leaf to openssl, however the bytes were changed', async (t) => {
  const bases = [
    build(good()),
    name('a.test'),
    extend(plain(der.oids.basicConstraints, der.sequence())),
    name(longName),
  ];
  let accepted = 0;
  const mutation = fc.record({
    base: fc.constantFrom(...bases),
    edits: fc.array(
      fc.record({
        at: fc.nat(600),
        bytes: fc.uint8Array({ minLength: 1, maxLength: 3 }),
        kind: fc.constantFrom('set', 'set', 'insert', 'cut'),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  });
  fc.assert(
    fc.property(mutation, ({ base, edits }) => {
      let bytes = Buffer.from(base);
      for (const { at, bytes: value, kind } of edits) {
        const offset = at % bytes.length;
        if (kind === 'set') bytes.set(value.subarray(0, bytes.length - offset), offset);
        else
          bytes = Buffer.concat([
            bytes.subarray(0, offset),
            kind === 'insert' ? value : Buffer.alloc(0),
            bytes.subarray(kind === 'insert' ? offset : offset + value.length),
          ]);
      }
      if (!isAccepted(bytes)) return true;
      accepted++;
      return isHarmlessLeaf(bytes);
    }),
    { numRuns: cases },
  );
  const pool = [
    ...good().extensions,
    keyUsage(0x84, 2),
    keyUsage(0x06, 1),
    eku(der.oids.anyExtendedKeyUsage),
    critical(der.oids.basicConstraints, der.sequence(der.trueValue())),
    plain(der.oids.basicConstraints, der.sequence()),
    san(dns('a.test'), dns('b.test')),
    san(der.taggedBytes(7, Buffer.alloc(16, 1))),
    san(dns('*.test')),
    plain('2.5.29.30', der.nullValue()),
  ];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pool), { minLength: 2, maxLength: 6 }), (extensions) => {
      const tbs = change((shape) => (shape.extensions = extensions));
      if (!isAccepted(tbs)) return true;
      accepted++;
      return isHarmlessLeaf(tbs);
    }),
    { numRuns: Math.ceil(cases / 4), examples: [[good().extensions]] },
  );
  t.ok(accepted > 0, `${accepted} of the changed ones were still leaves`);
});
