// Login by an OIDC issuer: who is let in, and which answers of an issuer, a browser or somebody between them are not taken.

import { createHash, createHmac } from 'node:crypto';
import t from 'tap';
import type { OidcSettings } from '../../api/auth/access-settings.ts';
import { Issuer } from '../../api/auth/oidc/issuer.ts';
import { OidcLogin } from '../../api/auth/oidc/oidc-login.ts';
import { cookieHeader, openAccessApp, origin, type AccessApp } from '../lab/access-app.ts';
import {
  joinToken,
  makeKey,
  published,
  signToken,
  startIssuer,
  type StubIssuer,
} from '../lab/oidc-issuer.ts';

const [rsa, ec, stranger] = [makeKey('rsa-1', 'RS256'), makeKey('ec-1', 'ES256'), makeKey('rsa-1', 'RS256')];
const clientSecret = 'the client’s own secret+/';

async function open(t: { teardown(end: () => unknown): void }, changes: Partial<OidcSettings> = {}) {
  const stub = await startIssuer();
  stub.keys = [published(rsa), published(ec)];
  const settings: OidcSettings = {
    issuer: stub.issuer,
    clientId: 'sallyport',
    clientSecretFile: null,
    scopes: ['openid', 'groups'],
    nameClaim: 'preferred_username',
    roleClaim: 'groups',
    roles: [
      { value: 'auditors', role: 'viewer', owners: null },
      { value: 'platform', role: 'admin', owners: null },
      { value: 'acme', role: 'operator', owners: ['acme'] },
    ],
    ...changes,
  };
  const app = await openAccessApp({
    settings: { oidc: settings, proxies: ['127.0.0.1'] },
    oidc: (clock) => {
      const { issuer, clientId } = settings;
      const known = new Issuer({ issuer, clientId, clientSecret, connect: stub.connect, clock });
      return new OidcLogin({ settings, origin, issuer: known, clock });
    },
  });
  t.teardown(() => {
    stub.close();
    return app.app.close();
  });
  return { stub, app };
}

let clients = 0;
/** Each request is another client's: how often one may ask is not what this is about. */
const from = () => ['x-forwarded-for', `198.51.${Math.floor(++clients / 250)}.${clients % 250}`] as const;

/** Begins a login as a browser does, and gives what the issuer sees of it. */
async function begin(app: AccessApp) {
  const answer = await app.ask('GET', '/v1/login/oidc', [from()]);
  const location = new URL(String(answer.headers['location']));
  return { answer, cookie: cookieHeader(answer.cookies), asked: location.searchParams, location };
}

function claimsOf(app: AccessApp, stub: StubIssuer, nonce: string | null, changes: object = {}) {
  const seconds = Math.floor(app.nowMs / 1000);
  return {
    iss: stub.issuer,
    aud: 'sallyport',
    sub: '1234',
    nonce,
    iat: seconds,
    exp: seconds + 300,
    preferred_username: 'dana',
    groups: ['staff', 'acme'],
    ...changes,
  };
}

const back = (app: AccessApp, cookie: readonly [string, string] | null, query: object) =>
  app.ask(
    'GET',
    `/v1/login/oidc/callback?${new URLSearchParams({ ...query }).toString()}`,
    cookie === null ? [from()] : [from(), cookie],
  );

t.test('somebody logs in by an issuer, and is what the first fitting group makes of them', async (t) => {
  const { stub, app } = await open(t);
  const { answer, asked, cookie, location } = await begin(app);
  t.equal(answer.status, 302);
  t.match(
    answer.cookies[0],
    /^__Host-sallyport-oidc=[\w-]{43}; Max-Age=600; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
  );
  t.equal(`${location.origin}${location.pathname}`, `${stub.issuer}/authorize`);
  t.match(Object.fromEntries(asked), {
    tenant: '1',
    response_type: 'code',
    client_id: 'sallyport',
    redirect_uri: 'https://sallyport.test/v1/login/oidc/callback',
    scope: 'openid groups',
    code_challenge_method: 'S256',
  });
  for (const [key, groups, role] of [
    [rsa, ['staff', 'acme'], '"role":"operator","owners":["acme"]'],
    [ec, ['platform', 'auditors'], '"role":"viewer","owners":null'],
    [rsa, 'platform', '"role":"admin","owners":null'],
  ] as const) {
    const login = await begin(app);
    stub.idToken = signToken(key, claimsOf(app, stub, login.asked.get('nonce'), { groups }));
    const state = login.asked.get('state');
    const done = await back(app, login.cookie, {
      code: 'c0de-zz',
      state,
      session_state: 'x',
      iss: stub.issuer,
    });
    t.equal(done.status, 200);
    t.equal(done.headers['referrer-policy'], 'no-referrer');
    const own = done.cookies.filter((text) => text.startsWith('__Host-sallyport='));
    t.match(own, [/; Path=\/; Secure; HttpOnly; SameSite=Strict$/]);
    t.ok(done.cookies.some((text) => text.startsWith('__Host-sallyport-oidc=; Max-Age=0')));
    t.match((await app.ask('GET', '/v1/me', [cookieHeader(own)])).body, `"name":"oidc:dana",${role}`);
    const { form, authorization } = stub.asked.at(-1)!;
    t.match(Object.fromEntries(form), {
      grant_type: 'authorization_code',
      code: 'c0de-zz',
      client_id: 'sallyport',
    });
    const challenge = createHash('sha256').update(form.get('code_verifier')!).digest('base64url');
    t.equal(challenge, login.asked.get('code_challenge'), 'PKCE');
    const basic = Buffer.from('sallyport:the+client%E2%80%99s+own+secret%2B%2F').toString('base64');
    t.equal(authorization, `Basic ${basic}`);
    t.notOk(form.has('client_secret'));
  }
  t.match(app.store.rows.at(-1), { actor: 'nobody', target: 'oidc:dana', reason: 'login', outcome: 'done' });
  t.equal(stub.counts.get('/keys'), 1, 'keys are remembered');
  t.notMatch(app.store.dump() + app.log.join(), new RegExp(`c0de-zz|${cookie[1].slice(-43)}|own secret`));
});

t.test('an ID token that is not for this login, now, from this issuer, is not taken', async (t) => {
  const { stub, app } = await open(t);
  const second = Math.floor(app.nowMs / 1000);
  const header = (alg: string, kid = 'rsa-1') => ({ alg, kid, typ: 'JWT' });
  // What an issuer publishes is no secret: with it as one, anybody could sign.
  const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
  const hmac = (text: string) => createHmac('sha256', pem).update(text).digest('base64url');
  type Make = (claims: object) => string;
  const cases: [what: string, problem: string, change: object, make?: Make][] = [
    ['as it should be', '', {}],
    ['within the leeway', '', { exp: second - 59, iat: second + 59 }],
    ['another nonce', 'nonce', { nonce: 'x'.repeat(43) }],
    ['no nonce', 'nonce', { nonce: undefined }],
    ['another audience', 'audience', { aud: 'other' }],
    ['several audiences, not issued to us', 'audience', { aud: ['sallyport', 'other'], azp: 'other' }],
    ['several audiences, and nobody says to whom', 'audience', { aud: ['sallyport', 'other'] }],
    ['several audiences, issued to us', '', { aud: ['sallyport', 'other'], azp: 'sallyport' }],
    ['an audience that is no text', 'audience', { aud: { sallyport: 1 } }],
    ['another issuer', 'issuer', { iss: 'https://evil.test' }],
    ['the issuer with a slash', 'issuer', { iss: `${stub.issuer}/` }],
    ['over', 'expired', { exp: second - 60 }],
    ['never over', 'malformed', { exp: undefined }],
    ['over by a text', 'malformed', { exp: String(second + 300) }],
    ['from tomorrow', 'too-new', { iat: second + 61 }],
    ['not yet', 'too-new', { nbf: second + 61 }],
    ['of yesterday', 'too-old', { iat: second - 86_400, exp: second + 300 }],
    ['nobody', 'subject', { sub: '' }],
    ['alg none', 'algorithm', {}, (claims) => joinToken(header('none'), claims, 'AA')],
    ['alg none without a signature', 'malformed', {}, (claims) => joinToken(header('none'), claims, '')],
    ['HS256 with the public key', 'algorithm', {}, (claims) => joinToken(header('HS256'), claims, hmac)],
    ['RS256 that is an HMAC', 'signature', {}, (claims) => joinToken(header('RS256'), claims, hmac)],
    ['RS512', 'algorithm', {}, (claims) => signToken(rsa, claims, { alg: 'RS512' })],
    ['another key by the same name', 'signature', {}, (claims) => signToken(stranger, claims)],
    ['an unknown key', 'unknown-key', {}, (claims) => signToken(rsa, claims, { kid: 'rsa-2' })],
    [
      'the name of a key of another kind',
      'unknown-key',
      {},
      (claims) => signToken(rsa, claims, { kid: 'ec-1' }),
    ],
    ['no name, and one key of the kind', '', {}, (claims) => signToken(ec, claims, { kid: undefined })],
    [
      'a critical extension',
      'malformed',
      {},
      (claims) => signToken(rsa, claims, { crit: ['b64'], b64: false }),
    ],
    [
      'the key within',
      'unknown-key',
      {},
      (claims) => signToken(stranger, claims, { kid: 'x', jwk: published(stranger) }),
    ],
    ['cut', 'malformed', {}, (claims) => signToken(rsa, claims).split('.').slice(0, 2).join('.')],
    ['changed', 'signature', {}, (claims) => changed(signToken(rsa, claims))],
    ['no text of ours', 'malformed', {}, () => 'é'.repeat(20_000)],
    ['nothing', 'malformed', {}, () => ''],
    ['no group', 'the claim "groups" gives no role', { groups: [] }],
    [
      'a group that is like one',
      'the claim "groups" gives no role',
      { groups: ['Platform', ['platform'], null] },
    ],
    [
      'a name to break rows with',
      'the claim "preferred_username" is no plain name',
      { preferred_username: 'a#b\n' },
    ],
    ['no name', 'the claim "preferred_username" is no plain name', { preferred_username: undefined }],
  ];
  for (const [what, problem, change, make = (claims: object) => signToken(rsa, claims)] of cases) {
    const { asked, cookie } = await begin(app);
    stub.idToken = make(claimsOf(app, stub, asked.get('nonce'), change));
    const logged = app.log.length;
    const answer = await back(app, cookie, { code: 'c', state: asked.get('state') });
    const own = answer.cookies.filter((text) => text.startsWith('__Host-sallyport='));
    t.same([answer.status, own.length], problem === '' ? [200, 1] : [401, 0], what);
    if (problem !== '') t.match(app.log.slice(logged).join(), problem, what);
  }
  t.notMatch(app.log.join(), /eyJ/, 'no token is in the log');
});

const changed = (token: string): string => {
  const [head, , signature] = token.split('.');
  const claims = {
    ...JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()),
    groups: ['platform'],
  };
  return [head, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
};

t.test(
  'an answer that does not belong to this browser is not taken, and asks the issuer nothing',
  async (t) => {
    const { stub, app } = await open(t);
    const [mine, other] = [await begin(app), await begin(app)];
    const state = mine.asked.get('state');
    const cases: [string, readonly [string, string] | null, string][] = [
      ['no cookie', null, `code=c&state=${state}`],
      ['the cookie of another login', other.cookie, `code=c&state=${state}`],
      ['no state', mine.cookie, 'code=c'],
      ['two states', mine.cookie, `code=c&state=${state}&state=${other.asked.get('state')}`],
      ['no code', mine.cookie, `state=${state}`],
      ['two codes', mine.cookie, `code=c&code=d&state=${state}`],
      ['a long code', mine.cookie, `code=${'c'.repeat(5_000)}&state=${state}`],
      ['what the issuer refused', mine.cookie, `error=access_denied&state=${state}`],
      ['another issuer', mine.cookie, `code=c&state=${state}&iss=https%3A%2F%2Fevil.test`],
    ];
    for (const [what, cookie, query] of cases) {
      const answer = await app.ask(
        'GET',
        `/v1/login/oidc/callback?${query}`,
        cookie === null ? [] : [cookie],
      );
      t.same([answer.status, answer.code], [401, 'login-refused'], what);
    }
    t.same(stub.asked, []);
    t.equal(app.store.rows.filter(({ outcome }) => outcome === 'refused').length, cases.length);
  },
);

t.test(
  'keys are fetched anew for one that is unknown, and only from where the issuer says itself',
  async (t) => {
    const { stub, app } = await open(t);
    stub.keys = [published(ec)];
    const logIn = () => finish(app, stub);
    t.equal((await logIn()).code, 'login-refused');
    stub.keys = [published(rsa)];
    t.equal((await logIn()).code, 'login-refused', 'not for each token that somebody makes up');
    app.nowMs += 30_000;
    t.equal((await logIn()).status, 200);
    t.equal(stub.counts.get('/keys'), 2);
    const broken: [string, (stub: StubIssuer) => void][] = [
      ['its keys are elsewhere', (stub) => (stub.keysRedirect = '/elsewhere')],
      ['its keys are at another host', (stub) => (stub.keysRedirect = 'https://evil.test/keys')],
      ['it names another issuer', (stub) => (stub.document['issuer'] = 'https://evil.test')],
      ['its keys are in the clear', (stub) => (stub.document['jwks_uri'] = 'http://id.corp.test/keys')],
      ['it answers without a token', (stub) => (stub.document['token_endpoint'] = `${stub.issuer}/keys`)],
      ['it has no token endpoint', (stub) => (stub.document['token_endpoint'] = `${stub.issuer}/none`)],
    ];
    for (const [what, breakIt] of broken) {
      const { stub: other, app: fresh } = await open(t);
      breakIt(other);
      const begun = await fresh.ask('GET', '/v1/login/oidc');
      const ended = begun.status === 302 ? await finish(fresh, other) : begun;
      t.same([ended.status, ended.code], [503, 'login-away'], what);
      t.equal(other.counts.get('/elsewhere'), undefined);
    }
  },
);

async function finish(app: AccessApp, stub: StubIssuer) {
  const { asked, cookie } = await begin(app);
  stub.idToken = signToken(rsa, claimsOf(app, stub, asked.get('nonce')));
  return back(app, cookie, { code: 'c', state: asked.get('state') });
}

t.test('an issuer without a verified certificate is not reached', async (t) => {
  const { stub } = await open(t);
  const options = {
    issuer: 'https://other.test',
    clientId: 'sallyport',
    clientSecret: null,
    clock: Date.now,
  };
  const issuer = new Issuer({ ...options, connect: (_, port) => stub.connect('other.test', port) });
  await t.rejects(issuer.endpoints(), { code: 'upstream' });
});
