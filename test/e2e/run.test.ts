// `sallyport run` as its user meets it: exit codes, the policy's problems, and what is left when it is killed.

import { spawn, spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import t from 'tap';
import { TestAuthority } from '../../netns/authority.ts';
import { waitUntil } from '../lab/gateway.ts';

t.setTimeout(120_000);
const main = join(import.meta.dirname, '../../main.ts');
const env = { PATH: process.env['PATH'] ?? '' };
const folder = mkdtempSync(join(tmpdir(), 'sallyport-run-test-'));
t.teardown(() => rmSync(folder, { recursive: true }));
const policyFile = (text: string): string => {
  const path = join(folder, `policy-${text.length}.yaml`);
  writeFileSync(path, text);
  return path;
};
const closed = policyFile('version: 1\nmode: block\nhttp: {id: only, host: allowed.example}\n');
const run = (...args: string[]) =>
  spawnSync(process.execPath, [main, 'run', ...args], { env, encoding: 'utf8', timeout: 60_000 });
const tables = (): string => spawnSync('nft', ['list', 'tables'], { encoding: 'utf8' }).stdout;
const namespaces = (): string => spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout;

t.test('the command’s exit code is passed on and nothing of the run is left', async (t) => {
  const { status, stderr, pid } = run('--policy', closed, '--', 'sh', '-c', 'exit 7');
  t.equal(status, 7, stderr);
  t.notMatch(tables(), new RegExp(`sallyport_run_${pid}`));
  t.notMatch(namespaces(), new RegExp(`sp-${pid}-`));
});

t.test(
  'curl is refused with a body, an exit code of its own and a record that name the reason',
  async (t) => {
    const { status, stdout } = run(
      '--policy',
      closed,
      '--json',
      '--',
      'curl',
      '-fsS',
      'https://blocked.example/x',
    );
    t.equal(status, 22);
    const summary = JSON.parse(stdout) as { blocked: number; allowed: number; flows: { host: string }[] };
    t.equal(summary.allowed, 0);
    t.ok(summary.flows.some(({ host }) => host === 'blocked.example'));
  },
);

t.test(
  'a policy with problems is refused before anything starts, all of them with their places',
  async (t) => {
    const broken = policyFile('version: 1\nmode: blok\nhttp:\n  - {id: a, hosst: x.example}\n');
    const { status, stderr } = run('--policy', broken, '--', 'true');
    t.equal(status, 2);
    t.match(stderr, /:2:7: error: .*blok/);
    t.match(stderr, /:4:13: error: unknown key "hosst"; did you mean "host"/);
  },
);

t.test(
  'a command that puts other records in place of its own changes neither table nor outcome',
  async (t) => {
    const state = join(folder, 'replaced');
    const script = `curl -s https://blocked.example/; mv ${state} ${state}-away; mkdir -p ${state}/segments`;
    const { status, stdout, stderr } = run(
      '--policy',
      closed,
      '--state',
      state,
      '--json',
      '--',
      'sh',
      '-c',
      script,
    );
    t.equal(status, 70, stderr);
    t.match(stderr, /segments was replaced meanwhile/);
    t.ok((JSON.parse(stdout) as { blocked: number }).blocked > 0);
  },
);

t.test('killed, it leaves its job shut in, and the next start cleans up', async (t) => {
  const child = spawn(process.execPath, [main, 'run', '--policy', closed, '--', 'sleep', '97'], {
    env,
    stdio: 'ignore',
  });
  const own = `sallyport_run_${child.pid}`;
  t.ok(await waitUntil(() => tables().includes(own) && isRunning('sleep 97'), 40_000), 'it runs');
  const gateway = childOf(child.pid ?? 0, 'serve');
  t.ok(gateway > 0);
  child.kill('SIGKILL');
  t.ok(await waitUntil(() => !isAlive(String(gateway)), 40_000), 'its gateway ends by itself');
  t.match(tables(), new RegExp(own), 'the rules stay');
  run('--policy', closed, '--', 'true');
  t.notMatch(tables(), new RegExp(own));
  t.notMatch(namespaces(), new RegExp(`sp-${child.pid}-`));
  t.notOk(isRunning('sleep 97'), 'the job is ended');
});

t.test('a gateway that ends before its command fails the run, and lets nothing through', async (t) => {
  const script = 'sleep 2; curl -sS -m 2 https://blocked.example/; true';
  const child = spawn(process.execPath, [main, 'run', '--policy', closed, '--', 'sh', '-c', script], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let printed = '';
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const ended = once(child, 'close');
  t.ok(await waitUntil(() => isRunning('sleep 2'), 40_000), 'it runs');
  process.kill(childOf(child.pid ?? 0, 'serve'), 'SIGKILL');
  t.strictSame(await ended, [70, null], printed);
  t.match(printed, /curl: \(6|7\)|timed out/i);
  t.match(printed, /the gateway ended meanwhile \(SIGKILL\)/);
  t.notMatch(tables(), new RegExp(`sallyport_run_${child.pid}_`));
});

t.test('program and state may be in a home directory that nobody else enters', async (t) => {
  const mounts = programMounts();
  const home = join(folder, 'home');
  mkdirSync(home, { mode: 0o700 });
  const copy = join(home, 'sallyport');
  mkdirSync(copy);
  const root = join(import.meta.dirname, '../..');
  const sources = readdirSync(root).filter((name) => name.endsWith('.ts'));
  const folders = readdirSync(root, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !/^(?:\.|node_modules|test|bench|docs)/.test(entry.name))
    .map(({ name }) => name);
  for (const name of [...sources, ...folders, 'package.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const state = join(home, 'records');
  const args = ['run', '--policy', closed, '--state', state, '--', 'curl', '-sS', 'https://blocked.example/'];
  const ran = spawnSync(process.execPath, [join(copy, 'main.ts'), ...args], { env, encoding: 'utf8' });
  t.equal(ran.status, 0, ran.stderr);
  t.match(ran.stdout, /Sallyport did not let GET blocked\.example\/ through/);
  t.ok(readdirSync(join(state, 'segments')).length > 0, 'its records are there');
  t.strictSame(programMounts(), mounts, 'its mounts are its own');
});

t.test(
  'a state directory that somebody else made is refused, and nothing is written through its links',
  (t) => {
    const target = join(folder, 'target');
    writeFileSync(target, 'precious');
    const places: [title: string, make: (place: string) => void][] = [
      ['a link to a file', (place) => symlinkSync(target, join(place, 'sallyport.json'))],
      ['an authority of its own', (place) => mkdirSync(join(place, 'authority'))],
      [
        'a link in an own folder',
        (place) => {
          mkdirSync(join(place, 'public'));
          symlinkSync(target, join(place, 'public', 'bundle.pem'));
          mkdirSync(join(place, 'segments'));
          chownSync(join(place, 'segments'), 64_802, 64_801);
        },
      ],
    ];
    for (const [title, make] of places) {
      const place = mkdtempSync(join(folder, 'state-'));
      make(place);
      const { status, stderr } = run('--policy', closed, '--state', place, '--', 'true');
      t.equal(status, 2, `${title}: ${stderr}`);
    }
    symlinkSync(folder, join(folder, 'linked'));
    t.equal(
      run('--policy', closed, '--state', join(folder, 'linked'), '--', 'true').status,
      2,
      'a link itself',
    );
    t.equal(readFileSync(target, 'utf8'), 'precious');
    t.end();
  },
);

t.test('under a mask that hides everything the run works, and its command keeps the mask', (t) => {
  const script = `umask 077; exec "$@"`;
  const command = ['run', '--policy', closed, '--', 'sh', '-c', 'umask; curl -sS https://blocked.example/'];
  const { status, stdout, stderr } = spawnSync(
    'sh',
    ['-c', script, 'sh', process.execPath, main, ...command],
    {
      env,
      encoding: 'utf8',
    },
  );
  t.equal(status, 0, stderr);
  t.match(stdout, /^0077\nSallyport did not let/);
  t.end();
});

t.test('an authority of the caller’s that others may not read reaches the workers', (t) => {
  const file = join(folder, 'authority.pem');
  writeFileSync(file, new TestAuthority('Corporate').certificate, { mode: 0o600 });
  const { status, stderr } = run('--policy', closed, '--authority', file, '--', 'true');
  t.equal(status, 0, stderr);
  t.end();
});

/** A checkout in a home directory is tested from such a place itself. */
function programMounts(): string[] {
  const lines = readFileSync('/proc/self/mounts', 'utf8').split('\n');
  return lines.filter((line) => line.includes('sallyport/program'));
}

function childOf(pid: number, word: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  const found = children.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').includes(word));
  return Number(found ?? 0);
}

function isRunning(commandLine: string): boolean {
  return readdirSync('/proc').some(
    (pid) => /^\d+$/.test(pid) && isAlive(pid) && commandOf(pid) === commandLine,
  );
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}

function isAlive(pid: string): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
