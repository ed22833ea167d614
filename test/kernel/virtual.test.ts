// Which name a virtual address stands for: the same as before where that is possible, never another one while
// somebody may still mean the old one, and for no runner more than a share.

import t from 'tap';
import { readSaved } from '../../kernel/virtual-pool.ts';
import { VirtualTable, type SavedVirtual } from '../../kernel/virtual-addresses.ts';

const minute = 60_000;

function tableOf(pool: readonly string[]) {
  const added: string[] = [];
  const connected = new Set<string>();
  let saved: SavedVirtual = [];
  let looks = 0;
  const table = new VirtualTable(pool, {
    add: (address) => void added.push(address),
    connected: () => {
      looks++;
      return connected;
    },
    changed: (now) => (saved = now),
  });
  return { table, added, connected, saved: () => saved, looked: () => looks };
}

t.test('a name has one address of each family, and keeps it', (t) => {
  const { table, added } = tableOf(['10.77.128.0/24', 'fd77::8:0/112']);
  const first = table.assign('git.example.com', 'r', 0, minute);
  const second = table.assign('db.example.com', 'r', 0, minute);
  t.match(first.v4, /^10\.77\.128\./);
  t.match(first.v6, /^fd77::8:/);
  t.notSame(first, second);
  t.same(table.assign('git.example.com', 'other', 10 * minute, 11 * minute), first, 'whoever asks, whenever');
  t.equal(table.hostOf(first.v4!), 'git.example.com');
  t.equal(table.hostOf(second.v6!), 'db.example.com');
  t.equal(table.hostOf('10.77.128.255'), null);
  t.same(new Set(added), new Set([first.v4, first.v6, second.v4, second.v6]));
  t.same(
    [table.contains('10.77.128.255'), table.contains('10.77.129.1'), table.contains('x')],
    [true, false, false],
  );
  t.end();
});

t.test('without its file a table gives most names what they had', (t) => {
  const names = Array.from({ length: 20 }, (_, i) => `host${i}.example.com`);
  const [a, b] = [tableOf(['10.77.128.0/24']), tableOf(['10.77.128.0/24'])];
  const all = (table: VirtualTable) => names.map((host, i) => table.assign(host, `r${i}`, 0, minute).v4);
  t.same(all(a.table), all(b.table));
  t.end();
});

t.test('a restart takes over what the file says, and nothing that it may not', (t) => {
  const before = tableOf(['10.77.128.0/24', 'fd77::8:0/112']);
  const given = before.table.assign('git.example.com', 'r', 0, minute);
  const after = tableOf(['10.77.128.0/24', 'fd77::8:0/112']);
  const json = JSON.stringify([
    ...before.saved(),
    ['10.77.0.1', 'outside.example.com'],
    ['10.77.128.9', 'git.example.com'],
    [given.v4, 'twice.example.com'],
    ['10.77.128.10', 'Bad Host'],
    ['10.77.128.11'],
    'text',
    null,
  ]);
  after.table.restore(readSaved(json), minute);
  t.same(after.table.assign('git.example.com', 'r', 0, minute), given);
  for (const address of ['10.77.0.1', '10.77.128.9', '10.77.128.10', '10.77.128.11'])
    t.equal(after.table.hostOf(address), null, address);
  t.same(new Set(after.added), new Set([given.v4, given.v6]), 'their addresses are put up again');
  t.same(readSaved('{}'), []);
  t.throws(() => readSaved('{'), SyntaxError);
  t.same(readSaved(null), []);
  t.end();
});

t.test('one runner may use up its share alone, and a full pool says so', (t) => {
  const { table } = tableOf(['10.77.128.0/27']);
  t.equal(table.capacity('v4'), 30);
  const flood = Array.from({ length: 60 }, (_, i) => table.assign(`n${i}.example.com`, 'bad', 0, minute).v4);
  t.equal(flood.filter((address) => address !== null).length, 7, 'a quarter');
  const others = Array.from(
    { length: 60 },
    (_, i) => table.assign(`o${i}.example.com`, `r${i}`, 0, minute).v4,
  );
  t.equal(others.filter((address) => address !== null).length, 23, 'the rest is for the others');
  t.equal(
    new Set([...flood, ...others].filter((address) => address !== null)).size,
    30,
    'all of them used, none twice',
  );
  t.equal(table.assign('late.example.com', 'x', 0, minute).v4, null);
  t.not(table.assign('n0.example.com', 'x', 0, minute).v4, null, 'a known name is answered for everybody');
  t.end();
});

t.test('an address goes to another name when nobody can mean the old one any more', (t) => {
  const { table, connected, saved, looked } = tableOf(['10.77.128.0/30']);
  const [a, b] = [
    table.assign('a.example.com', 'r', 0, minute),
    table.assign('b.example.com', 's', 0, 2 * minute),
  ];
  t.equal(table.assign('c.example.com', 'x', minute - 1, 3 * minute).v4, null, 'its time has not passed');
  t.ok(table.use(a.v4!, 'a.example.com', 5 * minute));
  t.equal(table.assign('c.example.com', 'x', 4 * minute, 6 * minute).v4, b.v4, 'the one whose time has');
  t.equal(table.hostOf(b.v4!), 'c.example.com');
  t.notOk(table.use(b.v4!, 'b.example.com', 9 * minute), 'the old name opens nothing there');
  connected.add(a.v4!);
  t.equal(table.assign('d.example.com', 'x', 5 * minute + 1, 7 * minute).v4, null, 'a connection is open');
  const looks = looked();
  for (let i = 0; i < 100; i++) table.assign(`e${i}.example.com`, 'x', 5 * minute + 2, 7 * minute);
  t.equal(looked(), looks, 'which is not looked at a hundred times a second');
  connected.clear();
  t.equal(table.assign('d.example.com', 'x', 5 * minute + 1_002, 7 * minute).v4, a.v4);
  t.same(
    saved()
      .map(([, host]) => host)
      .toSorted(),
    ['c.example.com', 'd.example.com'],
  );
  t.end();
});

t.test('many names that are over are looked at once a second, not once for each that is asked for', (t) => {
  const { table, looked } = tableOf(['10.77.128.0/26']);
  for (let i = 0; i < 62; i++) table.assign(`a${i}`, `r${i}`, 0, minute);
  const given = Array.from(
    { length: 62 },
    (_, i) => table.assign(`b${i}`, `s${i}`, 2 * minute, 3 * minute).v4,
  );
  t.equal(new Set(given).size, 62);
  t.notOk(given.includes(null));
  t.equal(looked(), 1);
  t.end();
});

t.test('a family without a range, and ranges of one address', (t) => {
  t.same(tableOf(['fd77::8:0/112']).table.assign('a', 'r', 0, 1).v4, null);
  const { table } = tableOf(['10.77.128.4/32', '10.77.128.6/31']);
  const given = ['a', 'b', 'c', 'd'].map((host) => table.assign(host, 'r', 0, 1).v4);
  t.same(new Set(given), new Set(['10.77.128.4', '10.77.128.6', '10.77.128.7', null]));
  t.end();
});
