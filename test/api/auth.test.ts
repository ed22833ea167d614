// Who is recognised on the operator's side, and what does not get in.

import t from 'tap';
import {
  actorOfCookie,
  isOwnWrite,
  readCookie,
  startLogin,
  writeWordOf,
} from '../../api/auth/login-cookie.ts';
import { tokensOnly } from '../../api/auth/access-settings.ts';
import { LoginLimit } from '../../api/auth/login-limit.ts';
import { stampOf } from '../../api/auth/login-standing.ts';
import { checkPassword, hashPassword } from '../../api/auth/password.ts';
import { actorOfToken, createToken } from '../../api/auth/token.ts';
import { userOfProxy } from '../../api/auth/trusted-header.ts';
import { memoryAccess } from '../lab/memory-access.ts';

const request = { label: 'ci', role: 'operator', owners: ['acme'], lifetimeMs: 1_000 } as const;
const alice = { name: 'user:alice', role: 'admin', owners: null, by: 'cookie' } as const;
const minute = 60_000;
const checks = {
  lifetimes: { idleMs: 30 * minute, longestMs: 720 * minute },
  stampOf: (name: string) => (name === 'user:alice' ? 'as she is' : null),
};

t.test('a token is its holder until it runs out or is revoked, and is not kept', async (t) => {
  const port = memoryAccess();
  const { text, stored } = await createToken(port, request, 5_000);
  t.match(text, /^slp_[0-9a-f]{16}_[\w-]{43}$/);
  t.notMatch(port.dump(), text.slice(-43));
  const ask = (header: string | undefined, nowMs = 5_500) => actorOfToken(port, header, nowMs);
  t.same(await ask(`Bearer ${text}`), {
    name: `token:${stored.id}`,
    role: 'operator',
    owners: ['acme'],
    by: 'token',
  });
  t.equal((await port.tokenOf(stored.id))?.usedMs, 5_500);
  const last = text.endsWith('A') ? 'E' : 'A';
  const wrong = [
    undefined,
    '',
    'Bearer ',
    text,
    `Basic ${text}`,
    `Bearer ${text} `,
    `Bearer ${text}\0`,
    `Bearer ${text.slice(0, -1)}${last}`,
  ];
  for (const header of [
    ...wrong,
    `Bearer ${'a'.repeat(100_000)}`,
    'Bearer slp_é',
    `Bearer ${text.replace('slp', 'ѕlp')}`,
  ])
    t.equal(await ask(header), null, header?.slice(0, 12) ?? 'none');
  t.equal(await ask(`Bearer ${text}`, 6_000), null, 'run out');
  t.equal(await port.revokeToken(stored.id, 5_600), true);
  t.equal(await port.revokeToken(stored.id, 5_700), false);
  t.equal(await ask(`Bearer ${text}`), null, 'revoked');
});

t.test('a login is new each time, and ends idle or old', async (t) => {
  const port = memoryAccess();
  const first = await startLogin(port, alice, undefined, 0, checks);
  t.match(first.setCookie, /^__Host-sallyport=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  t.notMatch(port.dump(), first.cookie);
  const header = (cookie: string) => `a=b; __Host-sallyport=${cookie}`;
  t.same(await actorOfCookie(port, header(first.cookie), 29 * minute, checks), alice);
  t.same(await actorOfCookie(port, header(first.cookie), 58 * minute, checks), alice, 'in use');
  const second = await startLogin(port, alice, header(first.cookie), 59 * minute, checks);
  t.not(second.cookie, first.cookie);
  t.equal(
    await actorOfCookie(port, header(first.cookie), 59 * minute, checks),
    null,
    'the earlier one is over',
  );
  t.equal(await actorOfCookie(port, header(second.cookie), 89 * minute, checks), null, 'idle');
  const changed = { ...checks, stampOf: () => 'as she is now' };
  const other = await startLogin(port, alice, undefined, 0, checks);
  t.equal(await actorOfCookie(port, header(other.cookie), 1, changed), null, 'what it rests on has changed');
  t.equal(await actorOfCookie(port, header(other.cookie), 1, checks), null, 'and it is over for good');
  const third = await startLogin(port, alice, undefined, 0, checks);
  for (let at = 0; at < 720; at += 20)
    t.ok(await actorOfCookie(port, header(third.cookie), at * minute, checks));
  t.equal(await actorOfCookie(port, header(third.cookie), 720 * minute, checks), null, 'old');
});

t.test('a login rests on what the configuration says of its actor, the same on every gateway', async (t) => {
  const rule = { value: 'a', role: 'viewer', owners: null } as const;
  const oidc = {
    issuer: 'https://id.test',
    clientId: 'sallyport',
    clientSecretFile: '/etc/a',
    scopes: ['openid'],
    nameClaim: 'sub',
    roleClaim: 'groups',
    roles: [rule],
  };
  const of = (change: object) => stampOf({ ...tokensOnly, oidc: { ...oidc, ...change } }, 'oidc:dana');
  t.match(of({}), /^[0-9a-f]{32}$/);
  t.equal(of({ clientSecretFile: '/run/secrets/b' }), of({}));
  t.not(of({ roles: [{ ...rule, role: 'admin' }] }), of({}));
  for (const name of ['oidc:dana', 'user:alice', 'proxy:carol', 'token:x', 'dana'])
    t.equal(stampOf(tokensOnly, name), null, name);
});

t.test('a cookie is read once, whole and plain', async (t) => {
  const value = 'x'.repeat(43);
  const one = `__Host-sallyport=${value}`;
  t.equal(readCookie(one), value);
  t.equal(readCookie(`a; ;=; ${one} ;b=c`), value);
  const wrong = [
    `${one}; ${one}`,
    `${one}; __Host-sallyport=`,
    `${one}x`,
    `${one}\0`,
    `${one}=`,
    `__host-sallyport=${value}`,
  ];
  for (const header of [...wrong, undefined, `${one}; ${'a=b;'.repeat(25_000)}`, '__Host-sallyport="é"'])
    t.equal(readCookie(header), null, header?.slice(0, 70) ?? 'none');
});

t.test('a write with a cookie comes from our own page', async (t) => {
  const value = 'x'.repeat(43);
  const own = {
    cookie: `__Host-sallyport=${value}`,
    origin: 'https://s.test',
    fetchSite: 'same-origin',
    word: writeWordOf(value),
  };
  const cases: [string, object, boolean][] = [
    ['all', {}, true],
    ['a browser without fetch metadata', { fetchSite: undefined }, true],
    ['no origin', { origin: undefined }, true],
    ['neither', { origin: undefined, fetchSite: undefined }, false],
    ['another origin', { origin: 'https://s.test.evil.test' }, false],
    ['opaque origin', { origin: 'null' }, false],
    ['same site only', { fetchSite: 'same-site' }, false],
    ['cross site', { fetchSite: 'cross-site' }, false],
    ['no word', { word: undefined }, false],
    ['the word of another login', { word: writeWordOf('y'.repeat(43)) }, false],
    ['a long word', { word: 'é'.repeat(100_000) }, false],
    ['no cookie', { cookie: undefined }, false],
  ];
  for (const [name, change, expected] of cases)
    t.equal(isOwnWrite({ ...own, ...change }, 'https://s.test'), expected, name);
});

t.test('a password is the one that was set, and a storm of them waits or is told to', async (t) => {
  const kept = await hashPassword('pässword');
  t.match(kept, /^scrypt\$32768\$8\$1\$/);
  t.equal(await checkPassword('pässword', kept), true);
  t.equal(await checkPassword('pa\u0308ssword', kept), true, 'the same letters, typed otherwise');
  t.equal(await checkPassword('pässword\0', kept), false, 'a null byte is none');
  t.equal(await checkPassword('pässword', null), false, 'nobody');
  t.equal(await checkPassword('x'.repeat(100_000), kept), false);
  t.equal(await checkPassword('', kept), false);
  for (const text of ['', 'a\0', 'x'.repeat(1_025)]) await t.rejects(hashPassword(text), { code: 'usage' });
  await t.rejects(checkPassword('a', 'plain'), { code: 'internal' });
  const storm = await Promise.all(Array.from({ length: 12 }, () => checkPassword('x', null)));
  t.equal(storm.filter((answer) => answer === 'busy').length, 2);
  t.equal(await checkPassword('pässword', kept), true, 'and then it goes on');
});

t.test('logins fail so often for a user and for an address', async (t) => {
  const limit = new LoginLimit();
  for (let count = 0; count < 10; count += 1) limit.countTry('alice', `192.0.2.${count}`, 0);
  t.equal(limit.mayTry('alice', '192.0.2.99', 1), false);
  t.equal(limit.mayTry('bob', '192.0.2.1', 1), true);
  t.equal(limit.mayTry('alice', '192.0.2.99', 15 * minute), true);
  for (let count = 0; count < 30; count += 1) limit.countTry(`user${count}`, '192.0.2.200', 0);
  for (let count = 0; count < 30; count += 1) limit.countTry(`six${count}`, `2001:db8::${count}`, 0);
  t.equal(limit.mayTry('bob', '2001:db8::ffff:1:2:3', 1), false, 'the same /64');
  t.equal(limit.mayTry('bob', '2001:db8:0:1::1', 1), true, 'another');
  t.equal(limit.mayTry('bob', '::ffff:192.0.2.200', 1), false, 'mapped');
  limit.clearUser('user1', '192.0.2.200');
  t.equal(limit.mayTry('bob', '192.0.2.200', 1), false);
});

t.test('a proxy is believed where it is configured', async (t) => {
  const peers = new Set(['192.0.2.1']);
  t.equal(userOfProxy(['alice@acme.test'], '::ffff:192.0.2.1', peers), 'alice@acme.test');
  const cases: [string[], string][] = [
    [['alice'], '192.0.2.2'],
    [['alice'], ''],
    [['alice', 'root'], '192.0.2.1'],
    [[], '192.0.2.1'],
  ];
  for (const name of ['', 'a,b', 'a\0', 'аlice', 'a b', 'a'.repeat(100_000)])
    cases.push([[name], '192.0.2.1']);
  for (const [values, peer] of cases)
    t.equal(userOfProxy(values, peer, peers), null, `${values.join().slice(0, 20)} ${peer}`);
});
