// Control's side of a policy: which text is put in force and in what order, what is tried again, and what stays.

import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { SallyportError } from '../../flow/errors.ts';
import type { Attribution } from '../../flow/job.ts';
import { noMeter } from '../../flow/ports.ts';
import { attributionOfEntry } from '../../jobs/live-table.ts';
import { PlanInForce } from '../../plan-in-force.ts';
import { readBundleFile, watchBundleFile, writeBundleFile } from '../../policy/bundle-file.ts';
import type { PolicyBundle } from '../../policy/load.ts';
import { PolicyInForce, type PolicySource } from '../../policy/policy-in-force.ts';
import { liveEntry } from '../lab/live-tables.ts';

const root = mkdtempSync(join(tmpdir(), 'policy-in-force-'));
// The timers under test keep no process alive.
const alive = setInterval(() => {}, 1000);
t.teardown(() => {
  clearInterval(alive);
  rmSync(root, { recursive: true });
});
const text = (host: string): string => `version: 1\nmode: block\nhttp: [{id: a, host: ${host}}]\n`;
let places = 0;

function open(t: { teardown(end: () => void): void }, content: string, changes: Partial<PolicySource> = {}) {
  const directory = join(root, `${places++}`);
  mkdirSync(directory);
  const path = join(directory, 'policy.yaml');
  writeFileSync(path, content);
  const bundleFile = join(directory, 'bundle.json');
  const seen = { planned: [] as string[], errors: [] as string[], warnings: [] as string[] };
  const source: PolicySource = {
    path,
    bundleFile,
    loadOptions: {},
    plan: async ({ revision }) => void seen.planned.push(revision),
    log: {
      info: () => {},
      warn: (message) => seen.warnings.push(message),
      error: (_, message) => seen.errors.push(message),
    },
    meter: noMeter,
    retryMs: { first: 30, most: 60 },
    ...changes,
  };
  const policy = new PolicyInForce(source);
  t.teardown(() => policy.close());
  const inForce = (): string | undefined => readBundleFile(bundleFile)?.files['policy.yaml'];
  return { path, directory, bundleFile, seen, policy, inForce };
}

async function until(test: () => boolean, limitMs = 5000): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (!test() && Date.now() < deadline) await sleep(10);
  return test();
}

t.test(
  'a plan that the keeper does not acknowledge is sent again until it does, and told once',
  async (t) => {
    let refusals = 3;
    const { policy, seen, inForce } = open(t, text('one.example'), {
      plan: async () => {
        if (refusals-- > 0) throw new SallyportError('keeper-unavailable', 'no answer within 60000 ms');
      },
    });
    await policy.read();
    t.equal(policy.policy, null);
    t.equal(policy.problem, 'no valid policy has been loaded');
    t.ok(await until(() => policy.policy !== null), 'without a change of any file');
    t.equal(inForce(), text('one.example'));
    t.equal(policy.problem, null);
    t.same(seen.errors, ['the policy could not be put in force everywhere; it is tried again']);
  },
);

t.test(
  'until kernel and workers hold the same policy the gateway is not ready, and a broken one undoes half of it',
  async (t) => {
    let isRefusing = false;
    const plans: string[] = [];
    const { policy, path, inForce, seen } = open(t, text('one.example'), {
      retryMs: { first: 60_000, most: 60_000 },
      plan: async ({ revision }) => {
        plans.push(revision);
        if (isRefusing) throw new SallyportError('keeper-unavailable', 'no answer');
      },
    });
    await policy.read();
    const first = policy.policy?.revision;
    isRefusing = true;
    writeFileSync(path, text('two.example'));
    await policy.read();
    t.equal(policy.problem, 'the policy that was read last is not in force everywhere');
    t.equal(inForce(), text('one.example'));
    isRefusing = false;
    writeFileSync(path, 'version: 1\nmode: sideways\n');
    await policy.read();
    t.equal(policy.problem, null, 'the kernel holds what the workers have');
    t.equal(plans.at(-1), first);
    t.equal(plans.length, 3);
    t.match(seen.errors.at(-1), /the policy has problems; the last good one stays in force/);
  },
);

t.test('a change between reading and looking at the files is not taken for known', async (t) => {
  const late: { path: string; bundleFile: string }[] = [];
  const opened = open(t, text('one.example'), {
    plan: async () => {
      // While the plan is on its way the operator writes the next version.
      const place = late.pop();
      if (place !== undefined) writeFileSync(place.path, text('two.example'));
    },
  });
  late.push(opened);
  await opened.policy.read();
  t.equal(opened.inForce(), text('one.example'));
  t.ok(await until(() => opened.inForce() === text('two.example')), 'the next look finds it');
});

t.test('a file that is being written in place is not read half', async (t) => {
  const policyText = 'version: 1\nmode: audit\nblocklist: [{files: list.yaml}]\n';
  const directory = join(root, 'half');
  mkdirSync(directory);
  const list = join(directory, 'list.yaml');
  writeFileSync(list, 'hosts:\n');
  writeFileSync(join(directory, 'policy.yaml'), policyText);
  const { policy, bundleFile } = open(t, '', { path: join(directory, 'policy.yaml') });
  const read = policy.read();
  for (let i = 0; i < 10; i++) {
    appendFileSync(list, `  - host${i}.example\n`);
    await sleep(20);
  }
  await read;
  t.match(readBundleFile(bundleFile)?.files['list.yaml'], /host0[^]*host9/);
  t.match(readFileSync(bundleFile, 'utf8'), /host9/);
});

t.test('a file that was missing is found when it comes, also in a folder that was not watched', async (t) => {
  const { policy, directory, seen } = open(t, 'version: 1\nblocklist: [{files: lists/all.yaml}]\n');
  await policy.read();
  t.equal(policy.policy, null);
  await sleep(150);
  t.equal(seen.errors.length, 1, 'tried again, told once');
  mkdirSync(join(directory, 'lists'));
  writeFileSync(join(directory, 'lists/new.yaml'), 'hosts: [bad.example]\n');
  renameSync(join(directory, 'lists/new.yaml'), join(directory, 'lists/all.yaml'));
  t.ok(await until(() => policy.policy !== null));
});

t.test('a control that is started again with a broken policy goes on with what is in force', async (t) => {
  const { policy, path, bundleFile } = open(t, text('one.example'));
  await policy.read();
  writeFileSync(path, 'version: 1\nmode: [\n');
  const next = open(t, '', { path, bundleFile });
  await next.policy.read();
  t.equal(next.policy.problem, 'no valid policy has been loaded');
  next.policy.adopt();
  t.equal(next.policy.policy?.revision, policy.policy?.revision);
  t.equal(next.policy.problem, null);
});

t.test('a worker takes the bundle that came while it was taking an older one', async (t) => {
  const path = join(root, 'replaced.json');
  const bundle = (name: string) => ({ entry: 'policy.yaml', files: { 'policy.yaml': text(name) } });
  writeBundleFile(path, bundle('old.example'));
  const taken: string[] = [];
  const take = ({ files }: PolicyBundle): void => {
    taken.push(files['policy.yaml']!);
    if (taken.length === 1) writeBundleFile(path, bundle('new.example'));
  };
  const watch = watchBundleFile(path, 10, take, (error) => t.fail(String(error)));
  t.teardown(() => watch.close());
  await until(() => taken.length === 2);
  t.same(taken, [text('old.example'), text('new.example')]);
});

t.test('a bundle that the system does not let a worker read is tried again', async (t) => {
  const path = join(root, 'unreadable.json');
  const bundle = { entry: 'policy.yaml', files: { 'policy.yaml': text('a.example') } };
  const errors: unknown[] = [];
  const taken: PolicyBundle[] = [];
  // A folder stands at its place: EISDIR, whoever reads it.
  mkdirSync(path);
  const watch = watchBundleFile(
    path,
    10,
    (one) => taken.push(one),
    (error) => errors.push(error),
  );
  t.teardown(() => watch.close());
  t.ok(await until(() => errors.length >= 3), 'again and again');
  rmSync(path, { recursive: true });
  writeBundleFile(path, bundle);
  await until(() => taken.length > 0);
  t.same(taken, [bundle]);
});

t.test(
  'the kernel is told of jobs that come and go where that makes a difference, and once for many',
  async (t) => {
    const range = 'network: [{id: db, to: 192.0.2.53/32, port: 5432}]';
    const scope = (rule: string): string =>
      `version: 1\nmode: block\nbundles: {b: {${rule}}}\nscopes: [{id: app, match: {repo: acme/app}, use: b}]\n`;
    const live = new Map<string, Attribution>();
    for (const [title, text, given] of [
      ['a scope with a network rule', scope(range), [[], ['192.0.2.7'], []]],
      ['a scope without', scope('http: [{id: a, host: a.example}]'), [[]]],
    ] as const) {
      live.clear();
      const plans: string[][] = [];
      let refusals = 0;
      const plan = new PlanInForce({
        give: async ({ runners }) => {
          if (refusals-- > 0) throw new SallyportError('keeper-unavailable', 'no answer');
          plans.push(Object.keys(runners));
        },
        declared: () => new Map(),
        live: () => live,
      });
      const { policy, seen } = open(t, text, {
        plan: (next) => plan.put(next),
        planAgain: (next) => plan.putAgain(next),
        // Beside the policy it would have it read again.
        bundleFile: join(root, `bundle-${given.length}.json`),
      });
      await policy.read();
      live.set('192.0.2.7', attributionOfEntry(liveEntry({ repository: 'acme/app' })));
      live.set('192.0.2.8', attributionOfEntry(liveEntry({ repository: 'acme/other' })));
      refusals = 1;
      for (let i = 0; i < 5; i++) policy.planAgain();
      await until(() => plans.length > 1, 1000);
      live.clear();
      policy.planAgain();
      await until(() => plans.length > 2, 300);
      t.same(plans, given, title);
      t.equal(seen.errors.length, given.length > 1 ? 1 : 0, 'a refusal is told once, and tried again');
      t.equal(policy.problem, null);
    }
  },
);
