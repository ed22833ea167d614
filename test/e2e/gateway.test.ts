// The gateway as its users meet it: real clients in a runner's namespace, real servers behind it, the program as it
// is started in production. Every blocked attempt has a positive control and a record.

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { readProcessRights } from '../../kernel/harden.ts';
import { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';

const policy = `version: 1
mode: block
http:
  - {id: site, host: allowed.example.com}
  - {id: plain, host: allowed.example.com, scheme: http}
  - {id: api-read, host: api.example.com, methods: GET, paths: "/v1/**"}
network:
  - {id: echo, to: ${labAddresses.web4}/32, port: 7}
blocklist: [{hosts: [blocked.example.net]}]
`;

t.test('gateway mode, block', async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  const gateway = await lab.startGateway(policy);
  const status = async (...args: string[]) =>
    (await lab.curl(['-sS', '-m', '10', '-o', '/dev/null', '-w', '%{http_code}', ...args])).stdout;

  t.test('curl reaches an allowed host over TLS and in the clear', async (t) => {
    t.equal(await status('https://allowed.example.com/hello'), '200');
    t.equal(await status('http://allowed.example.com/hello'), '200');
    const record = await gateway.findRecord(
      (r) => r.kind === 'request' && r.phase === 'closed' && r.destination.protocol === 'https',
    );
    t.match(record, {
      destination: { host: 'allowed.example.com', port: 443 },
      http: { method: 'GET', path: '/hello', status: 200 },
      decision: { verdict: 'allow', rule: 'site', reason: 'rule' },
    });
  });

  t.test('a host without a rule is answered with an explained 403, and recorded', async (t) => {
    const { stdout } = await lab.curl(['-sS', '-i', '-m', '10', 'https://other.example.net/secret']);
    t.match(stdout, /^HTTP\/1\.1 403/);
    t.match(stdout, /x-sallyport-reason: no-rule/);
    const record = await gateway.findRecord(
      (r) => r.kind === 'request' && r.destination.host === 'other.example.net',
    );
    t.match(record?.decision, { verdict: 'block', enforced: true, reason: 'no-rule' });
  });

  t.test('method and path are decided on each request', async (t) => {
    t.equal(await status('https://api.example.com/v1/items'), '200');
    t.equal(await status('-X', 'POST', '-d', 'x=1', 'https://api.example.com/v1/items'), '403');
    t.equal(await status('https://api.example.com/v2/items'), '403');
    t.equal(await status('--path-as-is', 'https://api.example.com/v1/../v2/items'), '400');
  });

  t.test('a blocklisted name is NXDOMAIN', async (t) => {
    const { stdout } = await lab.run(['dig', '+time=3', '+tries=1', 'blocked.example.net']);
    t.match(stdout, /status: NXDOMAIN/);
  });

  t.test('another resolver is answered by the gateway', async (t) => {
    const { stdout } = await lab.run([
      'dig',
      '+time=3',
      '+tries=1',
      '+tcp',
      `@${labAddresses.resolver4}`,
      'other.example.net',
    ]);
    t.match(stdout, /10\.\d+\.\d+\.\d+/, 'the blocked name leads to the gateway itself');
  });

  t.test('an address and port of a network rule pass, the neighbour does not', async (t) => {
    const connect = (port: number) =>
      lab.run(
        ['bash', '-c', `exec 3<>/dev/tcp/${labAddresses.web4}/${port} && echo hi >&3 && head -c 2 <&3`],
        {
          timeoutMs: 5000,
        },
      );
    t.equal((await connect(7)).stdout, 'hi');
    t.not((await connect(22)).code, 0);
    const record = await gateway.findRecord(
      (r) => r.kind === 'packet' && r.destination.port === 22 && r.decision.verdict === 'block',
      5000,
    );
    t.match(record?.packet, { protocolNumber: 6 });
  });

  t.test('what only the kernel sees is recorded with its reason', async (t) => {
    const send = (address: string, port: number) =>
      lab.run(['bash', '-c', `echo x > /dev/udp/${address}/${port}`], { timeoutMs: 3000 });
    await send(labAddresses.web4, 443);
    await send(labAddresses.resolver4, 853);
    await lab.curl(['-s', '-m', '2', `http://${labAddresses.metadata4}/`]);
    for (const [port, reason] of [
      [443, 'quic'],
      [853, 'encrypted-dns'],
      [80, 'never-address'],
    ] as const) {
      const record = await gateway.findRecord(
        (r) => r.kind === 'packet' && r.destination.port === port && r.decision.reason === reason,
        5000,
      );
      t.match(record?.decision, { verdict: 'block', enforced: true, reason }, reason);
    }
    const allowed = await gateway.findRecord((r) => r.kind === 'packet' && r.destination.port === 7, 5000);
    t.match(allowed?.decision, { verdict: 'allow', rule: 'echo' });
  });

  t.test('the processes have no right that they do not need', async (t) => {
    const children = readFileSync(`/proc/${gateway.pid}/task/${gateway.pid}/children`, 'utf8')
      .trim()
      .split(' ');
    t.equal(children.length, 2);
    // NET_ADMIN, SETUID, SETGID and KILL; NET_BIND_SERVICE for the threads that were there at the start.
    const rights = readProcessRights(gateway.pid);
    t.equal(rights.effective, 0x10e0n, 'the keeper');
    t.equal(rights.anyThread & ~0x14e0n, 0n, 'none of its threads has more');
    t.ok(rights.noNewPrivileges, 'nor will any');
    for (const child of children) {
      const status = readFileSync(`/proc/${child}/status`, 'utf8');
      for (const line of [
        /^CapEff:\t0+$/m,
        /^CapPrm:\t0+$/m,
        /^CapBnd:\t0+$/m,
        /^NoNewPrivs:\t1$/m,
        /^Seccomp:\t2$/m,
      ]) {
        t.match(status, line, `${child} ${line.source}`);
      }
      t.ok(readProcessRights(Number(child)));
    }
  });

  t.test('metrics and readiness are served to the operator and not to runners', async (t) => {
    t.match(await gateway.operator('/ready'), { status: 200 });
    const { body } = await gateway.operator('/metrics');
    for (const kind of ['dns', 'connection', 'request', 'packet']) {
      t.match(
        body,
        new RegExp(`sallyport_flows_total\\{kind="${kind}"[^}]*verdict="block"[^}]*\\} [1-9]`),
        kind,
      );
    }
    const { code } = await lab.curl(['-sS', '-m', '3', `http://${lab.topology.gateway4}:9440/metrics`]);
    t.not(code, 0);
  });

  t.test('a policy reload takes effect, and a broken one changes nothing', async (t) => {
    gateway.writePolicy(`${policy}  nonsense: [`);
    await sleep(1500);
    t.equal(await status('https://allowed.example.com/again'), '200');
    gateway.writePolicy(policy.replace('host: allowed.example.com}', 'host: www.example.com}'));
    await sleep(1500);
    t.equal(await status('https://allowed.example.com/again'), '403');
    gateway.writePolicy(policy);
    await sleep(1500);
    t.equal(await status('https://allowed.example.com/again'), '200');
  });

  t.test('a killed worker and a killed control are replaced within 5 s', async (t) => {
    const path = `/proc/${gateway.pid}/task/${gateway.pid}/children`;
    const before = readFileSync(path, 'utf8').trim().split(' ').map(Number);
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const started = Date.now();
    let answer = '';
    while (answer !== '200' && Date.now() - started < 5000)
      answer = await status('https://allowed.example.com/back');
    t.equal(answer, '200');
  });

  t.test('a canary secret is in no record, log or metric, wherever the job puts it', async (t) => {
    // The shape of a known token, and words of no known shape: of mixed case, of lower case, of hexadecimal digits.
    const canaries = [
      `ghp_${'c4N9'.repeat(9)}`,
      'kT7vQ2mZ9xR4wL8nB3yH6pD1',
      'k7v2m9x4w8n3y6p1q5z0r2t4',
      '9f3c61e07ab84d52c6f019be37',
    ];
    for (const canary of canaries) {
      const url = `https://allowed.example.com/${canary}/x?k=${canary}`;
      await lab.curl([
        '-H',
        `authorization: Bearer ${canary}`,
        '-H',
        `cookie: s=${canary}`,
        '-A',
        canary,
        url,
      ]);
      await lab.curl([
        '-H',
        `x-${canary}: 1`,
        '--data',
        `secret=${canary}`,
        'https://allowed.example.com/post',
      ]);
      await lab.curl(['-u', `u:${canary}`, `https://other.example.net/x?token=${canary}`]);
      await lab.curl(['-X', canary, `http://allowed.example.com/${canary}`]);
      await lab.curl(['-H', `host: ${canary}.example.net`, 'https://allowed.example.com/host']);
      for (const name of [`${canary}.allowed.example.com`, `${canary}.wild.example.com`, `x.${canary}.net`]) {
        await lab.run(['dig', '+time=1', '+tries=1', name]);
        // The server name alone, towards an address that needs no name.
        await lab.curl(['-m', '3', '--resolve', `${name}:443:${labAddresses.web4}`, `https://${name}/`]);
      }
    }
    t.ok(
      lab.origins.requestsTo('allowed.example.com').some(({ target }) => target.includes(canaries[0]!)),
      'what is allowed arrives whole',
    );
    t.ok(
      await gateway.findRecord(({ http }) => http?.path.includes('[redacted:github-token]') ?? false),
      'and is recorded without it',
    );
    await sleep(1500);
    const { body } = await gateway.operator('/metrics');
    for (const [place, text] of [
      ['segments', gateway.segmentText()],
      ['log', gateway.log()],
      ['metrics', body],
    ] as const) {
      // Names arrive in lower case.
      for (const canary of canaries)
        t.notOk(text.toLowerCase().includes(canary.toLowerCase()), `${place}: ${canary}`);
    }
  });

  t.test('the whole gateway killed leaves the door shut', async (t) => {
    await gateway.kill();
    t.not((await lab.curl(['-sS', '-m', '3', `http://${labAddresses.web4}/`])).code, 0);
    const { code } = await lab.run(['bash', '-c', `exec 3<>/dev/tcp/${labAddresses.other4}/22`], {
      timeoutMs: 4000,
    });
    t.not(code, 0);
  });
});
