// Namespaces are made and removed exactly, also after kill -9; commands inside keep user, exit code and signals.

import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { createServer } from 'node:net';
import t from 'tap';
import { chooseLink, readTaken } from '../../netns/addresses.ts';
import type { CallingUser } from '../../netns/confine.ts';
import { callingUser, startInside, waitForExit } from '../../netns/enter.ts';
import { Namespaces } from '../../netns/namespace.ts';
import { inNamespace } from '../../netns/socket.ts';
import { readSetting } from '../../netns/sysctl.ts';

const directory = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
t.teardown(() => rmSync(directory, { recursive: true, force: true }));
// Other tests and runs on this machine come and go meanwhile.
const ourNamespaces = (pid = process.pid) =>
  (existsSync('/run/netns') ? readdirSync('/run/netns') : []).filter((name) => name.startsWith(`sp-${pid}-`));
const ourLinks = () =>
  (spawnSync('ip', ['-br', 'link'], { encoding: 'utf8' }).stdout.match(/^\S+/gm) ?? []).filter((name) =>
    name.startsWith(`sp${process.pid.toString(36)}x`),
  );

/** Runs a command inside a namespace of its own and answers its exit code and output. */
async function runInside(command: readonly string[], user: CallingUser | null = null, isConfined = false) {
  const made = new Namespaces(join(directory, 'run'));
  const namespace = made.create('cmd');
  const resolvConf = join(directory, 'resolv.conf');
  writeFileSync(resolvConf, 'nameserver 192.0.2.53\n', { mode: 0o644 });
  try {
    const child = startInside(command, {
      namespace,
      resolvConf,
      user,
      isConfined,
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    child.stdout?.on('data', (chunk) => (output += String(chunk)));
    return { code: await waitForExit(child), output };
  } finally {
    await made.remove();
  }
}

t.test('a run removes exactly what it made', async (t) => {
  const before = { namespaces: ourNamespaces(), links: ourLinks() };
  const made = new Namespaces(join(directory, 'exact'));
  const [a, b] = [made.create('a'), made.create('b')];
  const outside = made.linkName();
  made.link(
    { namespace: null, name: outside, addresses: ['10.127.255.1/30'] },
    { namespace: a, name: 'eth0', addresses: ['10.127.255.2/30'] },
  );
  made.link(
    { namespace: a, name: 'eth1', addresses: ['fd00:1::1/64'] },
    { namespace: b, name: 'eth0', addresses: ['fd00:1::2/64'] },
  );
  const sleeper = inNamespace(a, () => spawn('sleep', ['60'], { stdio: 'ignore' }));
  t.ok(ourNamespaces().includes(a) && ourNamespaces().includes(b));
  t.ok(ourLinks().some((name) => name.startsWith(outside)));
  const ended = once(sleeper, 'exit');
  await made.remove();
  await made.remove();
  t.strictSame(await ended, [null, 'SIGTERM'], 'a process that was left inside is ended');
  t.strictSame({ namespaces: ourNamespaces(), links: ourLinks() }, before);
  t.strictSame(readdirSync(join(directory, 'exact')), [], 'and its state file is gone');
});

t.test('the next start cleans what kill -9 left, and nothing of a run that lives', async (t) => {
  const place = join(directory, 'killed');
  const before = { namespaces: ourNamespaces(), links: ourLinks() };
  const kept = new Namespaces(place);
  const living = kept.create('living');
  const setting = 'ipv4/conf/lo/forwarding';
  const wasForwarding = readSetting(setting);
  const program = `
    import { spawn } from 'node:child_process';
    import { Namespaces } from ${JSON.stringify(join(import.meta.dirname, '../../netns/namespace.ts'))};
    import { inNamespace } from ${JSON.stringify(join(import.meta.dirname, '../../netns/socket.ts'))};
    const made = new Namespaces(${JSON.stringify(place)});
    const name = made.create('gone');
    made.link({ namespace: null, name: made.linkName(), addresses: ['10.127.254.1/30'] }, { namespace: name, name: 'eth0', addresses: [] });
    made.change([{ path: ${JSON.stringify(setting)}, after: '${wasForwarding === '1' ? 0 : 1}' }]);
    inNamespace(name, () => spawn('sleep', ['60'], { stdio: 'ignore', detached: true }));
    process.stdout.write(name);
    setInterval(() => {}, 1000);
  `;
  const file = join(directory, 'killed.ts');
  writeFileSync(file, program);
  const child = spawn(process.execPath, [file], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [chunk]: unknown[] = await once(child.stdout, 'data');
  const name = String(chunk);
  child.kill('SIGKILL');
  await once(child, 'exit');
  t.ok(ourNamespaces(child.pid).includes(name), 'the killed run left its namespace');
  t.not(readSetting(setting), wasForwarding);
  const next = new Namespaces(place);
  t.strictSame(ourNamespaces(child.pid), [], 'the next one removed it');
  t.equal(readSetting(setting), wasForwarding, 'and put the setting back');
  t.ok(ourNamespaces().includes(living), 'a living run keeps its own');
  await next.remove();
  await kept.remove();
  t.strictSame({ namespaces: ourNamespaces(), links: ourLinks() }, before);
});

t.test('a state file whose pid was given to another process counts as dead', async (t) => {
  const place = join(directory, 'reused');
  const made = new Namespaces(place);
  const name = made.create('reused');
  const [file] = readdirSync(place).map((entry) => join(place, entry));
  const state: unknown = JSON.parse(readFileSync(file!, 'utf8'));
  writeFileSync(file!, JSON.stringify({ ...Object(state), startTime: '1' }));
  await new Namespaces(place).remove();
  t.notOk(ourNamespaces().includes(name));
});

t.test('a command keeps its exit code, as a shell reports it', async (t) => {
  const rows: [command: string[], code: number][] = [
    [['true'], 0],
    [['sh', '-c', 'exit 7'], 7],
    [['sh', '-c', 'kill -TERM $$'], 143],
    [['sh', '-c', 'kill -KILL $$'], 137],
    [['/nowhere/at-all'], 127],
    [['/etc/passwd'], 126],
  ];
  for (const [command, code] of rows) {
    for (const user of [null, { uid: 65_534, gid: 65_534, name: 'nobody', home: '/' }]) {
      t.equal((await runInside(command, user)).code, code, `${command.join(' ')} as ${user?.name ?? 'root'}`);
    }
  }
});

t.test('a command runs as the calling user with the gateway as its only resolver', async (t) => {
  const { output } = await runInside(['sh', '-c', 'id -u; id -g; cat /etc/resolv.conf; pwd'], {
    uid: 65_534,
    gid: 65_534,
    name: 'nobody',
    home: '/',
  });
  t.equal(output, `65534\n65534\nnameserver 192.0.2.53\n${process.cwd()}\n`);
  t.not(readFileSync('/etc/resolv.conf', 'utf8'), 'nameserver 192.0.2.53\n', 'the host keeps its own');
  t.equal(callingUser({}), null);
  t.match(callingUser({ SUDO_UID: '65534', SUDO_GID: '65534' }), {
    uid: 65_534,
    gid: 65_534,
    name: 'nobody',
  });
  t.equal(callingUser({ SUDO_UID: '0', SUDO_GID: '0' }), null);
});

t.test('a shell text in an argument stays an argument', async (t) => {
  const { output } = await runInside(['printf', '%s', '$(id); `id` "\'']);
  t.equal(output, '$(id); `id` "\'');
});

t.test('confined, root cannot enter another namespace and finds no daemon of the host', async (t) => {
  const made = new Namespaces(join(directory, 'confined'));
  const other = made.create('other');
  const daemon = '/run/incus';
  const isOurs = !existsSync(daemon);
  mkdirSync(daemon, { recursive: true });
  const server = createServer().listen(join(daemon, `test-${process.pid}.socket`));
  t.teardown(async () => {
    server.close();
    if (isOurs) rmSync(daemon, { recursive: true });
    await made.remove();
  });
  const attempts: [title: string, script: string][] = [
    ['enters a namespace by name', `nsenter --net=/run/netns/${other} true`],
    ['gets an interface of another namespace', `ip link add v0 type veth peer name v1 netns ${other}`],
    ['takes a mount away', `umount ${daemon}`],
    ['finds a daemon of the host', `ls ${daemon} | grep -q socket`],
  ];
  for (const [title, script] of attempts) {
    const { code } = await runInside(['sh', '-c', script], null, true);
    t.not(code, 0, title);
  }
  for (const script of [attempts[0]![1], attempts[1]![1], attempts[3]![1]]) {
    t.equal((await runInside(['sh', '-c', script])).code, 0, `otherwise it works: ${script}`);
  }
});

t.test('a link collides with nothing that the host knows', (t) => {
  const link = chooseLink(readTaken(), process.pid);
  t.match(link, { network4: /^10\.\d+\.\d+\.\d+\/30$/, network6: /^fd[0-9a-f:]+\/126$/ });
  const taken = Array.from({ length: 63 }, (_, i) => `10.${64 + i}.0.0/16`);
  for (let seed = 0; seed < 20; seed++) {
    t.match(chooseLink([...taken, '0.0.0.0/0'], seed).gateway4, /^10\.127\./, 'only 10.127.0.0/16 is free');
  }
  t.throws(() => chooseLink(['10.0.0.0/8'], 1), { code: 'kernel' });
  t.end();
});

t.test('a setting that two runs share is put back by the last of them', async (t) => {
  const place = join(directory, 'shared');
  const path = 'ipv4/conf/lo/forwarding';
  const before = readSetting(path);
  const wanted = [{ path, after: before === '1' ? '0' : '1' }];
  const [first, second] = [new Namespaces(place), new Namespaces(place)];
  first.change(wanted);
  second.change(wanted);
  await first.remove();
  t.equal(readSetting(path), wanted[0]?.after);
  await second.remove();
  t.equal(readSetting(path), before);
});
