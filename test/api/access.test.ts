// Who is let in to the operator's side over HTTP, what a write needs, and what is kept of it.

import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import t from 'tap';
import { writeWordOf } from '../../api/auth/login-cookie.ts';
import { hashPassword } from '../../api/auth/password.ts';
import type { ApiRoute } from '../../api/routes/api-route.ts';
import type { AccessSettings } from '../../api/auth/access-settings.ts';
import { cookieHeader, openAccessApp, origin, type AccessApp, type AppOptions } from '../lab/access-app.ts';
import { memoryAccess } from '../lab/memory-access.ts';

const minute = 60_000;
const passwords = { alice: 'correct horse battery', bob: 'bobs own pass word' };
const users: AccessSettings['users'] = [
  { name: 'alice', role: 'admin', owners: null, password: await hashPassword(passwords.alice) },
  { name: 'bob', role: 'operator', owners: ['acme'], password: await hashPassword(passwords.bob) },
];
const bearer = (token: string) => ['authorization', `Bearer ${token}`] as const;
const why = ['x-reason', 'a%20test'] as const;

async function open(t: { teardown(end: () => unknown): void }, options?: AppOptions): Promise<AccessApp> {
  const opened = await openAccessApp(options);
  t.teardown(() => opened.app.close());
  return opened;
}

/** Logs in and gives what a page of ours would send with a write. */
async function logIn(app: AccessApp, user: 'alice' | 'bob') {
  const answer = await app.ask('POST', '/v1/login', [['origin', origin]], {
    user,
    password: passwords[user],
  });
  const cookie = cookieHeader(answer.cookies);
  const [value = ''] = /(?<==)[\w-]{43}$/.exec(cookie[1]) ?? [];
  const page = [cookie, ['origin', origin], ['x-sallyport-write', writeWordOf(value)]] as const;
  return { answer, cookie, value, page };
}

t.test(
  'a caller gets what its credential, role, owners and reason allow, and hears nothing more',
  async (t) => {
    const app = await open(t);
    const token = async (...asked: Parameters<AccessApp['token']>) => bearer(await app.token(...asked));
    const [viewer, operator, admin] = [await token('viewer'), await token('operator'), await token('admin')];
    const limited = await token('admin', ['acme']);
    const revoked = await token('admin');
    await app.ports.store.revokeToken(revoked[1].slice(11, 27), app.nowMs);
    const wrong = bearer(admin[1].slice(7, -1) + (admin[1].endsWith('A') ? 'B' : 'A'));
    type Headers = readonly (readonly [string, string])[];
    const cases: [
      what: string,
      method: string,
      path: string,
      headers: Headers,
      status: number,
      code: string,
    ][] = [
      ['nobody reads', 'GET', '/v1/things', [], 401, 'not-recognised'],
      ['nobody looks', 'HEAD', '/v1/things', [], 401, ''],
      ['a viewer reads', 'GET', '/v1/things', [viewer], 200, ''],
      ['a limited admin reads', 'GET', '/v1/things', [limited], 200, ''],
      ['a wrong token', 'GET', '/v1/things', [wrong], 401, 'not-recognised'],
      ['a revoked token', 'GET', '/v1/things', [revoked], 401, 'not-recognised'],
      ['two tokens', 'GET', '/v1/things', [viewer, admin], 401, 'not-recognised'],
      ['the same twice', 'GET', '/v1/things', [admin, admin], 401, 'not-recognised'],
      ['Basic', 'GET', '/v1/things', [['authorization', 'Basic YTpi']], 401, 'not-recognised'],
      ['nobody writes', 'POST', '/v1/things/a', [why], 401, 'not-recognised'],
      ['a viewer writes', 'POST', '/v1/things/a', [viewer, why], 403, 'role'],
      ['an operator writes', 'POST', '/v1/things/a', [operator, why], 200, ''],
      ['without a reason', 'POST', '/v1/things/a', [operator], 400, 'reason-missing'],
      ['an empty reason', 'POST', '/v1/things/a', [operator, ['x-reason', '%20']], 400, 'reason-missing'],
      [
        'a reason that is no text',
        'POST',
        '/v1/things/a',
        [operator, ['x-reason', '%ff']],
        400,
        'reason-missing',
      ],
      ['a limited admin writes', 'POST', '/v1/things/a', [limited, why], 403, 'owner-limit'],
      ['an operator makes a token', 'POST', '/v1/tokens', [operator, why], 403, 'role'],
      ['a limited admin lists tokens', 'GET', '/v1/tokens', [limited], 403, 'owner-limit'],
      ['an operator reads the audit log', 'GET', '/v1/audit', [operator], 403, 'role'],
      ['what broke', 'POST', '/v1/things/broken', [operator, why], 500, 'internal'],
      ['what the route refuses', 'POST', '/v1/things/refused', [operator, why], 422, 'refused'],
    ];
    for (const [what, method, path, headers, status, code] of cases) {
      const answer = await app.ask(method, path, headers);
      t.same([answer.status, answer.code], [status, code], what);
    }
    app.nowMs += 86_400_001;
    t.equal((await app.ask('GET', '/v1/things', [admin])).code, 'not-recognised', 'a token that ran out');
    t.equal(app.done.count, 1);
    const rows = app.store.rows.map(({ actor, action, target, reason, outcome }) => [
      actor.replace(/[0-9a-f]{16}/, 'ID'),
      action,
      target,
      reason,
      outcome,
    ]);
    const change = 'POST /v1/things/:name';
    t.same(rows, [
      ['nobody', change, 'a', '', 'refused'],
      ['token:ID', change, 'a', '', 'refused'],
      ['token:ID', change, 'a', 'a test', 'done'],
      ['token:ID', change, 'a', '', 'refused'],
      ['token:ID', change, 'a', '', 'refused'],
      ['token:ID', change, 'a', '', 'refused'],
      ['token:ID', change, 'a', '', 'refused'],
      ['token:ID', 'POST /v1/tokens', '', '', 'refused'],
      ['token:ID', change, 'broken', 'a test', 'failed'],
      ['token:ID', change, 'refused', 'a test', 'refused'],
    ]);
  },
);

t.test(
  'a write whose row cannot be written is not done, and nobody is let in past a store that is away',
  async (t) => {
    let isAway = false;
    let areRowsAway = false;
    const away = async (): Promise<never> => Promise.reject(new Error('connect ECONNREFUSED'));
    const app = await open(t, {
      through: (store) => ({
        ...store,
        tokenOf: (id) => (isAway ? away() : store.tokenOf(id)),
        touchToken: (id, ms) => (isAway ? away() : store.touchToken(id, ms)),
        addEntry: (entry) => (areRowsAway ? away() : store.addEntry(entry)),
        endEntry: (...end) => (isAway ? away() : store.endEntry(...end)),
      }),
    });
    const operator = bearer(await app.token('operator'));
    areRowsAway = true;
    const refused = await app.ask('POST', '/v1/things/a', [operator, why]);
    t.same([refused.status, refused.code, app.done.count], [503, 'audit-away', 0]);
    areRowsAway = false;
    isAway = true;
    t.equal(
      (await app.ask('POST', '/v1/things/a', [operator, why])).status,
      200,
      'it is remembered for a while',
    );
    t.equal(app.store.rows.at(-1)?.outcome, 'begun', 'how it ended could not be written');
    app.nowMs += 31_000;
    const late = await app.ask('GET', '/v1/things', [operator]);
    t.same([late.status, late.code], [503, 'store-away'], 'and then no more');
    t.notMatch(late.body, /ECONNREFUSED/);
    t.equal((await app.ask('GET', '/v1/things', [])).status, 401, 'nobody stays nobody');
  },
);

t.test('a revoked token is over at once where it was revoked, and within 30 s elsewhere', async (t) => {
  const store = memoryAccess();
  const [here, there] = [await open(t, { store }), await open(t, { store })];
  const [admin, other] = [bearer(await here.token('admin')), bearer(await here.token('viewer'))];
  for (const app of [here, there]) t.equal((await app.ask('GET', '/v1/me', [other])).status, 200);
  const id = other[1].slice(11, 27);
  t.equal((await here.ask('POST', `/v1/tokens/${id}/revoke`, [admin], { reason: 'lost' })).status, 204);
  t.equal((await here.ask('GET', '/v1/me', [other])).status, 401);
  t.equal(
    (await here.ask('POST', `/v1/tokens/${id}/revoke`, [admin], { reason: 'lost' })).status,
    404,
    'only once',
  );
  there.nowMs += 30_000;
  t.equal((await there.ask('GET', '/v1/me', [other])).status, 401);
});

t.test('a token that is made says what it may and is in no list', async (t) => {
  const app = await open(t, { settings: { longestTokenMs: 30 * 86_400_000 } });
  const admin = bearer(await app.token('admin'));
  const asked = { label: 'ci', role: 'viewer', owners: ['acme'], lifetimeSeconds: 86_400, reason: 'for ci' };
  const made = await app.ask('POST', '/v1/tokens', [admin], asked);
  t.equal(made.status, 201);
  const { token, id } = JSON.parse(made.body) as { token: string; id: string };
  t.same(JSON.parse((await app.ask('GET', '/v1/me', [bearer(token)])).body), {
    name: `token:${id}`,
    role: 'viewer',
    owners: ['acme'],
    by: 'token',
    writeWord: null,
  });
  const list = await app.ask('GET', '/v1/tokens', [admin]);
  t.match(list.body, `"id":"${id}"`);
  t.notMatch(list.body, token.slice(-43));
  const long = await app.ask('POST', '/v1/tokens', [admin], { ...asked, lifetimeSeconds: 31 * 86_400 });
  t.equal(long.code, 'refused', 'longer than the operator lets tokens live');
  const { items } = JSON.parse((await app.ask('GET', '/v1/audit', [admin])).body) as { items: object[] };
  t.match(items, [
    { action: 'POST /v1/tokens', reason: 'for ci', outcome: 'refused' },
    { action: 'POST /v1/tokens', target: `token:${id}`, reason: 'for ci', outcome: 'done' },
  ]);
});

t.test('a browser logs in with a password, and each login has a cookie of its own', async (t) => {
  const app = await open(t, { settings: { users } });
  const first = await logIn(app, 'alice');
  t.equal(first.answer.status, 200);
  t.match(
    first.answer.cookies[0],
    /^__Host-sallyport=[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/,
  );
  t.match(JSON.parse(first.answer.body), {
    name: 'user:alice',
    role: 'admin',
    writeWord: writeWordOf(first.value),
  });
  t.equal((await app.ask('GET', '/v1/tokens', [first.cookie])).status, 200);
  const own = { user: 'alice', password: passwords.alice };
  const again = await app.ask('POST', '/v1/login', [['origin', origin], first.cookie], own);
  t.not(again.cookies[0], first.answer.cookies[0]);
  t.equal((await app.ask('GET', '/v1/me', [first.cookie])).status, 401, 'the one before is over');
  const tries: [string, object, number][] = [
    ['a wrong password', { user: 'alice', password: 'incorrect horse' }, 401],
    ['nobody', { user: 'my secret password', password: 'x' }, 401],
    ['another case', { user: 'Alice', password: passwords.alice }, 401],
    ['an object', { user: { $ne: '' }, password: 'x' }, 400],
    ['more', { user: 'alice', password: passwords.alice, role: 'admin' }, 400],
  ];
  const answers = [];
  for (const [what, body, status] of tries) {
    const answer = await app.ask('POST', '/v1/login', [['origin', origin]], body);
    t.equal(answer.status, status, what);
    t.same(answer.cookies, [], what);
    if (status === 401) answers.push(answer.body);
  }
  t.equal(new Set(answers).size, 1, 'nobody is told what was wrong');
  for (const [what, headers] of [
    ['another site', [['origin', 'https://evil.test']]],
    [
      'a neighbour',
      [
        ['origin', origin],
        ['sec-fetch-site', 'same-site'],
      ],
    ],
  ] as const)
    t.equal((await app.ask('POST', '/v1/login', headers, own)).code, 'write-word', what);
  const rows = app.store.rows.map(({ actor, target, reason, outcome }) =>
    [actor, target, reason, outcome].join(' '),
  );
  t.ok(rows.includes('nobody user:alice login done'));
  t.ok(rows.includes('nobody user:alice login refused'));
  t.notMatch(app.store.dump(), /my secret password/, 'a password that was typed as a name');
});

t.test('a login ends idle, old, by logging out, and when what it rests on changes', async (t) => {
  const store = memoryAccess();
  const app = await open(t, { store, settings: { users } });
  const me = async (cookie: readonly [string, string]) => (await app.ask('GET', '/v1/me', [cookie])).status;
  const idle = await logIn(app, 'alice');
  app.nowMs += 29 * minute;
  t.equal(await me(idle.cookie), 200);
  app.nowMs += 30 * minute;
  t.equal(await me(idle.cookie), 401, 'idle');
  const old = await logIn(app, 'alice');
  for (let count = 0; count < 35; count += 1) {
    app.nowMs += 20 * minute;
    t.equal(await me(old.cookie), 200);
  }
  app.nowMs += 20 * minute;
  t.equal(await me(old.cookie), 401, 'twelve hours');
  const out = await logIn(app, 'alice');
  t.equal((await app.ask('POST', '/v1/logout', [out.cookie, ['origin', origin]])).code, 'write-word');
  const left = await app.ask('POST', '/v1/logout', out.page);
  t.match(left.cookies[0], /^__Host-sallyport=; Max-Age=0; /);
  t.equal(await me(out.cookie), 401, 'logged out');
  const kept = await logIn(app, 'alice');
  const [alice, bob] = users;
  const changed: [string, AccessSettings['users']][] = [
    ['the same', users],
    ['another password', [{ ...alice!, password: await hashPassword('another one') }, bob!]],
    ['another role', [{ ...alice!, role: 'viewer' }, bob!]],
    ['no such user', [bob!]],
  ];
  for (const [what, now] of changed) {
    const next = await open(t, { store, settings: { users: now } });
    next.nowMs = app.nowMs;
    t.equal((await next.ask('GET', '/v1/me', [kept.cookie])).status, what === 'the same' ? 200 : 401, what);
  }
});

t.test('a write with a cookie comes from our own page, and a cookie does not help a token', async (t) => {
  const app = await open(t, { settings: { users } });
  const { cookie, page, value } = await logIn(app, 'alice');
  const word = (text: string) => ['x-sallyport-write', text] as const;
  const from = (site: string) => ['sec-fetch-site', site] as const;
  const home = ['origin', origin] as const;
  const own = word(writeWordOf(value));
  type Headers = readonly (readonly [string, string])[];
  const cases: [string, Headers, string][] = [
    ['no word', [cookie, home], 'write-word'],
    ['the word of another login', [cookie, home, word(writeWordOf('x'.repeat(43)))], 'write-word'],
    ['the cookie as the word', [cookie, home, word(value)], 'write-word'],
    ['the word twice', [cookie, home, own, own], 'write-word'],
    ['another origin', [cookie, ['origin', `${origin}.evil.test`], own], 'write-word'],
    ['no origin at all', [cookie, own], 'write-word'],
    ['another site', [cookie, home, own, from('cross-site')], 'write-word'],
    ['the cookie twice', [...page, cookie], 'not-recognised'],
    ['a bad token beside', [...page, bearer(`slp_${'0'.repeat(16)}_${'a'.repeat(43)}`)], 'not-recognised'],
  ];
  for (const [what, headers, code] of cases)
    t.equal((await app.ask('POST', '/v1/things/a', [...headers, why])).code, code, what);
  t.equal(app.done.count, 0);
  t.equal((await app.ask('POST', '/v1/things/a', [...page, why])).status, 200, 'our page');
  t.equal((await app.ask('POST', '/v1/things/a', [cookie, own, from('same-origin'), why])).status, 200);
  t.equal(app.done.count, 2);
  const bob = await logIn(app, 'bob');
  t.equal((await app.ask('POST', '/v1/things/a', [...bob.page, why])).code, 'owner-limit');
});

t.test('logins fail so often, and the right password does not help then', async (t) => {
  const app = await open(t, { settings: { users, proxies: ['127.0.0.1'] } });
  const tryAs = (user: string, password: string, address: string) =>
    app.ask(
      'POST',
      '/v1/login',
      [
        ['origin', origin],
        ['x-forwarded-for', `192.0.2.7, ${address}`],
      ],
      { user, password },
    );
  for (let count = 0; count < 10; count += 1)
    t.equal((await tryAs('alice', 'wrong', `198.51.100.${count}`)).code, 'login-refused');
  const limited = await tryAs('alice', passwords.alice, '198.51.100.99');
  t.same([limited.status, limited.code, limited.cookies], [429, 'login-limit', []]);
  t.equal((await tryAs('bob', passwords.bob, '198.51.100.99')).status, 200, 'others are let in');
  app.nowMs += 15 * minute;
  t.equal((await tryAs('alice', passwords.alice, '198.51.100.99')).status, 200, 'later she is');
  t.equal(app.store.rows[0]?.address, '198.51.100.0', 'the client’s address, not what it says of itself');
});

t.test('more than so much a minute is not answered, and does not fill the audit log', async (t) => {
  const app = await open(t);
  const [operator, other] = [bearer(await app.token('operator')), bearer(await app.token('operator'))];
  const statuses = [];
  for (let count = 0; count < 70; count += 1)
    statuses.push((await app.ask('POST', '/v1/things/a', [operator, why])).status);
  t.same(
    [statuses.filter((one) => one === 200).length, statuses.filter((one) => one === 429).length],
    [60, 10],
  );
  t.equal(app.store.rows.filter(({ outcome }) => outcome === 'refused').length, 1);
  t.equal((await app.ask('POST', '/v1/things/a', [other, why])).status, 200, 'another caller');
  t.equal((await app.ask('GET', '/v1/things', [operator])).status, 200, 'another class');
  const bad = [];
  for (let count = 0; count < 125; count += 1) bad.push((await app.ask('GET', '/v1/things')).status);
  t.same([bad.filter((one) => one === 401).length, bad.at(-1)], [120, 429]);
  t.equal(
    (await app.ask('GET', '/v1/things', [other])).status,
    200,
    'who is known is not kept out by who is not',
  );
});

t.test(
  'a proxy in front says who it is, from its own address and once, and for as long as it does',
  async (t) => {
    const roles = [{ value: 'carol', role: 'operator', owners: null } as const];
    const trustedHeader = { name: 'x-forwarded-user', peers: ['127.0.0.1'], roles };
    const app = await open(t, { settings: { trustedHeader } });
    const [carol, mallory] = [
      ['x-forwarded-user', 'carol'] as const,
      ['X-Forwarded-User', 'mallory'] as const,
    ];
    const home = ['origin', origin] as const;
    const enter = (headers: readonly (readonly [string, string])[]) =>
      app.ask('POST', '/v1/login/proxy', [home, ...headers]);
    for (const [what, headers] of [
      ['nobody', []],
      ['a user without a role', [mallory]],
      ['twice', [carol, carol]],
      ['two names', [carol, mallory]],
      ['a list', [['x-forwarded-user', 'carol, mallory']]],
      ['another spelling of the header', [['x_forwarded_user', 'carol']]],
    ] as const)
      t.equal((await enter(headers)).code, 'login-refused', what);
    const entered = await enter([carol]);
    t.equal(entered.status, 200);
    const cookie = cookieHeader(entered.cookies);
    t.match((await app.ask('GET', '/v1/me', [cookie, carol])).body, '"name":"proxy:carol","role":"operator"');
    t.equal((await app.ask('GET', '/v1/me', [cookie])).status, 401, 'the proxy says nothing');
    const anybody = [{ value: '*', role: 'viewer', owners: null } as const];
    const everybody = await open(t, { settings: { trustedHeader: { ...trustedHeader, roles: anybody } } });
    const named = await everybody.ask('POST', '/v1/login/proxy', [home, ['x-forwarded-user', 'null']]);
    const odd = await everybody.ask('GET', '/v1/me', [cookieHeader(named.cookies)]);
    t.same([named.status, odd.status], [200, 401], 'nor does it say "null"');
    t.equal((await app.ask('GET', '/v1/me', [cookie, mallory])).status, 401, 'it says somebody else');
    t.equal((await app.ask('GET', '/v1/me', [carol])).status, 401, 'its word alone is no login');
    const elsewhere = await open(t, {
      settings: { trustedHeader: { ...trustedHeader, peers: ['192.0.2.1'] } },
    });
    const refused = await elsewhere.ask('POST', '/v1/login/proxy', [home, carol]);
    t.equal(refused.code, 'login-refused', 'another peer');
  },
);

t.test('a store that is away is one line of the log, however many ask', async (t) => {
  const app = await open(t, {
    through: (store) => ({ ...store, tokenOf: () => Promise.reject(new Error('away')) }),
  });
  const header = bearer(`slp_0123456789abcdef_${'a'.repeat(43)}`);
  for (let count = 0; count < 20; count += 1)
    t.equal((await app.ask('GET', '/v1/things', [header])).code, 'store-away');
  t.equal(app.log.length, 1);
  app.nowMs += minute;
  await app.ask('GET', '/v1/things', [header]);
  t.equal(app.log.length, 2, 'a minute later it is told again');
});

t.test('tokens, passwords and cookies are in no row, no log and no answer but their own', async (t) => {
  const app = await open(t, {
    settings: { users },
    through: (store) => ({ ...store, endEntry: () => Promise.reject(new Error('away')) }),
  });
  const admin = await app.token('admin');
  const { value, page } = await logIn(app, 'alice');
  const secrets = [admin, value, passwords.alice, passwords.bob];
  const answers = [
    await app.ask('GET', '/v1/audit', [bearer(admin)]),
    await app.ask('GET', '/v1/tokens', [bearer(admin)]),
    await app.ask('POST', '/v1/things/broken', [...page, why]),
    await app.ask('POST', '/v1/login', [['origin', origin]], {
      user: passwords.bob,
      password: passwords.alice,
    }),
    await app.ask('GET', '/v1/things', [bearer(`${admin}x`)]),
    // By somebody who takes a whole token for its name.
    await app.ask('POST', `/v1/tokens/${admin}/revoke`, [bearer(admin), ['x-reason', `${admin}%20leaked`]]),
  ];
  t.same(
    answers.map(({ status }) => status),
    [200, 200, 500, 401, 401, 400],
  );
  t.match(app.store.rows.at(-1), { target: `${admin.slice(0, 21)}…`, outcome: 'refused' });
  const everything = [app.store.dump(), ...app.log, ...answers.map(({ body }) => body)].join('\n');
  t.match(everything, /user:alice#[\s\S]*away/, 'what is looked through is there');
  for (const secret of secrets) t.notOk(everything.includes(secret), secret.slice(0, 6));
});

t.test(
  'an answer that goes on ends with its token or login, and does not keep a login from idling',
  async (t) => {
    const stream: ApiRoute = {
      rule: {
        method: 'GET',
        path: '/v1/stream',
        role: 'viewer',
        owners: 'none',
        audited: false,
        rate: 'read',
      },
      id: 'stream',
      summary: 'A stream.',
      tag: 'sample',
      stream: 'text/event-stream',
      handle: async ({ reply }) => {
        reply.hijack();
        reply.raw.writeHead(200).write('data: a\n\n');
        return reply;
      },
    };
    const options = { settings: { users }, routes: (own: readonly ApiRoute[]) => [...own, stream] };
    const [app, idle] = [await open(t, options), await open(t, options)];
    const [lost, kept] = [bearer(await app.token('viewer')), bearer(await app.token('viewer'))];
    const login = await logIn(app, 'alice');
    const streams = new Map<string, Promise<'cut' | 'ended'>>();
    const listen = async (what: string, port: number, header: readonly [string, string]) => {
      const { promise, resolve } = Promise.withResolvers<'cut' | 'ended'>();
      const sent = request({
        host: '127.0.0.1',
        port,
        path: '/v1/stream',
        headers: ['host', 'x', ...header],
        agent: false,
      });
      t.teardown(() => sent.destroy());
      sent.on('error', () => resolve('cut')).end();
      const [response] = (await once(sent, 'response')) as [IncomingMessage]; // as: what a request emits.
      response
        .on('error', () => resolve('cut'))
        .on('end', () => resolve('ended'))
        .resume();
      streams.set(what, promise);
    };
    await listen('revoked', app.port, lost);
    await listen('kept', app.port, kept);
    await listen('logged out', app.port, login.cookie);
    await listen('idle', idle.port, (await logIn(idle, 'alice')).cookie);
    await app.ports.store.revokeToken(lost[1].slice(11, 27), app.nowMs);
    t.equal((await app.ask('POST', '/v1/logout', login.page)).status, 204);
    idle.nowMs += 30 * minute;
    for (const what of ['revoked', 'logged out', 'idle']) t.equal(await streams.get(what), 'cut', what);
    t.equal(await Promise.race([streams.get('kept'), Promise.resolve('open')]), 'open');
  },
);

t.test('a route without a rule cannot be registered', async (t) => {
  const { app } = await open(t);
  await app.close();
  const { fastify } = await import('fastify');
  const { registerAccess } = await import('../../api/auth/register-access.ts');
  const { RouteTable } = await import('../../api/routes/route.ts');
  const { tokensOnly } = await import('../../api/auth/access-settings.ts');
  const bare = fastify();
  const ports = { store: memoryAccess(), settings: tokensOnly, log: { error: () => {} }, clock: Date.now };
  await registerAccess(bare, new RouteTable([]), ports);
  t.throws(() => bare.get('/v1/secret', async () => 'secret'), { code: 'internal' });
  t.throws(() => bare.get('/secret', async () => 'secret'), { code: 'internal' });
  bare.get('/health', async () => 'ok');
  t.equal((await bare.inject('/health')).statusCode, 200);
});
