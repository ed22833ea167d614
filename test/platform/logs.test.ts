// Tokens in logs as they pass: every form however it is cut, and what runners and builds print that is none.

import { createHash } from 'node:crypto';
import t from 'tap';
import { LogScan, type Hit } from '../../platform/logs/scan-log.ts';
import { readRows } from '../../platform/logs/read-rows.ts';
import { TokenMachine, unknown } from '../../platform/logs/token-machine.ts';
import { tokenRows } from '../../platform/logs/token-rows.ts';
import { watchLog } from '../../platform/logs/watch-log.ts';

// Letters of all kinds, made up; written apart from their beginnings so that nobody takes this file for a leak.
const a36 = 'Ab3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j';
const h40 = '3f9a1c7e5b2d8046af31c9e7d5b284600f1e2d3c';
const secretOfAws = 'wK7Qd2/hYt9+LmNoPqRsTuVwXyZaBcDeFgHiJk3l';

/** Slug, beginning, the rest of a token. */
const tokens: readonly (readonly [slug: string, begins: string, rest: string])[] = [
  ['github', 'ghp_', a36],
  ['github', 'gho_', a36],
  ['github', 'ghu_', a36],
  ['github', 'ghs_', a36],
  ['github', 'ghr_', a36 + a36],
  ['github', 'ghs_', `12345_eyJhbGciOiJSUzI1NiJ9.${a36}.${a36}`],
  ['github', 'github_pat_', `11ABCDE2Y0${a36}_${a36}`],
  ['gitlab', 'glpat-', 'Zx9_Kw2-Lm5nPq8rSt1v'],
  ['gitlab', 'glcbt-', '64_Zx9Kw2Lm5nPq8rSt1vY'],
  ['gitlab', 'glrt-', 't1_Zx9Kw2Lm5nPq8rSt1v'],
  ['gitlab', 'gldt-', 'Zx9_Kw2-Lm5nPq8rSt1v'],
  ['gitlab', 'GR1348941', 'Zx9Kw2Lm5nPq8rSt1vYz'],
  ['atlassian', 'ATATT3', `xFfGF0${a36}${a36}=A1B2C3D4`],
  ['npm', 'npm_', a36],
  ['pypi', 'pypi-AgE', `IcHlwaS5vcmcC${a36}`],
  ['crates', 'cio', a36.slice(0, 32)],
  ['rubygems', 'rubygems_', `${h40}1a2b3c4d`],
  ['nuget', 'oy2', `ab3cd4ef5gh6ij7kl8mn9op1qr2st3uv4wx5yz6ab7c`],
  ['clojars', 'CLOJARS_', `${h40}${h40.slice(0, 20)}`],
  ['docker', 'dckr_pat_', a36.slice(0, 27)],
  ['aws', 'AKIA', `QWERTYUIOPASD234 ${secretOfAws}`],
  ['aws', 'ASIA', `QWERTYUIOPASD234\nAWS_SECRET_ACCESS_KEY=${secretOfAws}`],
  ['aws', '"SecretAccessKey', `": "${secretOfAws}"`],
  ['aws-session', 'IQoJb3JpZ2luX2Vj', `${a36}//${a36}`],
  ['google', 'AIza', a36.slice(0, 35)],
  ['google', 'ya29.', `a0${a36}${a36}`],
  ['azure-sas', '?sv=2025-01-05&sig=', `${a36}abcd%2Fg%3D`],
  ['azure', 'AccountKey=', `${a36}${a36}+/abcd==`],
  ['azure', 'Xy18Q~', a36.slice(0, 31)],
  ['digitalocean', 'dop_v1_', h40 + h40.slice(0, 24)],
  ['terraform', 'AbCdEfGhIjKlMn.atlasv1.', a36 + a36],
  ['vault', 'hvs.', a36],
  ['slack', 'xoxb-', '123456789012-1234567890123-AbCdEfGhIjKl'],
  ['slack', 'https://hooks.slack.com/services/T', '0AB12CD34/B0EF56GH78/AbCdEfGh12345678IjKlMnOp'],
  ['discord', 'https://discord.com/api/webhooks/', `123456789012345678/${a36}_-${a36}`],
  ['telegram', '1234567890:AA', a36.slice(0, 33)],
  ['stripe', 'sk_live_', a36.slice(0, 24)],
  ['stripe', 'rk_live_', a36.slice(0, 24)],
  ['sendgrid', 'SG.', `${a36.slice(0, 22)}.${a36}AbCd123`],
  ['square', 'sq0atp-', a36.slice(0, 22)],
  ['sk', 'sk-', `ant-api03-${a36}`],
  ['huggingface', 'hf_', a36.slice(0, 34)],
  ['jwt', 'eyJ', `hbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJqb2IifQ.${a36}`],
  ['private-key', '-----BEGIN RSA PRIVATE KEY', `-----\nMIIEpAIBAAKCAQEA${a36}\n`],
  ['private-key', '-----BEGIN OPENSSH PRIVATE KEY', `-----\r\nb3BlbnNzaC1rZXktdjEA${a36}\r\n`],
  ['private-key', '{"private_key": "-----BEGIN PRIVATE KEY', `-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEF${a36}\\n`],
  ['age', 'AGE-SECRET-KEY-1', 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQPZRY9X8GF2TVDW0S3JN54KHCE'],
];

function scan(pieces: readonly Buffer[], whose?: (token: string) => string | null): Hit[] {
  const hits: Hit[] = [];
  const log = new LogScan((hit) => hits.push(hit), whose);
  for (const piece of pieces) log.push(piece);
  log.end();
  return hits;
}

const slugs = (hits: readonly Hit[]): string => hits.map(({ token }) => token.row.slug).join();

t.test('a token of every form is found once, wherever the log is cut', async (t) => {
  const problems: string[] = [];
  for (const [slug, begins, rest] of tokens) {
    const text = Buffer.from(`2026-11-25T01:02:03.1234567Z value: ${begins}${rest}\nmore\n`);
    const whole = slugs(scan([text]));
    if (whole !== slug) problems.push(`${begins}… as a whole: ${whole}`);
    for (let at = 1; at < text.length; at++) {
      const cut = slugs(scan([text.subarray(0, at), text.subarray(at)]));
      if (cut !== slug) problems.push(`${begins}… cut at ${at}: ${cut}`);
    }
    const single = slugs(scan([...text].map((byte) => Buffer.of(byte))));
    if (single !== slug) problems.push(`${begins}… byte by byte: ${single}`);
    const atEnd = slugs(scan([Buffer.from(`${begins}${rest}`)]));
    if (atEnd !== slug) problems.push(`${begins}… and nothing else: ${atEnd}`);
  }
  t.same(problems.slice(0, 10), []);
  const seen = new Set(tokens.map(([slug]) => slug));
  const untried = tokenRows.map(({ slug }) => slug).filter((slug) => !seen.has(slug));
  t.ok(new Set(untried).size < 20, `no sample of ${[...new Set(untried)].join(' ')}`);
  t.same(
    tokenRows.filter(({ source, reason }) => source === '' || reason === ''),
    [],
  );
});

t.test('a token begins behind what stands for the border of a word', async (t) => {
  const token = `ghp_${a36}`;
  for (const before of [
    '',
    '\n',
    '=',
    '_',
    '"',
    '\\n',
    '\\t',
    '\\u0026',
    '%3D',
    '%0a',
    '\u001b[36;1m',
    '\\u001b[0m',
    '://x:',
  ])
    t.equal(
      slugs(scan([Buffer.from(`a${before === '' ? ' ' : before}${token}\u001b[0m`)])),
      'github',
      JSON.stringify(before),
    );
  t.equal(slugs(scan([Buffer.from(`xghp_${a36}`)])), '', 'not in the middle of a word');
});

t.test('what runners and builds print of their own is no token', async (t) => {
  const lines = [
    'token: ***',
    'Authorization: basic ***',
    'AUTHORIZATION: bearer ***  ghp_************************************',
    'https://gitlab-ci-token:[MASKED]@gitlab.corp.example/acme/app.git',
    '##[add-mask]***',
    `ghp_${'x'.repeat(36)} ghp_${'0'.repeat(36)} glpat-xxxxxxxxxxxxxxxxxxxx`,
    'glpat-your-personal-access-token-here npm_your_token_goes_right_here_please_now_do',
    'xoxb-your-bot-token-here sk-your-api-key-goes-here-and-is-long-enough',
    'AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    'arn of AKIAQWERTYUIOPASD234 without its secret',
    `AKIAQWERTYUIOPASD234 checked out ${h40} of main`,
    `HEAD is now at ${h40}`,
    'Digest: sha256:3f9a1c7e5b2d8046af31c9e7d5b284600f1e2d3c3f9a1c7e5b2d8046af31c9e7',
    '"integrity": "sha512-oRjTw/97aTBN0RHbYCdtF1MQfvusSIBQM0IZEgzl6426+8jSC0nF1a/GmnVLpfB9yyr6g6FTqWqiZVbxrtaCIg=="',
    'eyJhbGciOiJub25lIn0 is base64 and no signed identity; eyJ0.eyJ1.x neither',
    '-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEAAb3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j\n',
    '-----BEGIN PUBLIC KEY-----\nMIIEpAIBAAKCAQEAAb3dEf6hIj9lMn2pQr5tUv8xYz1bCd4fGh7j\n',
    '-----BEGIN RSA PRIVATE KEY-----\n***\n***\n***\n',
    `writing -----BEGIN PRIVATE KEY----- of the test, commit ${h40}`,
    '?sv=2025-01-05&sig=*** and sig=abc',
    'ghs_short gh_pat github_pat_short npm_config_registry=https://registry.corp.example/ npm_package_version',
    'section_start:1560896352:my_first_section\r\u001b[0KHeader',
    '/home/runner/work/_temp/3f9a1c7e-5b2d-8046-af31-c9e7d5b28460.sh hf_hub sk-learn SG.x',
  ];
  for (const line of lines) t.equal(slugs(scan([Buffer.from(`${line}\n`)])), '', line.slice(0, 60));
});

t.test('the job’s own token is told by whoever knows its hash, in a sentence too', async (t) => {
  const hash = (text: string) => createHash('sha256').update(text).digest('hex');
  const known = new Map([
    [hash(`ghs_${a36}`), 'job'],
    [hash(`eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2IifQ.${a36}`), 'runtime'],
    [hash('glcbt-64_Zx9Kw2Lm5nPq8rSt1vY'), 'job'],
  ]);
  const whose = (text: string) => known.get(hash(text)) ?? null;
  const log = `ghs_${a36}.\nghs_${a36.toLowerCase()}\n(eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJqb2IifQ.${a36}) "glcbt-64_Zx9Kw2Lm5nPq8rSt1vY"`;
  for (let at = 0; at < log.length; at += 7)
    t.same(
      scan([Buffer.from(log.slice(0, at)), Buffer.from(log.slice(at))], whose).map((hit) => hit.whose),
      ['job', null, 'runtime', 'job'],
      `cut at ${at}`,
    );
});

t.test('the table of states is bounded, and no log takes more of it', async (t) => {
  const machine = new TokenMachine();
  const samples = [...new Set(machine.classes)].map((kind) => machine.classes.indexOf(kind));
  for (let state = 0; state < machine.states; state++)
    for (const sample of samples)
      if (machine.table[state * machine.columns + machine.classes[sample]!] === unknown)
        machine.step(state, sample);
  t.ok(machine.states < 4_096, `${machine.states} states`);
  t.ok(machine.table.byteLength < 1_048_576, `${machine.table.byteLength} bytes`);
  t.ok(readRows().every(({ shown }) => shown.length <= 48));
});

t.test('random logs with tokens in them are read the same in any pieces', async (t) => {
  let seed = 11;
  const random = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  const alphabet = 'ghspousr_-eyJAKIA.%[\\nx0123456789sk=&;: \n"{}glpatB';
  const problems: string[] = [];
  for (let round = 0; round < 60; round++) {
    let text = '';
    for (let part = 0; part < 12; part++) {
      const [, begins, rest] = tokens[random(tokens.length)]!;
      text += `${begins}${rest}`.slice(0, random(3) === 0 ? random(60) : undefined);
      for (let at = random(40); at > 0; at--) text += alphabet[random(alphabet.length)];
    }
    const bytes = Buffer.from(text);
    const pieces: Buffer[] = [];
    for (let at = 0; at < bytes.length;) {
      const end = at + 1 + random(50);
      pieces.push(bytes.subarray(at, end));
      at = end;
    }
    const tell = (hits: readonly Hit[]) =>
      hits.map(({ token, offset }) => `${token.row.slug}@${offset}`).join();
    const [whole, cut] = [tell(scan([bytes])), tell(scan(pieces))];
    if (whole !== cut) problems.push(`${whole} or ${cut}: ${text}`);
  }
  t.same(problems, []);
});

t.test('evidence has the kind, the place and the step, and nothing of the token', async (t) => {
  const read = (options: Parameters<typeof watchLog>[0], ...bodies: string[]) => {
    const watcher = watchLog(options);
    return bodies.map((body) => {
      const watch = watcher.open(() => null);
      watch.push(Buffer.from(body));
      return watch.end(true).map(({ kind, detail }) => `${kind}: ${detail}`);
    });
  };
  const step = 'a1000000-0000-4000-8000-000000000001';
  const other = 'a1000000-0000-4000-8000-000000000002';
  t.same(read({ step }, `x ghp_${a36} ghp_${a36}\n`), [
    [`secret-in-log: a token of GitHub (ghp_…) in the log at byte 2, 2 times, step ${step}`],
  ]);
  t.same(
    read({ from: 100 }, `x ghp_${a36.slice(0, 9)}`, `${a36.slice(9)}\n`, 'nothing'),
    [[], ['secret-in-log: a token of GitHub (ghp_…) in the log at byte 102'], []],
    'cut between two pieces',
  );
  const line = (text: string, of: string) =>
    JSON.stringify({ count: 1, value: [text], stepId: of, startLine: 1 });
  t.same(
    read(
      { namesSteps: true },
      `${line('fine', other)}${line(`"stepId":"x" ghp_${a36}`, step)}${line(`npm_${a36}`, other)}`,
    ),
    [
      [
        `secret-in-log: a token of GitHub (ghp_…) in the log at byte 128, step ${step}`,
        `secret-in-log: a token of npm (npm_…) in the log at byte 254, step ${other}`,
      ],
    ],
  );
  const many = tokens.map(([, begins, rest]) => `${begins}${rest}\n`).join('');
  const [found = []] = read({}, many);
  t.ok(found.length <= 9, `${found.length} pieces of evidence`);
  t.match(found.at(-1), /^secret-in-log: \d+ more, of further kinds$/);
  for (const [, , rest] of tokens) t.notOk(found.join('\n').includes(rest.slice(0, 12)), rest.slice(0, 4));
});
