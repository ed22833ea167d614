// What is kept of tokens, logins and writes, in both databases as in the memory of the other tests.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { AccessStore, AuditEntry } from '../../api/auth/access-port.ts';
import { openStore, type StoreSource } from '../../store/opened-store.ts';
import { accessOf, actionsOf, type Actions } from '../../store/store-actions.ts';
import { memoryAccess } from '../lab/memory-access.ts';
import { findPostgres, PostgresServer } from '../lab/postgres-server.ts';

const odd = 'a\'); drop table audit; -- "\\ é\u{1f512} =1+1';
const token = {
  id: '0123456789abcdef',
  digest: 'd'.repeat(64),
  label: odd,
  role: 'operator',
  owners: ['acme', 'Corp'],
  createdMs: 1_000,
  expiresMs: 1_900_000_000_000,
  usedMs: null,
  revokedMs: null,
} as const;
const login = {
  digest: 'e'.repeat(64),
  user: 'user:alice#x',
  role: 'admin',
  owners: null,
  createdMs: 5,
  usedMs: 5,
} as const;
const entry = (serial: number): AuditEntry => ({
  id: `01a21058-5683-77a2-af01-dc36abb5c2e${serial}`,
  atMs: 1_000 + serial,
  actor: serial % 2 === 0 ? 'token:a' : 'user:b',
  address: '192.0.2.1',
  action: 'POST /v1/quarantine',
  target: odd,
  reason: odd,
  outcome: 'begun',
});

async function keep(t: Test, store: AccessStore): Promise<void> {
  t.equal(await store.tokenOf(token.id), null);
  await store.addToken(token);
  await store.addToken({ ...token, id: 'fedcba9876543210', owners: null, createdMs: 2_000 });
  t.same(await store.tokenOf(token.id), token);
  t.same(new Set((await store.tokens()).map(({ id }) => id)), new Set([token.id, 'fedcba9876543210']));
  await store.touchToken(token.id, 9_000);
  t.equal((await store.tokenOf(token.id))?.usedMs, 9_000);
  t.same(
    await Promise.all([store.revokeToken(token.id, 9_500), store.revokeToken(token.id, 9_600)]).then((done) =>
      done.toSorted(),
    ),
    [false, true],
    'one of two at once',
  );
  t.equal(await store.revokeToken('nobody', 1), false);
  t.type((await store.tokenOf(token.id))?.revokedMs, 'number');
  await store.addLogin(login);
  await store.addLogin({ ...login, digest: 'f'.repeat(64), createdMs: 50 });
  await store.touchLogin(login.digest, 60);
  t.same(await store.loginOf(login.digest), { ...login, usedMs: 60 });
  await store.dropLogins(50);
  t.equal(await store.loginOf(login.digest), null);
  t.same((await store.loginOf('f'.repeat(64)))?.owners, null);
  await store.removeLogin('f'.repeat(64));
  t.equal(await store.loginOf('f'.repeat(64)), null);
  for (let serial = 0; serial < 6; serial += 1) await store.addEntry(entry(serial));
  await store.endEntry(entry(3).id, 'done', 'the target');
  await t.rejects(store.endEntry('01a21058-0000-77a2-af01-dc36abb5c2e0', 'done', ''));
  await t.rejects(store.addEntry(entry(3)), 'an entry is written once');
  const found = async (question: Parameters<AccessStore['entries']>[0]) =>
    (await store.entries(question)).map(({ id }) => Number(id.at(-1)));
  t.same(await found({ limit: 10 }), [5, 4, 3, 2, 1, 0]);
  t.same(await found({ limit: 2, beforeId: entry(4).id }), [3, 2]);
  t.same(await found({ limit: 10, actor: 'token:a', fromMs: 1_002, untilMs: 1_004 }), [2]);
  t.same(await found({ limit: 10, outcome: 'done' }), [3]);
  t.same(await found({ limit: 10, action: "POST /v1/quarantine' or 1=1 --" }), []);
  t.same(await store.entries({ limit: 1, outcome: 'done' }), [
    { ...entry(3), outcome: 'done', target: 'the target' },
  ]);
}

async function opened(t: Test, source: StoreSource): Promise<AccessStore> {
  const store = await openStore(source);
  t.teardown(() => store.close());
  const actions = actionsOf(store.writer);
  // As from another thread: an action by its name.
  const act = (name: keyof Actions, ...values: unknown[]) =>
    // as: the values are those of the action of this name.
    (actions[name] as (...all: unknown[]) => Promise<never>)(...values);
  return accessOf({ act });
}

t.test('memory keeps what is asked', (t) => keep(t, memoryAccess()));

t.test('SQLite keeps the same', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'access-store-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  await keep(t, await opened(t, { kind: 'embedded', folder }));
});

const bin = findPostgres();
const skip = bin === null ? 'PostgreSQL is not installed' : false;
t.test('PostgreSQL keeps the same', { skip }, async (t) => {
  const server = new PostgresServer(bin!);
  t.teardown(() => server.close());
  await keep(t, await opened(t, { kind: 'postgres', config: server.config }));
});
