// Bindings beyond the kernel's sets: whose address they are made for in both families, and the name they keep.

import t from 'tap';
import { choosePins } from '../../kernel/choose-pins.ts';
import type { ElementStore, SetChange } from '../../kernel/element-store.ts';
import { LiveSets } from '../../kernel/live-sets.ts';
import { BoundNames } from '../../kernel/bound-names.ts';
import { bindBothFamilies, siblingsAmong } from '../../kernel/neighbours.ts';

t.test('the addresses of one machine belong together, those behind one router do not', (t) => {
  const table = [
    { address: '10.0.0.2', machine: '3 aa' },
    { address: 'fd00::2', machine: '3 aa' },
    { address: 'fd00::3', machine: '3 aa' },
    { address: '10.0.0.4', machine: '3 bb' },
    { address: '10.0.0.5', machine: '3 bb' },
    { address: 'fd00::5', machine: '3 bb' },
    { address: 'fd00::6', machine: '3 cc' },
    { address: 'fd00::7', machine: '4 aa' },
  ];
  for (const [address, siblings] of [
    ['10.0.0.2', ['fd00::2', 'fd00::3']],
    ['fd00::3', ['10.0.0.2']],
    ['10.0.0.4', []],
    ['fd00::5', []],
    ['fd00::6', []],
    ['fd00::7', []],
    ['10.0.0.9', []],
  ] as const) {
    t.same(siblingsAmong(table, address), siblings, address);
  }
  t.end();
});

t.test('a binding across families is made for the other address, and for nobody when there is none', (t) => {
  const base = { protocol: 'tcp', port: 22, ttlMs: 1000, host: 'scm.example' } as const;
  const same = { ...base, runner: '10.0.0.2', address: '192.0.2.1' };
  const across = { ...base, runner: '10.0.0.2', address: '2001:db8::1' };
  const siblings = (runner: string) => (runner === '10.0.0.2' ? ['fd00::2', '10.0.0.3', 'fd00::2'] : []);
  t.same(bindBothFamilies([same, across], siblings), [same, { ...across, runner: 'fd00::2' }]);
  t.same(bindBothFamilies([{ ...across, runner: '10.0.0.9' }], siblings), []);
  t.end();
});

t.test(
  'a name is found by the flow that it was bound for, until it is forgotten or its time has passed',
  (t) => {
    const names = new BoundNames();
    const binding = {
      runner: '10.0.0.2',
      address: '192.0.2.1',
      protocol: 'tcp',
      port: 22,
      ttlMs: 1000,
      host: 'scm.example',
    } as const;
    const flow = { runner: '10.0.0.2', destination: '192.0.2.1', protocolNumber: 6, port: 22 };
    names.remember([binding, { ...binding, runner: '10.0.0.3' }], 0);
    t.equal(names.find(flow), 'scm.example');
    for (const other of [
      { runner: '10.0.0.4' },
      { protocolNumber: 17 },
      { port: 23 },
      { port: null },
      { destination: null },
    ])
      t.equal(names.find({ ...flow, ...other }), null, JSON.stringify(other));
    t.same(
      names.list(1000).map(({ runner }) => runner),
      ['10.0.0.2', '10.0.0.3'],
    );
    names.forget([binding]);
    t.equal(names.find(flow), null);
    names.forgetRunner('10.0.0.3');
    t.same(names.list(1000), []);
    names.remember([binding], 0);
    t.same(names.list(700_000), []);
    t.end();
  },
);

t.test('one runner cannot take more of the set of bindings than its share', (t) => {
  const committed: SetChange[] = [];
  const store: ElementStore = { commit: (changes) => void committed.push(...changes), read: () => [] };
  const live = new LiveSets(store);
  const bindings = (runner: string, from: number, count: number) =>
    Array.from({ length: count }, (_, i) => {
      const at = from + i;
      const address = `93.184.${at >> 8}.${at & 255}`;
      return { runner, address, protocol: 'tcp', port: 443, ttlMs: 60_000 } as const;
    });
  live.bind(bindings('10.77.0.2', 0, 16_384));
  live.bind(bindings('10.77.0.2', 0, 100));
  t.throws(() => live.bind(bindings('10.77.0.2', 20_000, 1)), { code: 'runner-limit' });
  live.bind(bindings('10.77.0.3', 0, 10));
  t.equal(live.sizes().bound, 16_394, 'another has its own');
  live.unbind(bindings('10.77.0.2', 0, 1));
  live.bind(bindings('10.77.0.2', 20_000, 1));
  live.unbindRunner('10.77.0.2');
  t.equal(live.sizes().bound, 10);
  live.unbindAll();
  t.equal(live.sizes().bound, 0);
  t.end();
});

t.test('both addresses of a runner are pinned to one worker, and only those of runners', (t) => {
  const networks = ['10.77.0.0/16', 'fd77::/64'];
  const pins = choosePins(
    [
      ['10.77.0.2', 'fd77::2'],
      ['10.77.0.3', 'fd77::2', 'fd77::3'],
      ['10.77.0.4'],
      ['192.0.2.1', '2001:db8::1'],
    ],
    { workers: 4, networks },
  );
  t.same([...pins.keys()].sort(), ['10.77.0.2', '10.77.0.3', 'fd77::2', 'fd77::3']);
  t.equal(pins.get('10.77.0.2'), pins.get('fd77::2'));
  t.equal(pins.get('10.77.0.3'), pins.get('fd77::3'));
  const many = Array.from({ length: 200 }, (_, i) => [`10.77.1.${i}`, `fd77::1:${i}`]);
  const spread = choosePins(many, { workers: 4, networks });
  for (const worker of [0, 1, 2, 3]) {
    const share = [...spread.values()].filter((value) => value === worker).length / 2;
    t.ok(share > 20 && share < 80, `worker ${worker} has ${share} of 200`);
  }
  t.equal(choosePins(many, { workers: 1, networks }).size, 0);
  t.end();
});
