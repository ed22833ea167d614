// The way it is shipped: the packed program installs and runs; the image, built from a local base, serves with four
// capabilities and a read-only root in gateway and steer mode, and a real Prometheus reads its metrics.

import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { insidePrefix } from '../../netns/gateway-port.ts';
import { dialTcp } from '../../netns/socket.ts';
import { trustVariables } from '../../netns/trust.ts';
import { waitUntil } from '../lab/gateway.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';

const root = resolve(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'sallyport-image-'));
const hasProgram = (name: string) => spawnSync('which', [name]).status === 0;
const missing = ['podman', 'buildah', 'busybox', 'runc', 'prometheus'].filter((name) => !hasProgram(name));
const skip = missing.length > 0 ? `not installed: ${missing.join(', ')}` : false;
const image = `localhost/sallyport-test:${process.pid}`;
const base = `localhost/sallyport-base:${process.pid}`;

// A store and a configuration of this test's own, so that the machine's images stay as they are.
// tap's loaders are for this process alone; it puts them back into the environment of what is spawned directly.
const { NODE_OPTIONS: _options, ...cleanEnv } = process.env;
const containerEnv = {
  ...cleanEnv,
  CONTAINERS_CONF: join(work, 'containers.conf'),
  CONTAINERS_STORAGE_CONF: join(work, 'storage.conf'),
};
writeFileSync(
  containerEnv.CONTAINERS_CONF,
  '[containers]\ndefault_ulimits = []\n[engine]\ncgroup_manager="cgroupfs"\n',
);
writeFileSync(
  containerEnv.CONTAINERS_STORAGE_CONF,
  `[storage]\ndriver = "overlay"\ngraphroot = "${work}/graph"\nrunroot = "${work}/run"\n`,
);
const runFile = promisify(execFile);
const podman = async (...args: string[]) =>
  (await runFile('podman', ['--runtime', 'runc', ...args], { env: containerEnv })).stdout;
const script = (...args: string[]) =>
  execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, join(root, 'deploy/pack.ts'), ...args], {
    cwd: root,
    env: cleanEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  });

const policy = 'version: 1\nmode: block\nhttp:\n  - {id: allowed, host: allowed.example.com}\n';

t.setTimeout(120_000);
t.teardown(() => {
  spawnSync('podman', ['system', 'reset', '--force'], { env: containerEnv, stdio: 'ignore' });
  spawnSync('umount', [join(work, 'graph/overlay')], { stdio: 'ignore' });
  rmSync(work, { recursive: true, force: true });
});

t.test('the packed program installs into an empty folder with scripts off, and runs', (t) => {
  const place = join(work, 'install');
  mkdirSync(place);
  writeFileSync(join(place, 'package.json'), '{}');
  const file = script('--out', work).toString().trim();
  execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', file], {
    cwd: place,
    stdio: 'ignore',
  });
  const help = spawnSync('env', ['-u', 'NODE_OPTIONS', 'npx', 'sallyport', '--help'], {
    cwd: place,
    env: cleanEnv,
    encoding: 'utf8',
  });
  t.equal(help.status, 0);
  t.match(help.stdout, /usage: sallyport COMMAND/);
  const policyFile = join(place, 'policy.yaml');
  writeFileSync(policyFile, policy);
  // The machine's own Node, which may be older than what the program runs on.
  const sallyport = (...args: string[]) =>
    spawnSync('npx', ['sallyport', ...args], { cwd: place, env: cleanEnv, encoding: 'utf8' });
  t.match(sallyport('check', policyFile), { status: 0 });
  t.match(
    sallyport('explain', policyFile, 'https://allowed.example.com/a', '--json').stdout,
    /"rule":"allowed"/,
  );
  const run = sallyport('run', '--policy', policyFile, '--', 'curl', '-sS', 'https://blocked.example.net/');
  t.match(
    run,
    { status: 0, stdout: /Sallyport did not let GET blocked\.example\.net\/ through/ },
    run.stderr,
  );
  t.end();
});

const noAnalyzer = !hasProgram('systemd-analyze') && 'not installed: systemd-analyze';
t.test('systemd understands the units, and finds them closed', { skip: noAnalyzer }, (t) => {
  for (const name of ['sallyport', 'sallyport-guard']) {
    // A copy: beside each other and away from the installed ones.
    for (const unit of ['sallyport.service', 'sallyport-guard.service'])
      copyFileSync(join(root, 'deploy', unit), join(work, unit));
    const unit = join(work, `${name}.service`);
    const verify = spawnSync('systemd-analyze', ['verify', unit], { encoding: 'utf8' });
    t.equal(
      `${verify.status} ${verify.stderr
        .split('\n')
        .filter((line) => line.includes(name))
        .join()}`,
      '0 ',
    );
    const security = ['security', '--offline=true', '--threshold=26', unit];
    t.equal(spawnSync('systemd-analyze', security).status, 0, `${name}: exposure of 2.6 at most`);
  }
  t.end();
});

function containerConfig(lab: Lab) {
  const { topology } = lab;
  return {
    version: 1,
    mode: lab.mode,
    policy: '/etc/sallyport/policy.yaml',
    workers: 1,
    runners: { interfaces: [topology.runnerInterface], networks: topology.runnerNetworks },
    addresses: [topology.gateway4, topology.gateway6],
    dns: { upstreams: [{ address: labAddresses.dns4 }] },
    tls: { extraAuthorities: ['/etc/sallyport/lab-ca.pem'] },
  };
}

/** Starts the image in the gateway's namespace of the lab and answers its id. */
async function startContainer(lab: Lab, state: string): Promise<string> {
  const configuration = join(lab.directory, 'etc');
  mkdirSync(configuration);
  mkdirSync(state);
  writeFileSync(join(configuration, 'sallyport.yaml'), JSON.stringify(containerConfig(lab)));
  writeFileSync(join(configuration, 'policy.yaml'), policy);
  writeFileSync(join(configuration, 'lab-ca.pem'), lab.origins.authority.certificate);
  const id = await podman(
    'run',
    '--detach',
    `--network=ns:/run/netns/${lab.topology.gateway}`,
    '--cap-drop=ALL',
    ...['NET_ADMIN', 'SETUID', 'SETGID', 'KILL'].map((name) => `--cap-add=${name}`),
    '--security-opt=no-new-privileges',
    '--read-only',
    '--tmpfs=/run',
    '--tmpfs=/tmp',
    '--ulimit=nofile=20000:20000',
    '--ulimit=nproc=4096:4096',
    `--volume=${configuration}:/etc/sallyport:ro`,
    `--volume=${state}:/var/lib/sallyport`,
    image,
  );
  if (!(await waitUntil(() => existsSync(join(state, 'ready.json')), 15_000))) {
    throw new Error(
      `the container did not serve:\n${JSON.stringify(await runFile('podman', ['logs', id.trim()], { env: containerEnv }))}`,
    );
  }
  return id.trim();
}

/** Scrapes with a real Prometheus in the gateway's namespace until its query has an answer above zero. */
async function queryPrometheus(lab: Lab, query: string): Promise<number> {
  const file = join(lab.directory, 'prometheus.yml');
  writeFileSync(
    file,
    'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: sallyport, static_configs: [{targets: ["127.0.0.1:9440"]}]}]\n',
  );
  const [command, ...prefix] = insidePrefix(lab.topology.gateway);
  const args = [
    ...prefix,
    'prometheus',
    `--config.file=${file}`,
    `--storage.tsdb.path=${lab.directory}/tsdb`,
    '--web.listen-address=127.0.0.1:9090',
  ];
  const child = spawn(command!, args, { stdio: 'ignore' });
  try {
    for (let attempt = 0; attempt < 60; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const value = await ask(lab, `/api/v1/query?query=${encodeURIComponent(query)}`);
      if (value > 0) return value;
    }
    return 0;
  } finally {
    child.kill('SIGKILL');
  }
}

async function ask(lab: Lab, path: string): Promise<number> {
  const socket = dialTcp(lab.topology.gateway, '127.0.0.1', 9090);
  socket.write(`GET ${path} HTTP/1.0\r\nHost: prometheus\r\n\r\n`);
  const text = await Array.fromAsync(socket).then(
    (parts) => Buffer.concat(parts).toString(),
    () => '',
  );
  return Number(/"value":\[[^,]+,"([\d.]+)"\]/.exec(text)?.[1] ?? 0);
}

t.test('the image', { skip, timeout: 100_000 }, async (t) => {
  script('--stage', join(root, 'build/image'));
  await runFile('sh', [join(root, 'deploy/fast-base.sh'), base], { env: containerEnv });
  const build = [
    'bud',
    '--isolation',
    'chroot',
    '--network',
    'host',
    '--build-arg',
    `BASE=${base}`,
    '-t',
    image,
    root,
  ];
  await runFile('buildah', build, { env: containerEnv });

  for (const mode of ['gateway', 'steer'] as const) {
    await t.test(
      `allows and blocks as the policy says in ${mode} mode, with four capabilities`,
      async (t) => {
        const lab = await Lab.open({ mode });
        const state = join(lab.directory, 'state');
        let id = '';
        try {
          id = await startContainer(lab, state);
          const env = trustVariables(state);
          const curl = (url: string) =>
            lab.run(['curl', '-sS', '--max-time', '8', '-w', '\n%{http_code}', url], { env });
          const allowed = await curl('https://allowed.example.com/path');
          t.match(allowed, { code: 0, stdout: /"target":"\/path"[^]*\n200$/ }, 'an allowed request arrives');
          const blocked = await curl('https://blocked.example.net/');
          t.match(blocked.stdout, /no-rule[^]*\n403$/, 'a blocked one is explained');
          t.strictSame(lab.origins.requestsTo('blocked.example.net'), []);
          t.strictSame(lab.origins.questionsFor('blocked.example.net'), []);
          const status = await podman('exec', id, 'cat', '/proc/1/status');
          t.match(status, /CapBnd:\t00000000000010e0\n/, 'NET_ADMIN, KILL, SETGID, SETUID and nothing else');
          const query = 'sum(sallyport_flows_total{verdict="block",enforced="true"})';
          t.ok((await queryPrometheus(lab, query)) > 0, 'Prometheus shows the blocked flows');
        } finally {
          if (id !== '') await podman('rm', '--force', '--time', '5', id);
          await lab.close();
        }
      },
    );
  }
});
