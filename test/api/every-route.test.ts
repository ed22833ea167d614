// Every route of the operator's API, as the app itself lists them, and who is let in to each. What is expected stands here by
// hand: a route that is new, or whose rule was changed, fails until its line says so.

import t from 'tap';
import { writeWordOf } from '../../api/auth/login-cookie.ts';
import { hashPassword } from '../../api/auth/password.ts';
import { operatorRoutes, type RouteParts } from '../../api/routes/operator-routes.ts';
import type { ApiRoute } from '../../api/routes/api-route.ts';
import { cookieHeader, openAccessApp, origin, type Answer } from '../lab/access-app.ts';

/**
 * Of nobody, a viewer, an operator, an admin, a viewer of one owner and an admin of one owner: let in (+), not recognised
 * (-), kept out by its role (r), kept out by its owners (o).
 */
type Expected = `${string} ${string} ${string} ${string} ${string} ${string}`;
interface Line {
  readonly who: Expected;
  /** A path that the route takes. */
  readonly path: string;
  /** Of a write: a body that it takes, without its reason. */
  readonly body?: object;
  /** What it is done for without being told. */
  readonly reason?: string;
}

const all = '+ + + + + +';
const readers = '- + + + + +';
const unlimited = '- + + + o o';
const admins = '- r r + r o';
const id = '01a21058-5683-77a2-af01-dc36abb5c2e5';
const revision = '0123456789ab';

const lines: Readonly<Record<string, Line>> = {
  'GET /v1/login': { who: all, path: '/v1/login' },
  'POST /v1/login': { who: all, path: '/v1/login', body: { user: 'a', password: 'b' }, reason: 'login' },
  'POST /v1/login/proxy': { who: all, path: '/v1/login/proxy', reason: 'login' },
  'GET /v1/login/oidc': { who: all, path: '/v1/login/oidc' },
  'GET /v1/login/oidc/callback': { who: all, path: '/v1/login/oidc/callback?code=a&more=b', reason: 'login' },
  'POST /v1/logout': { who: readers, path: '/v1/logout', reason: 'logout' },
  'GET /v1/me': { who: readers, path: '/v1/me' },
  'GET /v1/tokens': { who: admins, path: '/v1/tokens' },
  'POST /v1/tokens': {
    who: admins,
    path: '/v1/tokens',
    body: { label: 'a', role: 'viewer', lifetimeSeconds: 60 },
  },
  'POST /v1/tokens/:id/revoke': { who: admins, path: '/v1/tokens/0123456789abcdef/revoke', body: {} },
  'GET /v1/audit': { who: admins, path: '/v1/audit' },
  'GET /v1/runs': { who: readers, path: '/v1/runs' },
  'GET /v1/runs/:id': { who: readers, path: '/v1/runs/1' },
  'GET /v1/jobs': { who: readers, path: '/v1/jobs' },
  'GET /v1/jobs/:id': { who: readers, path: '/v1/jobs/1' },
  'GET /v1/flows': { who: readers, path: '/v1/flows' },
  'GET /v1/flows/:id': { who: readers, path: `/v1/flows/${id}` },
  'GET /v1/destinations': { who: readers, path: '/v1/destinations' },
  'GET /v1/destinations/:host': { who: readers, path: '/v1/destinations/a.example' },
  'GET /v1/hours': { who: readers, path: '/v1/hours' },
  'GET /v1/live': { who: readers, path: '/v1/live' },
  'GET /v1/runners': { who: readers, path: '/v1/runners' },
  'GET /v1/repositories': { who: readers, path: '/v1/repositories' },
  'GET /v1/gateways': { who: unlimited, path: '/v1/gateways' },
  'GET /v1/policy': { who: unlimited, path: '/v1/policy' },
  'GET /v1/policy/revisions': { who: unlimited, path: '/v1/policy/revisions' },
  'GET /v1/policy/revisions/:revision': { who: unlimited, path: `/v1/policy/revisions/${revision}` },
  'GET /v1/policy/diff': { who: unlimited, path: `/v1/policy/diff?base=${revision}&head=${revision}` },
  'POST /v1/policy/reload': { who: admins, path: '/v1/policy/reload', body: {} },
  'GET /v1/permissions': { who: readers, path: '/v1/permissions' },
  'POST /v1/quarantine': {
    who: '- r + + r o',
    path: '/v1/quarantine',
    body: { runner: '10.77.0.2', seconds: 5 },
  },
  'GET /v1/events': { who: readers, path: '/v1/events' },
  'GET /v1/openapi.json': { who: readers, path: '/v1/openapi.json' },
};

const password = 'a password of hers';
const alice = { name: 'alice', role: 'admin', owners: null, password: await hashPassword(password) } as const;
const reached = { count: 0 };

/** The route with its rule and its schemas, and nothing behind them; the way in with a password works. */
function hollow(route: ApiRoute): ApiRoute {
  const { method, path } = route.rule;
  if (`${method} ${path}` === 'POST /v1/login') return route;
  return {
    ...route,
    handle: async ({ reply }) => {
      reached.count += 1;
      return reply.code(299).send('');
    },
  };
}

// as: none of the parts is asked anything, since nothing of a route is left but its rule and schemas.
const parts = {
  ask: null,
  live: null,
  gateways: null,
  policy: null,
  quarantine: null,
  feed: null,
} as unknown as RouteParts;
const app = await openAccessApp({
  settings: { users: [alice], proxies: ['127.0.0.1'] },
  routes: (own) => [...own, ...operatorRoutes(parts)].map(hollow),
});
t.teardown(() => app.app.close());

const bearer = (token: string) => ['authorization', `Bearer ${token}`] as const;
const callers: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  ['nobody', []],
  ['a viewer', [bearer(await app.token('viewer'))]],
  ['an operator', [bearer(await app.token('operator'))]],
  ['an admin', [bearer(await app.token('admin'))]],
  ['a viewer of acme', [bearer(await app.token('viewer', ['acme']))]],
  ['an admin of acme', [bearer(await app.token('admin', ['acme']))]],
];
const codes: Readonly<Record<string, string>> = {
  '-': 'not-recognised',
  r: 'role',
  o: 'owner-limit',
  '+': '',
};

let clients = 0;
/** Each request is another client's: rates of addresses are not what this is about. */
const ask = (
  method: string,
  path: string,
  headers: readonly (readonly [string, string])[],
  body?: object,
) => {
  clients += 1;
  const from = ['x-forwarded-for', `198.18.${Math.floor(clients / 250)}.${clients % 250}`] as const;
  return app.ask(method, path, [from, ...headers], body);
};
const isIn = ({ status, code }: Answer): boolean => status === 299 || (code === '' && status === 200);

t.test('every route that the app has stands here, and none besides', async (t) => {
  const routes = app.registered.filter((route) => !route.startsWith('HEAD '));
  t.strictSame(routes.toSorted(), Object.keys(lines).toSorted());
  t.ok(
    app.registered.every(
      (route) => !route.startsWith('HEAD ') || routes.includes(route.replace('HEAD', 'GET')),
    ),
  );
});

for (const [route, line] of Object.entries(lines)) {
  const [method] = route.split(' ') as [string];
  const isWrite = method === 'POST';
  const body = line.reason === undefined && isWrite ? { ...line.body, reason: 'a test' } : line.body;
  t.test(`${route} lets in whom it should`, async (t) => {
    // Two are what they are: the way in, which refuses this password, and the document, which the API itself adds.
    const isLogin = route === 'POST /v1/login';
    const isHollow = !isLogin && route !== 'GET /v1/openapi.json';
    for (const [index, [who, headers]] of callers.entries()) {
      const expected = line.who.split(' ')[index]!;
      const [before, rows] = [reached.count, app.store.rows.length];
      const answer = await ask(method, line.path, headers, body);
      t.equal(answer.code, isLogin ? 'login-refused' : codes[expected], who);
      if (isHollow) t.equal(reached.count - before, expected === '+' ? 1 : 0, `${who}: reached`);
      if (expected === '+' && !isLogin) t.equal(answer.status, isHollow ? 299 : 200, who);
      const added = app.store.rows.slice(rows).map(({ action, outcome }) => `${action} ${outcome}`);
      const outcome = expected === '+' && !isLogin ? 'done' : 'refused';
      t.strictSame(added, isWrite || line.reason === 'login' ? [`${route} ${outcome}`] : [], `${who}: row`);
      if (method !== 'GET' || line.reason !== undefined) continue;
      const head = await ask('HEAD', line.path, headers);
      t.equal(head.status, answer.status, `${who}: HEAD`);
    }
  });
}

t.test('no credential that is over, revoked or made up is let in anywhere', async (t) => {
  const [over, revoked, whole] = [
    await app.token('admin'),
    await app.token('admin'),
    await app.token('admin'),
  ];
  const stored = (await app.store.tokenOf(over.slice(4, 20)))!;
  await app.store.addToken({ ...stored, expiresMs: app.nowMs });
  await app.ports.store.revokeToken(revoked.slice(4, 20), app.nowMs);
  const bad: [string, readonly (readonly [string, string])[]][] = [
    ['over', [bearer(over)]],
    ['revoked', [bearer(revoked)]],
    ['made up', [bearer(`slp_0123456789abcdef_${'a'.repeat(43)}`)]],
    ['twice', [bearer(whole), bearer(whole)]],
    ['in the query', []],
    ['a cookie of nobody', [['cookie', `__Host-sallyport=${'x'.repeat(43)}`]]],
    ['a proxy’s word', [['x-forwarded-user', 'alice']]],
  ];
  for (const [route, { who, path, body }] of Object.entries(lines)) {
    if (who === all) continue;
    const [method] = route.split(' ') as [string];
    const before = reached.count;
    for (const [what, headers] of bad) {
      const at =
        what === 'in the query' ? `${path}${path.includes('?') ? '&' : '?'}access_token=${whole}` : path;
      const answer = await ask(method, at, headers, method === 'POST' ? { ...body, reason: 'x' } : undefined);
      t.same([answer.status, answer.code], [401, 'not-recognised'], `${route} ${what}`);
    }
    t.equal(reached.count, before, route);
  }
});

t.test('every write asks for a reason, and of a browser for the word of its login', async (t) => {
  const [, , , [, admin]] = callers as [unknown, unknown, unknown, (typeof callers)[number]];
  const login = await ask('POST', '/v1/login', [['origin', origin]], { user: 'alice', password });
  const cookie = cookieHeader(login.cookies);
  const own = ['x-sallyport-write', writeWordOf(cookie[1].split('=')[1]!)] as const;
  const home = ['origin', origin] as const;
  const writes = Object.entries(lines).filter(([route, { who }]) => route.startsWith('POST') && who !== all);
  t.equal(writes.length, 5);
  for (const [route, { path, body, reason }] of writes) {
    const before = reached.count;
    const because = reason === undefined ? { ...body, reason: 'why' } : body;
    if (reason === undefined) {
      for (const wrong of [undefined, '', ' ', 'x'.repeat(501), 5])
        t.match(
          (await ask('POST', path, admin, { ...body, reason: wrong })).code,
          /^reason-missing$/,
          `${route} ${wrong}`,
        );
    }
    for (const [what, headers] of [
      ['without the word', [cookie, home]],
      ['with another’s', [cookie, home, ['x-sallyport-write', writeWordOf('y'.repeat(43))]]],
      ['from another page', [cookie, ['origin', 'https://evil.test'], own]],
      ['from nowhere', [cookie, own]],
    ] as const)
      t.equal((await ask('POST', path, headers, because)).code, 'write-word', `${route} ${what}`);
    t.equal(reached.count, before, `${route}: not reached`);
    t.ok(isIn(await ask('POST', path, [cookie, home, own], because)), route);
    t.equal(reached.count, before + 1, `${route}: reached`);
  }
});
