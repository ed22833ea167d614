import { execFileSync } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import t from 'tap';

import { loadAuthority, loadOrCreateAuthority, readPublicAuthority } from '../../certs/authority.ts';
import { authorityPem, publishAuthority } from '../../certs/bundle.ts';
import { runCaCommand } from '../../certs/ca-command.ts';
import { trustEnvironment, trustVariables } from '../../certs/trust-variables.ts';
import { trustVariables as jobVariables } from '../../netns/trust.ts';

const openssl = (...args: string[]) =>
  execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();

/** A root and an intermediate made by openssl alone, as a company would bring them. */
function makeIntermediate(
  dir: string,
  extra: { curve?: string; ca?: string; days?: string; usage?: string } = {},
) {
  const at = (name: string) => join(dir, name);
  writeFileSync(
    at('ext.cnf'),
    `basicConstraints=critical,${extra.ca ?? 'CA:TRUE,pathlen:0'}\nkeyUsage=critical,${extra.usage ?? 'keyCertSign'}\nsubjectKeyIdentifier=hash\n`,
  );
  const ec = (name: string, curve = 'P-256') =>
    openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`, '-out', at(name));
  ec('root.key');
  ec('key.pem', extra.curve);
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    at('root.key'),
    '-subj',
    '/O=Corp/CN=Corp root',
    '-days',
    '3650',
    '-out',
    at('root.pem'),
  );
  openssl('req', '-new', '-key', at('key.pem'), '-subj', '/O=Corp/CN=Corp CI', '-out', at('req.pem'));
  openssl(
    'x509',
    '-req',
    '-in',
    at('req.pem'),
    '-CA',
    at('root.pem'),
    '-CAkey',
    at('root.key'),
    '-set_serial',
    '7',
    '-days',
    extra.days ?? '30',
    '-extfile',
    at('ext.cnf'),
    '-out',
    at('certificate.pem'),
  );
  return { certificate: at('certificate.pem'), key: at('key.pem'), chain: at('root.pem') };
}

t.test('the authority is made once, with a key that only its owner reads', async (t) => {
  const dir = join(t.testdir({}), 'authority');
  const first = loadOrCreateAuthority(dir);
  t.equal(loadOrCreateAuthority(dir).keyPem, first.keyPem);
  t.equal(statSync(join(dir, 'key.pem')).mode & 0o777, 0o600);
  t.equal(statSync(dir).mode & 0o777, 0o700);
  t.same(readdirSync(dir).sort(), ['certificate.pem', 'key.pem'], 'no partial file is left');

  rmSync(join(dir, 'certificate.pem'));
  t.equal(loadOrCreateAuthority(dir).keyPem, first.keyPem, 'cut off before the certificate: same key');
  rmSync(join(dir, 'key.pem'));
  t.throws(() => loadOrCreateAuthority(dir), {
    code: 'authority',
    message: /key\.pem is missing; restore it/,
  });
});

t.test('openssl reads an authority that may sign leaves and nothing that signs in turn', async (t) => {
  const dir = t.testdir({});
  loadOrCreateAuthority(dir);
  const text = openssl('x509', '-in', join(dir, 'certificate.pem'), '-noout', '-text');
  for (const wanted of [
    /Version: 3 \(0x2\)/,
    /Basic Constraints: critical\n\s+CA:TRUE, pathlen:0/,
    /Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/,
    /Signature Algorithm: ecdsa-with-SHA256/,
    /NIST CURVE: P-256/,
  ]) {
    t.match(text, wanted);
  }
  t.match(
    openssl('verify', '-x509_strict', '-CAfile', join(dir, 'certificate.pem'), join(dir, 'certificate.pem')),
    /OK/,
  );
});

t.test(
  'an intermediate of the operator is taken with its chain, and refused with the remedy when it is unfit',
  async (t) => {
    const files = makeIntermediate(t.testdir({}));
    const own = loadAuthority(files);
    t.equal(new X509Certificate(own.certificatePem).subject, 'O=Corp\nCN=Corp CI');
    t.equal(own.chainPem.trim(), readFileSync(files.chain, 'utf8').trim());
    const again = readPublicAuthority(authorityPem(own));
    t.same(
      [again.subjectDer, again.keyIdentifier, again.chainPem],
      [own.subjectDer, own.keyIdentifier, own.chainPem],
    );

    const makeWith = (name: string, extra: Parameters<typeof makeIntermediate>[1]) => {
      const dir = t.testdirName + name;
      mkdirSync(dir);
      t.teardown(() => rmSync(dir, { recursive: true }));
      return makeIntermediate(dir, extra);
    };
    const other = makeWith('-other', {});
    const cases: [string, () => unknown, RegExp][] = [
      ['the key of another', () => loadAuthority({ ...files, key: other.key }), /is not the key of/],
      [
        'no CA',
        () => loadAuthority(makeWith('-leaf', { ca: 'CA:FALSE' })),
        /no CA certificate; give one with/,
      ],
      [
        'no keyCertSign',
        () => loadAuthority(makeWith('-usage', { usage: 'cRLSign' })),
        /may not sign certificates/,
      ],
      ['another curve', () => loadAuthority(makeWith('-curve', { curve: 'P-521' })), /not P-256 or P-384/],
      ['expired', () => loadAuthority(files, Date.now() + 40 * 86_400_000), /valid from .* only; renew it/],
      ['not yet valid', () => loadAuthority(files, Date.now() - 40 * 86_400_000), /correct the clock/],
      ['no key there', () => loadAuthority({ ...files, key: '/nonexistent/key.pem' }), /does not exist/],
      ['no certificate', () => readPublicAuthority('junk'), /holds no certificate/],
      [
        'a malformed one',
        () => readPublicAuthority('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
        /malformed/,
      ],
    ];
    for (const [name, load, message] of cases) t.throws(load, { code: 'authority', message }, name);
  },
);

t.test('the public files are what openssl and Java take', async (t) => {
  const dir = t.testdir({});
  const authority = loadOrCreateAuthority(join(dir, 'authority'));
  const at = (name: string) => join(dir, 'public', name);
  publishAuthority(authority, join(dir, 'public'));
  t.same(readdirSync(join(dir, 'public')).sort(), [
    'authority.der',
    'authority.p12',
    'authority.pem',
    'bundle.pem',
  ]);
  t.equal(statSync(at('bundle.pem')).mode & 0o777, 0o644);
  const fingerprint = new X509Certificate(readFileSync(at('authority.der'))).fingerprint256;
  t.equal(new X509Certificate(readFileSync(at('authority.pem'))).fingerprint256, fingerprint);
  t.ok(readFileSync(at('bundle.pem'), 'utf8').startsWith(authority.certificatePem));
  const bundled = readFileSync(at('bundle.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)?.length ?? 0;
  t.ok(bundled > 50, `the bundle holds ${bundled} certificates`);

  const listed = openssl('pkcs12', '-in', at('authority.p12'), '-nokeys', '-passin', 'pass:changeit');
  t.equal(listed.match(/BEGIN CERTIFICATE/g)?.length, bundled);
  t.match(listed, /friendlyName: sallyport/);
  t.match(listed, /2\.16\.840\.1\.113894\.746875\.1\.1|Trusted key usage/);
  t.throws(
    () => openssl('pkcs12', '-in', at('authority.p12'), '-nokeys', '-passin', 'pass:wrong'),
    'the MAC is checked',
  );
});

const withoutKeytool = existsSync('/usr/bin/keytool')
  ? false
  : 'keytool is not installed: Java was not asked';
t.test('Java reads the trust store', { skip: withoutKeytool }, async (t) => {
  const dir = t.testdir({});
  const authority = loadOrCreateAuthority(join(dir, 'authority'));
  publishAuthority(authority, dir);
  const fingerprint = new X509Certificate(authority.certificateDer).fingerprint256;
  const java = execFileSync(
    'keytool',
    ['-list', '-keystore', join(dir, 'authority.p12'), '-storepass', 'changeit', '-alias', 'sallyport'],
    { env: { ...process.env, LC_ALL: 'C' } },
  ).toString();
  t.match(java, /trustedCertEntry/);
  t.match(java, fingerprint);
});

t.test('variables that replace roots name the bundle, those that add name our certificate', async (t) => {
  const paths = { bundle: '/b.pem', authority: '/a.pem', trustStore: '/t.p12' };
  const environment = trustEnvironment(paths, { JAVA_TOOL_OPTIONS: '-Xmx1g' });
  t.equal(environment['NODE_EXTRA_CA_CERTS'], '/a.pem');
  t.equal(environment['SSL_CERT_FILE'], '/b.pem');
  t.equal(environment['GIT_SSL_CAINFO'], '/b.pem');
  t.match(environment['JAVA_TOOL_OPTIONS'], /^-Xmx1g -Djavax\.net\.ssl\.trustStore=\/t\.p12 .*PKCS12/);
  t.equal(new Set(trustVariables.map(({ name }) => name)).size, trustVariables.length);
  // npm slows down by a tenth with a hundred roots of this kind, and reads NODE_EXTRA_CA_CERTS.
  t.notOk('npm_config_cafile' in environment);
  const overridden = trustEnvironment(paths, { NPM_CONFIG_CAFILE: '/own.pem' });
  t.equal(overridden['NPM_CONFIG_CAFILE'], '/b.pem');
  const home = t.testdir({ '.npmrc': 'fund=false\ncafile = /own.pem\n' });
  t.equal(jobVariables('/state', { HOME: home })['npm_config_cafile'], '/state/public/bundle.pem');
  const prefix = t.testdir({ bin: {}, etc: { npmrc: 'cafile = /own.pem\n' } });
  const forAll = { HOME: '/nonexistent', PATH: `/nonexistent/bin:${prefix}/bin` };
  t.equal(
    jobVariables('/state', forAll)['npm_config_cafile'],
    '/state/public/bundle.pem',
    'set for everybody',
  );
  t.equal(jobVariables('/state', { ...forAll, PATH: '/nonexistent/bin' })['npm_config_cafile'], undefined);
});

t.test('ca show and ca export print what was published', async (t) => {
  const state = t.testdir({});
  const authority = loadOrCreateAuthority(join(state, 'authority'));
  publishAuthority(authority, join(state, 'public'));
  const run = async (...args: string[]) => {
    const out: Buffer[] = [];
    const errors: Buffer[] = [];
    const sink = (list: Buffer[]) => ({
      write: (chunk: string | Uint8Array) => list.push(Buffer.from(chunk as string)),
    });
    const code = await runCaCommand([...args, '--state', state], { stdout: sink(out), stderr: sink(errors) });
    return { code, out: Buffer.concat(out), errors: Buffer.concat(errors).toString() };
  };
  t.same((await run('export')).out, Buffer.from(authority.certificatePem));
  t.same((await run('export', '--format', 'der')).out, authority.certificateDer);
  const p12 = await run('export', '--format', 'p12');
  t.equal(p12.out.readUInt8(0), 0x30);
  const sha256 = createHash('sha256').update(authority.certificateDer).digest('hex').toUpperCase();
  const shown = JSON.parse((await run('show', '--json')).out.toString()) as { authority: { sha256: string } };
  t.equal(shown.authority.sha256.replaceAll(':', ''), sha256);
  t.match((await run('show')).out.toString(), /subject {9}O=Sallyport, CN=Sallyport authority/);
  t.notMatch((await run('show', '--json')).out.toString(), /PRIVATE/);
  for (const args of [[], ['sign'], ['export', '--format', 'jks'], ['show', '--wat']]) {
    const { code, errors } = await run(...args);
    t.equal(code, 2);
    t.match(errors, /usage: sallyport ca/);
  }
  rmSync(join(state, 'public'), { recursive: true });
  rmSync(join(state, 'authority'), { recursive: true });
  const missing = await run('show');
  t.equal(missing.code, 69);
  t.match(missing.errors, /start the gateway once/);
});
