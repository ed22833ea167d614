// The command line as its users meet it: help, wrong arguments and JSON of every command, the exit codes, and the
// pages that document them.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { exitCodes } from '../../flow/errors.ts';

const root = join(import.meta.dirname, '../..');
const directory = mkdtempSync(join(tmpdir(), 'commands-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const write = (name: string, text: string): string => {
  writeFileSync(join(directory, name), text);
  return name;
};
const policy = write('policy.yaml', 'version: 1\nmode: block\nhttp: [{id: a, host: a.example}]\n');
const config = write(
  'sallyport.yaml',
  'version: 1\npolicy: policy.yaml\nrunners: {interfaces: [lo], networks: [10.0.0.0/24]}\njobs: [{addresses: [10.0.0.0/24], repository: a/b}]\n',
);
const broken = write('broken.yaml', 'version: 1\nmode: sideways\n');
const forks = write(
  'forks.yaml',
  'version: 1\nscopes: [{id: f, match: {fork: true}, exclusive: true, mode: block}]\n',
);
const page = readFileSync(join(root, 'docs/reference/commands.md'), 'utf8');

interface Ended {
  readonly code: number | string | null;
  readonly stdout: string;
  readonly stderr: string;
}

// As many at once as a small machine has cores.
let last: readonly Promise<unknown>[] = [Promise.resolve(), Promise.resolve(), Promise.resolve()];
function sallyport(...args: string[]): Promise<Ended> {
  const [first, ...others] = last;
  const ended = first!.then(() => start(args));
  last = [...others, ended];
  return ended;
}

function start(args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: directory, env: { PATH: process.env['PATH'] ?? '' } };
    execFile(process.execPath, [join(root, 'main.ts'), ...args], options, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : (error.code ?? null), stdout, stderr }),
    ).stdin?.end();
  });
}

const names = ['serve', 'run', 'demo', 'check', 'explain', 'rules', 'ca', 'token', 'user', 'doctor'];

t.test('every command prints its help, and calls a wrong option the caller’s mistake', async (t) => {
  const results = names.map(
    (name) => [name, sallyport(name, '--help'), sallyport(name, '--no-such-option')] as const,
  );
  for (const [name, helped, refused] of results) {
    const help = await helped;
    t.match(help, { code: 0, stderr: '' }, name);
    t.ok(help.stdout.startsWith(`usage: sallyport ${name} `), help.stdout);
    const wrong = await refused;
    t.match(wrong, { code: 2, stdout: '' }, name);
    t.notMatch(wrong.stderr, / at .*\.ts/, 'no stack');
    t.ok(page.includes(`\n| \`${name}`), `docs/reference/commands.md has ${name}`);
  }
  t.match(await sallyport(), { code: 2, stdout: '' });
  t.match(await sallyport('no-such-command'), { code: 2, stdout: '' });
  t.match(await sallyport('help'), { code: 0, stderr: '' });
  t.match((await sallyport('--version')).stdout, /^sallyport \d/);
});

t.test('each command’s JSON has the documented shape, and its code says the answer', async (t) => {
  const explained =
    'url method hasBody verdict enforced mode rule scope reason detail operation platform owner repo access needs ungrantable sureness widens'.split(
      ' ',
    );
  const rows = [
    [['check', policy, '--json'], 0, ['ok', 'revision', 'mode', 'rules', 'problems']],
    [['check', broken, '--json'], 2, ['ok', 'revision', 'mode', 'rules', 'problems']],
    [['check', 'nosuch.yaml', '--json'], 2, ['ok', 'revision', 'mode', 'rules', 'problems']],
    [
      ['check', forks, '--json', '--strict', '--config', config],
      1,
      ['ok', 'revision', 'mode', 'rules', 'problems'],
    ],
    [['explain', policy, 'https://a.example/', '--json'], 0, explained],
    [['explain', policy, 'https://b.example/', '--json'], 1, explained],
    [['rules', 'nftables', '--config', config, '--json'], 0, ['form', 'rules', 'guard']],
    [['rules', 'iptables', '--config', config, '--json'], 0, ['form', 'ipset', 'iptables', 'ip6tables']],
  ] as const;
  const results = rows.map(([args, code, keys]) => [args, code, keys, sallyport(...args)] as const);
  for (const [args, code, keys, ended] of results) {
    const result = await ended;
    t.equal(result.code, code, args.join(' '));
    t.same(Object.keys(JSON.parse(result.stdout) as object), keys);
    t.ok(
      page.includes(`{${keys.join(', ')}}`) || page.includes(`{${keys.join(', ')}, `),
      `documented: ${keys.join(', ')}`,
    );
  }
});

t.test('what is invalid, missing or refused has the documented code, and says what to do', async (t) => {
  const rows = [
    [['check', forks, '--strict', '--config', config], 1, 'no job of the configuration says its "fork"'],
    [['check', forks, '--config', 'nosuch.yaml'], 2, 'name a readable file with --config'],
    [['check'], 2, 'one POLICY is needed'],
    [['explain', policy, 'nonsense'], 2, 'is no URL'],
    [['explain', broken, 'https://a.example/'], 2, 'broken.yaml:2:7: error: mode cannot be "sideways"'],
    [['rules', 'nftables', '--config', 'nosuch.yaml'], 2, 'name a readable file with --config'],
    [['rules', 'ebtables'], 2, 'usage: sallyport rules'],
    [['serve', '--config', 'nosuch.yaml'], 2, 'name a readable file with --config'],
    [['serve', '--config', broken], 2, 'broken.yaml:1:1: error: the file lacks "policy"'],
    [['serve', 'positional'], 2, 'positional'],
    [['ca', 'show', '--state', directory], 69, 'start the gateway once'],
    [['ca', 'burn'], 2, 'usage: sallyport ca'],
    [['run', '--mode', 'sideways', '--', 'true'], 2, 'sideways'],
    [['run'], 2, 'no command was given'],
  ] as const;
  const results = rows.map(([args, code, told]) => [args, code, told, sallyport(...args)] as const);
  for (const [args, code, told, ended] of results) {
    const result = await ended;
    t.equal(result.code, code, args.join(' '));
    t.ok(result.stderr.includes(told), `${args.join(' ')}\n${result.stderr}`);
  }
  for (const code of Object.values(exitCodes))
    t.match(page, new RegExp(`^\\| (\\d+, )?${code}(, \\d+)? \\|`, 'm'), `exit code ${code} is documented`);
});
