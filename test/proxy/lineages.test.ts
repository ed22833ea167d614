// Memory of credentials that jobs were handed, and the methods by which a redirect is followed.

import t from 'tap';
import type { Lineage } from '../../flow/lineage.ts';
import { followedMethods, FollowGrants } from '../../proxy/follow.ts';
import { Lineages } from '../../proxy/lineages.ts';

const lineage = (id: string, made: Lineage['made'] = 'registry'): Lineage => ({
  made,
  id,
  parent: null,
  root: 'job',
  flow: null,
  homes: null,
});
const identity = `eyJ${'a'.repeat(20)}.eyJ${'b'.repeat(20)}.${'c'.repeat(40)}`;

t.test('what one job was handed is known of it, of nobody else, and for a while', async (t) => {
  let now = 1_000_000;
  const lineages = new Lineages(Buffer.alloc(32, 1), () => now);
  const id = lineages.hash('token-one');
  t.match(id, /^[0-9a-f]{24}$/);
  t.equal(
    lineages.hash('token-one'),
    new Lineages(Buffer.alloc(32, 1)).hash('token-one'),
    'one key, one hash',
  );
  t.not(id, new Lineages().hash('token-one'));
  t.equal(lineages.has('job a'), false);
  lineages.keep('job a', lineage(id));
  t.equal(lineages.find('job a', ['other', 'token-one'])?.id, id);
  t.equal(lineages.find('job b', ['token-one']), null);
  t.equal(lineages.find('job a', ['token-onE', '']), null);
  t.equal(lineages.hasIdentity('job a'), false);
  lineages.keep('job a', lineage(lineages.hash(identity), 'identity'));
  t.equal(lineages.hasIdentity('job a'), true);
  for (const text of [
    identity,
    `a=${identity}&b=1`,
    `{"t":"${identity}"}`,
    `Authorization: Bearer ${identity}\r\n`,
  ])
    t.equal(lineages.findIdentity('job a', text)?.made, 'identity', text.slice(0, 12));
  for (const text of ['', 'token-one', identity.slice(0, -1), `x${identity}`, `${identity}.d`])
    t.equal(lineages.findIdentity('job a', text), null, text.slice(0, 12));
  now += 3_600_001;
  t.equal(lineages.hasIdentity('job a'), false, 'bodies are looked at for an hour');
  lineages.clear('job a');
  t.equal(lineages.has('job a'), false);
});

t.test('it is bounded, and the newest stay', async (t) => {
  const lineages = new Lineages();
  for (let i = 0; i < 300; i++) lineages.keep('job a', lineage(lineages.hash(`token-${i}`)));
  t.equal(lineages.find('job a', ['token-43']), null);
  t.ok(lineages.find('job a', ['token-44']));
  t.ok(lineages.find('job a', ['token-299']));
  lineages.keep('job i', lineage(lineages.hash(identity), 'identity'));
  for (let i = 0; i < 300; i++) lineages.keep('job i', lineage(lineages.hash(`token-${i}`)));
  t.ok(lineages.findIdentity('job i', identity), 'identities go last');
  for (let i = 0; i < 5_000; i++) lineages.keep(`job ${i}`, lineage('x'));
  t.equal(lineages.has('job 100'), false);
  t.ok(lineages.has('job 4999'));
  const startedAt = performance.now();
  for (const text of [
    'eyJ'.repeat(40_000),
    'eyJ.'.repeat(30_000),
    `${identity} `.repeat(1_000),
    '.'.repeat(120_000),
  ])
    lineages.findIdentity('job 4999', text);
  t.ok(performance.now() - startedAt < 2_000, 'linear');
});

t.test('a redirect is followed by the method that a client goes on with', async (t) => {
  const asked = { rule: 'r', scope: null, hops: 0 };
  const implied = { ...asked, isImplied: true } as const;
  const read = ['GET', 'HEAD'];
  const rows: readonly (readonly [number, string, readonly string[], readonly string[]])[] = [
    [301, 'GET', read, read],
    [302, 'POST', read, read],
    [303, 'PUT', read, read],
    [307, 'GET', read, read],
    [307, 'PUT', ['PUT'], read],
    [308, 'POST', ['POST'], read],
    [300, 'GET', read, read],
    [201, 'POST', [], []],
    [304, 'GET', [], []],
    [404, 'GET', [], []],
  ];
  for (const [status, method, byRule, byItself] of rows) {
    t.same(followedMethods(status, method, asked), byRule, `${status} ${method}`);
    t.same(followedMethods(status, method, implied), byItself, `${status} ${method} of no rule`);
  }
  const grants = new FollowGrants();
  const base = { host: 'a.test', port: 443, pathAndQuery: '/' };
  const url = { host: 'b.test', port: 443, pathAndQuery: '/up?x=1' };
  t.ok(grants.open('job 1', 'https://b.test/up?x=1', base, asked, ['PUT']));
  t.ok(grants.url('job 1', url, 'PUT'));
  for (const method of ['GET', 'POST', 'DELETE', 'put'])
    t.equal(grants.url('job 1', url, method), null, method);
  t.equal(grants.open('job 1', 'https://c.test/', base, asked, []), null);
  t.equal(grants.host('job 1', 'c.test', 443), null);
});
