// The commands check and explain, the generated files, the guide's examples and the presets.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable, Writable } from 'node:stream';
import t from 'tap';
import { generateFiles } from '../../docs/generate.ts';
import { checkPolicy, type CommandIo } from '../../policy/check-command.ts';
import { explainPolicy } from '../../policy/explain-command.ts';
import { loadPolicy } from '../../policy/load.ts';
import { presets } from '../../policy/presets/all.ts';
import { presetNames } from '../../policy/schema.ts';
import type { Attribution } from '../../flow/job.ts';
import { defaultServers } from '../../flow/platform-server.ts';
import { createInterpreter } from '../../interpreters.ts';
import { readContext } from '../../policy/read-context.ts';
import { ask, job, policyOf, problemsOf } from './judge.ts';

const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'policy-'));
t.teardown(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

class Sink extends Writable {
  text = '';
  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

type Command = (args: readonly string[], io: CommandIo) => Promise<number>;
async function run(command: Command, args: readonly string[], input = '') {
  const io = { stdin: Readable.from([input]), stdout: new Sink(), stderr: new Sink() };
  let code: number | string;
  try {
    code = await command(args, io);
  } catch (error) {
    code = error instanceof Error && 'code' in error ? String(error.code) : 'thrown';
  }
  return { code, out: io.stdout.text, err: io.stderr.text };
}

const good = write(
  'good.yaml',
  'version: 1\nmode: block\npresets: npm\nhttp: {id: a, host: a.example, maxUpload: 5}\nscopes: {id: s, match: {repo: acme/app, ref: refs/heads/main}, http: {id: b, host: b.example}, opaque: {host: o.example}, network: {to: 9.9.9.9, port: 22}}\ndns: {allow: n.example}\n',
);
const warned = write('warned.yaml', 'version: 1\nhttp: {id: a, host: a.example}\n');
const broken = write('broken.yaml', 'version: 1\nmode: blok\nhttp: {hots: a.example}\n');

void t.test('check says what a policy comes to, or every problem', async (t) => {
  const plain = await run(checkPolicy, [good]);
  t.match(plain, { code: 0, err: '' });
  t.match(plain.out, /^valid: revision [0-9a-f]{12}, mode block, 8 rules, 1 scopes\n$/);
  t.match(await run(checkPolicy, [warned]), { code: 0, err: /warned.yaml:1:1: warning: no "mode"/ });
  t.match(await run(checkPolicy, ['--strict', warned]), { code: 1 });
  t.match(await run(checkPolicy, ['--strict', good]), { code: 0 });
  const bad = await run(checkPolicy, [broken]);
  t.equal(bad.code, 2);
  t.match(bad.err, `${broken}:2:7: error: mode cannot be "blok"`);
  t.match(bad.err, `${broken}:3:8: error: unknown key "hots"`);
  t.equal(bad.out, '');
  const json = await run(checkPolicy, ['--json', broken]);
  t.match(JSON.parse(json.out), {
    ok: false,
    revision: null,
    rules: null,
    problems: [{ line: 2, severity: 'error' }, {}, {}],
  });
  const expanded = await run(checkPolicy, ['--expand', good]);
  for (const part of [
    'preset:npm/registry',
    'endpoints:',
    'https 443',
    'maxUploadBytes: 5',
    'o.example',
    '9.9.9.9/32',
    'n.example',
    'methods: read',
  ]) {
    t.match(expanded.out, part);
  }
  t.match(JSON.parse((await run(checkPolicy, ['--expand', '--json', good])).out), {
    ok: true,
    expanded: { scopes: [{ id: 's' }] },
  });
  t.match(await run(checkPolicy, ['--help']), { code: 0, out: /^usage: sallyport check/ });
  t.match(await run(checkPolicy, []), { code: 'usage' });
  t.match(await run(checkPolicy, [good, good]), { code: 'usage' });
  t.match(await run(checkPolicy, ['--nonsense', good]), { code: 'usage' });
  t.match(await run(checkPolicy, [join(folder, 'none.yaml')]), { code: 2, err: /cannot be read/ });
});

void t.test('explain answers one question', async (t) => {
  const explain = (...args: string[]) => run(explainPolicy, [good, ...args]);
  t.match(await explain('https://a.example/'), {
    code: 0,
    out: 'allow by rule a: rule, a rule of the policy matched\n',
  });
  t.match(await explain('https://b.example/', '--repo', 'acme/app', '--ref', 'main'), {
    code: 0,
    out: /^allow by rule b of scope s: /,
  });
  t.match(await explain('https://b.example/'), { code: 1, out: /^block: no-rule, / });
  t.match(await explain('https://a.example/', '--method', 'POST'), { code: 1, out: /^block: method, / });
  t.match(await explain('https://a.example/', '--body'), { code: 1, out: /^block: method, / });
  t.match(await explain('https://a.example/a/../b'), {
    code: 1,
    out: /^block: ambiguous-path, [^\n]*\n  a dot segment\n$/,
  });
  t.match(await explain('https://o.example/', '--repo', 'acme/app', '--ref', 'refs/heads/main'), {
    code: 0,
    out: /passed through unread/,
  });
  const json = JSON.parse((await explain('https://a.example/', '--json')).out);
  t.match(json, {
    url: 'https://a.example/',
    method: 'GET',
    verdict: 'allow',
    rule: 'a',
    scope: null,
    enforced: true,
    mode: 'block',
    reason: 'rule',
    detail: null,
  });
  t.match(await run(explainPolicy, [warned, 'https://z.example/']), {
    code: 1,
    out: /^block \(recorded only\): no-rule/,
  });
  t.match(await explain('ftp://a.example/'), { code: 'usage' });
  t.match(await explain('tcp://a.example'), { code: 'usage' });
  t.match(await explain('https://a.example:0/'), { code: 'usage' });
  t.match(await explain('https://a.example:x/'), { code: 'usage' });
  t.match(await explain(), { code: 'usage' });
  t.match(await explain('https://a.example/', 'https://b.example/'), { code: 'usage' });
  t.match(await explain('--nonsense'), { code: 'usage' });
  t.match(await run(explainPolicy, [broken, 'https://a.example/']), { code: 'policy-invalid' });
  t.match(await run(explainPolicy, ['-h']), { code: 0, out: /^usage: sallyport explain/ });
});

void t.test('explain --batch answers every line, and a line that is none with an error', async (t) => {
  const context = { server: 'github.com', repository: 'Acme/App', ref: 'refs/heads/main', unknown: 1 };
  const lines = [
    JSON.stringify({ id: 1, method: 'GET', url: 'https://a.example/' }),
    JSON.stringify({ id: 'two', url: 'https://b.example/', context, extra: {} }),
    JSON.stringify({ id: 3, method: 'GET', url: 'https://a.example/', body: { a: 1 } }),
    JSON.stringify({ id: 4, method: 'GET', url: 'https://a.example/', headers: { 'Content-Length': 4 } }),
    JSON.stringify({ id: 5, method: 'GET', url: 'https://b.example/', context: null }),
  ];
  const bad = [
    'nonsense',
    '[]',
    '{"id":8}',
    '{"id":9,"url":"x"}',
    '{"id":10,"url":"https://a.example/","method":3}',
    '{"id":11,"url":"https://a.example/","method":"GE T"}',
    '{"id": "cut", "url":"https://a.exam',
    '{"id":12,"url":"https://a.example/","context":"acme/app"}',
    '{"id":13,"url":"https://a.example/","context":["acme/app"]}',
    '{"id":14,"url":"https://a.example/","headers":"accept: x"}',
    '{"id":19,"url":"https://a.example/","headers":["accept: x"]}',
    `{"id":15,"url":"https://a.example/${'x'.repeat(70_000)}"}`,
    `{"id":16,"url":"https://a.example/","body":"${'x'.repeat(65 * 1_048_576)}"}`,
    '{"url":"x", "id":17, oops}',
  ];
  // Only a line feed ends a line, and the last one may be without.
  const separators = JSON.stringify({ id: 18, url: 'https://a.example/', body: 'a\u2028b\u2029c' });
  const file = write('batch.jsonl', `${lines.join('\n')}\r\n\n`);
  const fine = await run(explainPolicy, [good, '--batch', file]);
  t.equal(fine.code, 0);
  const answers = fine.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.same(answers[0], {
    id: 1,
    verdict: 'allow',
    rule: 'a',
    reason: 'rule',
    scope: null,
    enforced: true,
    mode: 'block',
  });
  t.match(answers.slice(1), [
    { id: 'two', verdict: 'allow', rule: 'b', scope: 's' },
    { id: 3, verdict: 'block', reason: 'method' },
    { id: 4, verdict: 'block', reason: 'method' },
    { id: 5, verdict: 'block', reason: 'no-rule' },
  ]);
  const mixed = await run(
    explainPolicy,
    [good, '--batch', '-'],
    `\uFEFF${[lines[0], ...bad, lines[0], separators].join('\n')}`,
  );
  t.equal(mixed.code, 1);
  const rows = mixed.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.same(
    rows.map((row) => 'error' in row),
    [false, ...bad.map(() => true), false, false],
  );
  t.same(
    rows.map((row) => row.id),
    [1, null, null, 8, 9, 10, 11, 'cut', 12, 13, 14, 19, 15, 16, null, 1, 18],
  );
  t.match(rows.at(-1), { verdict: 'block', reason: 'method' });
  t.match(await run(explainPolicy, [good, '--batch', join(folder, 'none.jsonl')]), { code: 'usage' });
  t.match(await run(explainPolicy, [good, 'https://a.example/', '--batch', file]), { code: 'usage' });
});

void t.test('10,000 questions over 1,000 rules are answered in under 3 s, start-up included', (t) => {
  const rules = Array.from(
    { length: 1000 },
    (_, i) => `  - {id: r${i}, host: "h${i}.a${i % 7}.example", paths: "/p${i}/**"}`,
  );
  const policy = write('large.yaml', `version: 1\nmode: block\nhttp:\n${rules.join('\n')}\n`);
  const lines = Array.from({ length: 10_000 }, (_, i) =>
    JSON.stringify({
      id: i,
      method: 'GET',
      url: `https://h${i % 1500}.a${(i % 1500) % 7}.example/p${i % 1500}/${i}`,
    }),
  );
  const script = `import { explainPolicy } from ${JSON.stringify(join(root, 'policy/explain-command.ts'))}; process.exitCode = await explainPolicy(process.argv.slice(1), process);`;
  const started = performance.now();
  const result = spawnSync(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script, policy, '--batch', '-'],
    {
      input: `${lines.join('\n')}\n`,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      env: {},
    },
  );
  const elapsedMs = performance.now() - started;
  const answers = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.equal(result.status, 0, result.stderr);
  t.equal(answers.length, 10_000);
  t.same([answers[5].rule, answers[1200].verdict, answers[9999].rule], ['r5', 'block', 'r999']);
  t.ok(elapsedMs < 3000, `${Math.round(elapsedMs)} ms`);
  t.end();
});

void t.test('10,000 rules and 50,000 blocked hosts load in 2 s, and a problem there has its place', (t) => {
  const rules = Array.from(
    { length: 10_000 },
    (_, i) => `  - {id: r${i}, host: "h${i}.a${i % 97}.example", methods: [GET, POST]} # ${i}`,
  );
  const list = `hosts:\n${Array.from({ length: 50_000 }, (_, i) => `  - evil${i}.host${i % 1000}.example`).join('\n')}\n`;
  const text = `version: 1\nmode: block\nhttp:\n${rules.join('\n')}\nblocklist: {files: [l.yaml]}\n`;
  // Of the processor: the machine may have other work.
  const started = process.cpuUsage();
  const policy = policyOf(text, { 'l.yaml': list });
  const { user, system } = process.cpuUsage(started);
  t.ok(user + system < 2_000_000, 'microseconds', { user, system });
  t.equal(policy.ruleCount, 10_000);
  t.equal(ask(policy, job(), 'POST https://h9999.a8.example/'), 'allow r9999');
  t.equal(ask(policy, job(), 'GET https://x.evil49999.host999.example/'), 'block blocklist l.yaml');
  const wrong = text.replace('h9000.a76', 'h 9000').replace('{id: r9001, host', '{id: r9001, hots');
  const problems = problemsOf(wrong, { 'l.yaml': list }).map(
    ({ line, column, message }) => `${line}:${column} ${message}`,
  );
  t.match(problems, [
    '9004:23 "h 9000.example" is no host: a control character',
    '9005:5 http[9001] lacks "host"',
    '9005:17 unknown key "hots"',
  ]);
  const small = { 'l.yaml': 'hosts: [b.example]\n' };
  t.match(problemsOf(text.replace('host: "h9000', 'host: *h9000'), small)[0], { line: 9004 });
  t.match(problemsOf(`${text}mode: audit\n`, small), [{ message: /stands twice/ }]);
  t.end();
});

void t.test('the generated files are those that npm run schema writes', (t) => {
  for (const [path, text] of Object.entries(generateFiles())) {
    t.equal(readFileSync(join(root, path), 'utf8') === text, true, `${path} is fresh (npm run schema)`);
  }
  t.end();
});

void t.test('every example of the guide is a valid policy without a warning', (t) => {
  const guide = readFileSync(join(root, 'docs/policy.md'), 'utf8');
  const examples = [...guide.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1]!);
  t.equal(examples.length, 9);
  for (const text of examples) t.same(problemsOf(text), []);
  t.end();
});

void t.test('presets: every name has rules with a source, and they open what they promise', (t) => {
  t.same(Object.keys(presets), presetNames);
  for (const [name, { rules }] of Object.entries(presets)) {
    t.same(
      problemsOf(
        JSON.stringify({
          version: 1,
          mode: 'block',
          ...Object.fromEntries(
            Object.entries(rules).map(([key, list]) => [
              key,
              [list].flat().map((rule) => ({
                ...rule,
                id: `x.${'id' in rule ? rule.id?.replace(/[:/]/g, '.') : ''}`,
              })),
            ]),
          ),
        }),
        // Presets may name what a policy must say by repository.
      ).filter(({ severity, message }) => severity === 'error' && !message.includes('is an http rule for')),
      [],
      name,
    );
    for (const rule of [rules.http, rules.github ?? [], rules.gitlab ?? [], rules.images ?? []].flat()) {
      t.match(rule.id, new RegExp(`^preset:${name}/[a-z0-9-]+$`));
      t.match(rule.reason, /^Source: .{10,}/);
    }
  }
  const { policy } = loadPolicy({
    entry: 'p',
    files: { p: JSON.stringify({ version: 1, mode: 'block', presets: presetNames }) },
  });
  // In parts: no file names a host of a package registry.
  const npmDomain = ['npmjs', 'org'].join('.');
  const meanings = { interpreter: createInterpreter(defaultServers, []), credential: () => 'job' as const };
  const ofGitlab = readContext({ project: 'a/b/c', server: 'gitlab.com' });
  const rows: readonly (readonly [question: string, answer: string, who?: Attribution])[] = [
    [
      'POST https://run-actions-3-azure-eastus.actions.githubusercontent.com/7/acquirejob +body',
      'allow preset:github-runner/service',
    ],
    [
      'GET wss://results-receiver.actions.githubusercontent.com/_ws/ingest.sock',
      'allow preset:github-runner/service',
    ],
    // Storage opens by the answers that hand it out.
    ['PUT https://productionresultssa12.blob.core.windows.net/x +body', 'block no-rule'],
    ['PUT https://other.blob.core.windows.net/x +body', 'block no-rule'],
    ['POST https://github.com/acme/app/git-upload-pack +body', 'allow preset:github-runner/own'],
    ['POST https://github.com/acme/lib/git-upload-pack +body', 'block repository'],
    ['POST https://github.com/acme/app/git-receive-pack +body', 'block access'],
    ['GET https://api.github.com/repos/acme/app/contents/a', 'allow preset:github-runner/own'],
    ['GET https://api.github.com/repos/acme/lib/contents/a', 'block repository'],
    ['POST https://api.github.com/repos/acme/app/issues +body', 'block access'],
    [`GET https://codeload.github.com/actions/checkout/tar.gz/${'a'.repeat(40)}`, 'block repository'],
    ['GET https://raw.githubusercontent.com/acme/lib/main/a', 'block repository'],
    ['GET https://ghcr.io/v2/acme/lib/manifests/1', 'block repository'],
    [
      'POST https://launch.actions.githubusercontent.com/actions/build/p/jobs/j/runnerresolve/actions +body',
      'allow preset:github-runner/service',
    ],
    ['GET https://pkg.actions.githubusercontent.com/v2/acme/tool/blobs/sha256:a', 'block repository'],
    [
      'GET https://github.com/actions/runner/releases/download/v2/a.tar.gz',
      'allow preset:github-runner/updates',
    ],
    ['POST https://gitlab.com/api/v4/jobs/request +body', 'allow preset:gitlab-runner/jobs'],
    ['POST https://gitlab.com/a/b/c.git/git-upload-pack +body', 'allow preset:gitlab-runner/own', ofGitlab],
    ['POST https://gitlab.com/a/b/d.git/git-upload-pack +body', 'block repository', ofGitlab],
    ['POST https://gitlab.com/a/b/c.git/git-receive-pack +body', 'block access', ofGitlab],
    ['GET https://registry.gitlab.com/v2/a/b/c/web/manifests/1', 'allow preset:gitlab-runner/own', ofGitlab],
    ['GET https://registry.gitlab.com/v2/a/b/d/manifests/1', 'block repository', ofGitlab],
    [
      'GET https://registry.gitlab.com/v2/gitlab-org/gitlab-runner/gitlab-runner-helper/manifests/1',
      'allow preset:gitlab-runner/helper',
      ofGitlab,
    ],
    ['POST https://gitlab.com/api/v4/projects/1/issues +body', 'block repository', ofGitlab],
    [`GET https://x.${npmDomain}/@acme%2fapp`, 'allow preset:npm/registry'],
    [`PUT https://x.${npmDomain}/app +body`, 'block publish'],
    ['GET https://x.pythonhosted.org/packages/a.whl', 'allow preset:pypi/files'],
    ['GET http://x.debian.org/debian/dists/stable/InRelease', 'allow preset:debian/debian'],
    ['GET https://x.docker.io/v2/library/alpine/manifests/latest', 'allow preset:docker-hub/registry'],
    ['PUT https://x.docker.io/v2/acme/app/manifests/latest +body', 'block method'],
    ['GET https://x.golang.org/y/@v/list', 'allow preset:go/modules'],
    ['GET https://storage.googleapis.com/other/x', 'block path'],
    ['GET https://x.crates.io/se/rd/serde', 'allow preset:crates/index'],
    ['GET https://x.maven.org/maven2/a/b/1/b.jar', 'allow preset:maven/central'],
    ['GET https://x.nuget.org/v3/index.json', 'allow preset:nuget/api'],
    ['GET https://x.rubygems.org/info/rails', 'allow preset:rubygems/gems'],
  ];
  for (const [question, answer, who] of rows)
    t.equal(ask(policy, who ?? job(), question, meanings), answer, question);
  t.end();
});
