// The registries that this machine itself uses, behind `sallyport run` in block mode: every package of a real lock file
// is in the records by name and version, and by its age where the registry states one; so is a package of Debian. Hosts
// are read from the machine's own settings when this runs, and are printed nowhere.

import { spawn, spawnSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t from 'tap';
import type { Touch } from '../../flow/operation.ts';
import type { FlowSummary } from '../../netns/flow-table.ts';
import { readSegments } from '../../store/read-segments.ts';
import { versionOf, without } from '../lab/client-labs.ts';

type PackageTouch = Extract<Touch, { kind: 'package' }>;
const main = resolve(import.meta.dirname, '../../main.ts');
const fixture = resolve(import.meta.dirname, '../fixtures/npm-project');
const debianPackage = 'hostname';
const folder = mkdtempSync(join(tmpdir(), 'sallyport-real-'));
t.teardown(() => rmSync(folder, { recursive: true, force: true }));
t.setTimeout(120_000);

function output(...command: readonly string[]): string {
  const { stdout } = spawnSync(command[0]!, command.slice(1), {
    encoding: 'utf8',
    timeout: 20_000,
    cwd: folder,
  });
  return (stdout ?? '').trim();
}

/** Packages of the lock file, `name@version`. */
function readLock(): Map<string, { readonly name: string; readonly version: string }> {
  // Version 3 of npm's lock files.
  const { packages } = JSON.parse(readFileSync(join(fixture, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string }>;
  };
  const entries = Object.entries(packages).filter(([path]) => path !== '');
  return new Map(
    entries.map(([path, { version }]) => {
      const name = path.replace(/^.*node_modules\//, '');
      return [`${name}@${version}`, { name, version }];
    }),
  );
}

/** The registry that npm asks, and whether it answers. */
async function findRegistry(): Promise<URL | string> {
  const text = output('npm', 'config', 'get', 'registry');
  if (!URL.canParse(text) || !text.startsWith('https:')) return 'npm names no registry over HTTPS';
  const answer = await fetch(new URL('koa', text), { signal: AbortSignal.timeout(5000) }).catch(() => null);
  await answer?.body?.cancel();
  return answer === null || answer.status >= 500 ? 'the registry of npm does not answer' : new URL(text);
}

interface DebianFile {
  readonly url: URL;
  readonly version: string;
}

/** What apt would download from the machine's own mirror, or why nothing. */
async function findDebian(): Promise<DebianFile | string> {
  const found = /^'([^']+)' (\S+)_(\S+?)_[a-z0-9]+\.deb /m.exec(
    output('apt-get', '--print-uris', 'download', debianPackage),
  );
  if (found === null) return 'apt knows no package to download';
  const url = new URL(found[1]!);
  const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(5000) }).catch(() => null);
  if (answer?.ok !== true) return 'the mirror of Debian does not answer';
  return { url, version: found[3]!.replaceAll('%3a', ':') };
}

const registry = without('npm') === false ? await findRegistry() : 'npm is not installed';
const debian = without('apt-get') === false ? await findDebian() : 'there is no apt';
const lock = readLock();

function fileOf(from: URL, name: string, version: string): URL {
  return new URL(`${name}/-/${name.split('/').at(-1)}-${version}.tgz`, from);
}

/** When the registry says that a version was published, in the list that npm asks for. */
async function readStated(from: URL, name: string, version: string): Promise<number | null> {
  const accept = 'application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*';
  const answer = await fetch(new URL(name.replace('/', '%2f'), from), { headers: { accept } });
  // A packument; the short form of some registries says no times.
  const { time } = (await answer.json()) as { time?: Readonly<Record<string, string>> };
  return time?.[version] === undefined ? null : Date.parse(time[version]);
}

/** Lock files of many teams say where each file is, which npm then asks for straight away: half of this one does. */
async function prepareProject(from: URL): Promise<string> {
  const project = join(folder, 'project');
  cpSync(fixture, project, { recursive: true });
  const path = join(project, 'package-lock.json');
  // As above; `resolved` is what npm writes.
  const read = JSON.parse(readFileSync(path, 'utf8')) as {
    packages: Record<string, { version: string; resolved?: string }>;
  };
  const entries = Object.entries(read.packages).filter(([key], index) => key !== '' && index % 2 === 1);
  const files = entries.map(([key, { version }]) =>
    fileOf(from, key.replace(/^.*node_modules\//, ''), version),
  );
  const answer = await fetch(files[0]!, { method: 'HEAD' }).catch(() => null);
  // Some registries keep their files elsewhere.
  if (answer?.ok === true)
    for (const [index, [, entry]] of entries.entries()) entry.resolved = files[index]!.href;
  writeFileSync(path, JSON.stringify(read));
  return project;
}

/** A mirror of one's own is often in a private network, which its rule has to name. */
async function hostRule(id: string, url: URL, methods: string, paths = ''): Promise<string> {
  const { protocol, hostname, port } = url;
  const found = await lookup(hostname, { all: true });
  const ranges = found.map(({ address, family }) => `"${address}/${family === 4 ? 32 : 128}"`).join(', ');
  const terms = `methods: ${methods}${port === '' ? '' : `, port: ${port}`}${paths}, addresses: [${ranges}]`;
  return `  - {id: ${id}, host: "${hostname}", scheme: ${protocol.slice(0, -1)}, ${terms}}\n`;
}

/** `npm ci` and `apt-get download` in one run; answers its exit code and every package that its records name. */
async function runBoth() {
  const state = join(folder, 'state');
  const [steps, rules]: [string[], string[]] = [[], []];
  if (registry instanceof URL) {
    const project = await prepareProject(registry);
    steps.push(
      `cd ${project} && npm ci --no-fund --no-update-notifier --ignore-scripts --cache ${folder}/cache`,
    );
    const audit = `, paths: "${registry.pathname.replace(/\/$/, '')}/-/npm/v1/security/**"`;
    rules.push(await hostRule('npm-in-use', registry, 'read'));
    rules.push(await hostRule('npm-audit', registry, 'POST', audit));
  }
  if (typeof debian !== 'string') {
    const downloads = join(folder, 'debs');
    mkdirSync(downloads, { mode: 0o777 });
    steps.push(
      `cd ${downloads} && apt-get -qq -o APT::Sandbox::User=root -o Acquire::EnableSrvRecords=false download ${debianPackage}`,
    );
    rules.push(await hostRule('debian-in-use', debian.url, 'read'));
  }
  const policy = join(folder, 'policy.yaml');
  writeFileSync(policy, `version: 1\nmode: block\npresets: [npm, debian]\nhttp:\n${rules.join('')}`);
  const command = [
    'run',
    '--json',
    '--policy',
    policy,
    '--state',
    state,
    '--',
    'sh',
    '-ec',
    steps.join('\n'),
  ];
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, npm_config_loglevel: 'error', npm_config_fetch_retries: '0' },
  });
  let [told, printed] = ['', ''];
  child.stdout.on('data', (chunk) => (told += String(chunk)));
  child.stderr.on('data', (chunk) => (printed += String(chunk)));
  const code = await new Promise<number | null>((done) => child.on('close', done));
  const touches = new Map<string, PackageTouch>();
  for await (const { phase, operation } of readSegments(join(state, 'segments')))
    for (const touch of phase === 'closed' ? (operation?.touches ?? []) : [])
      if (touch.kind === 'package' && touch.act === 'install')
        touches.set(`${touch.purl}@${touch.version}`, touch);
  // Printed by run-command.ts in this shape; nothing where it did not get that far.
  const { flows } = JSON.parse(told === '' ? '{"flows":[]}' : told) as FlowSummary;
  const blocked = flows.filter(({ verdict }) => verdict === 'block');
  return { code, printed: hide(printed), touches, blocked: hide(JSON.stringify(blocked)) };
}

/** Without the machine's own hosts. */
function hide(text: string): string {
  const hosts = [
    registry instanceof URL ? registry.host : '',
    typeof debian === 'string' ? '' : debian.url.host,
  ];
  return hosts.filter((host) => host !== '').reduce((shown, host) => shown.replaceAll(host, '<host>'), text);
}

const isNothingHere = typeof registry === 'string' && typeof debian === 'string';
const ran = isNothingHere ? null : await runBoth();

t.test(
  'npm ci of a real project names every package',
  { skip: typeof registry === 'string' && registry },
  async (t) => {
    if (ran === null || typeof registry === 'string') return;
    t.comment(versionOf('npm', '--version').replace('client ', 'client npm '));
    t.equal(ran.code, 0, ran.printed.slice(-2000));
    t.equal(ran.blocked, '[]', 'nothing of it was blocked');
    t.ok(lock.size >= 20 && lock.size <= 60, `${lock.size} packages`);
    const touchOf = ({ name, version }: { name: string; version: string }): PackageTouch | undefined =>
      ran.touches.get(`pkg:npm/${name.replace('@', '%40')}@${version}`);
    t.same(
      [...lock.values()].filter((each) => touchOf(each) === undefined),
      [],
      'all of them are in the records',
    );
    const classes: Record<string, number> = {};
    for (const each of lock.values()) {
      const { ageMs, atLeastMs, timeClass } = touchOf(each)!.facts!;
      const known = ageMs !== null ? timeClass : atLeastMs !== null ? `at least, ${timeClass}` : 'unknown';
      classes[known] = (classes[known] ?? 0) + 1;
    }
    t.comment(`client ages: ${JSON.stringify(classes)}`);
    await t.test('with its age where the registry states one', async (t) => {
      const all = [...lock.values()];
      // The first ones in turn: straight to the file, and by the list.
      for (const [index, each] of all.slice(0, 6).entries()) {
        const { ageMs, timeClass } = touchOf(each)!.facts!;
        const file = await fetch(fileOf(registry, each.name, each.version), { method: 'HEAD' });
        const byFile = Date.parse(file.headers.get('last-modified') ?? '');
        const byList = index % 2 === 1 ? await readStated(registry, each.name, each.version) : null;
        if (byList === null && Number.isNaN(byFile)) {
          t.equal(timeClass, 'unknown', `nobody states the age of ${each.name}`);
          continue;
        }
        const statedMs = byList ?? byFile;
        t.ok(
          ageMs !== null && Math.abs(Date.now() - statedMs - ageMs) < 600_000,
          `${each.name} is as old as stated`,
        );
      }
    });
  },
);

t.test('apt-get download names its package', { skip: typeof debian === 'string' && debian }, (t) => {
  if (ran === null || typeof debian === 'string') {
    t.end();
    return;
  }
  t.equal(ran.code, 0, ran.printed.slice(-2000));
  t.match(ran.touches.get(`pkg:deb/debian/${debianPackage}@${debian.version}`), {
    act: 'install',
    facts: { ageMs: null, timeClass: 'unknown' },
  });
  t.end();
});
