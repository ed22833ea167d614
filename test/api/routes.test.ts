// What each route needs, and who is refused.

import t from 'tap';
import { maySeeOwner, type Actor, type Role } from '../../api/auth/role.ts';
import { refusalOf, RouteTable, type Route } from '../../api/routes/route.ts';

const actor = (role: Role, owners: readonly string[] | null = null): Actor => ({
  name: 'user:a',
  role,
  owners,
  by: 'cookie',
});
const read: Route = {
  method: 'GET',
  path: '/v1/jobs',
  role: 'viewer',
  owners: 'filtered',
  audited: false,
  rate: 'read',
};
const write: Route = {
  method: 'PUT',
  path: '/v1/policy',
  role: 'admin',
  owners: 'everything',
  audited: true,
  rate: 'write',
};
const login: Route = {
  method: 'POST',
  path: '/v1/login',
  role: null,
  owners: 'none',
  audited: true,
  rate: 'login',
};

t.test('a caller gets what its role, its owners and its reason allow', async (t) => {
  const cases: [Route, Actor | null, string | null, string | null][] = [
    [read, null, null, 'not-recognised'],
    [read, actor('viewer'), null, null],
    [read, actor('viewer', ['acme']), null, null],
    [write, null, 'why', 'not-recognised'],
    [write, actor('viewer'), 'why', 'role'],
    [write, actor('operator'), 'why', 'role'],
    [write, actor('admin', ['acme']), 'why', 'owner-limit'],
    [write, actor('admin', []), 'why', 'owner-limit'],
    [write, actor('admin'), null, 'reason-missing'],
    [write, actor('admin'), ' \n', 'reason-missing'],
    [write, actor('admin'), 'x'.repeat(501), 'reason-missing'],
    [write, actor('admin'), 'why', null],
    [login, null, null, null],
  ];
  for (const [route, who, reason, expected] of cases)
    t.equal(
      refusalOf(route, who, reason),
      expected,
      `${route.path} ${who?.role} ${who?.owners?.join()} ${reason?.length}`,
    );
});

t.test('a route without a rule, or with one that contradicts itself, is refused', async (t) => {
  const table = new RouteTable([read, write, login]);
  t.equal(table.ruleOf('GET', '/v1/jobs'), read);
  t.throws(() => table.ruleOf('POST', '/v1/jobs'), { code: 'internal' });
  t.throws(() => table.ruleOf('GET', '/v1/jobs/'), { code: 'internal' });
  const wrong: Route[] = [
    read,
    { ...write, audited: false },
    { ...read, path: '/metrics' },
    { ...read, path: '/v1/a', role: null },
  ];
  for (const route of wrong)
    t.throws(() => new RouteTable([read, route]), { code: 'internal' }, JSON.stringify(route));
});

t.test('an owner is seen by who is limited to it, and nobody’s by nobody who is limited', async (t) => {
  const cases: [readonly string[] | null, string | null, boolean][] = [
    [null, 'acme', true],
    [null, null, true],
    [['acme'], 'ACME', true],
    [['acme'], 'acme2', false],
    [['acme'], null, false],
    [[''], '', false],
    [[], 'acme', false],
  ];
  for (const [owners, owner, expected] of cases)
    t.equal(maySeeOwner(actor('viewer', owners), owner), expected, `${owners?.join()} ${owner}`);
});
