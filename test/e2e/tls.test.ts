// TLS as jobs and operators meet it: faults of certificates in the answer and the record, authorities of some hosts
// only, and the proposal that clients of two jobs make who do not trust the gateway.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Lab } from '../lab/lab.ts';

const lab = await Lab.open({ runners: 2 });
t.teardown(() => lab.close());
t.setTimeout(60_000);
const strangerFile = join(lab.directory, 'stranger.pem');
writeFileSync(strangerFile, lab.origins.stranger.certificate);

const policy = `version: 1
mode: block
http:
  - {id: web, host: [allowed.example.com, expired.example.com, wrong-name.example.com, untrusted.example.com]}
`;
const jobs = lab.topology.runners.map(({ v4, v6 }, index) => ({
  addresses: [v4, v6],
  repository: `acme/app${index}`,
  workflow: 'ci.yml',
  ref: 'refs/heads/main',
  name: 'build',
}));
const gateway = await lab.startGateway(policy, { jobs });

t.test('a job is told which fault a certificate has, over HTTP/1.1 and HTTP/2', async (t) => {
  const cases: readonly [host: string, told: string][] = [
    ['expired.example.com', 'a certificate has expired'],
    ['wrong-name.example.com', 'the certificate is for another name'],
    ['untrusted.example.com', 'the certificate comes from an unknown authority'],
  ];
  for (const [host, told] of cases) {
    for (const version of ['--http1.1', '--http2', '--http2-prior-knowledge']) {
      const { stdout } = await lab.curl([version, '-i', `https://${host}/x`]);
      const label = `${host} ${version}`;
      t.match(stdout, /^HTTP\/[\d.]+ 502 /, label);
      t.match(stdout, `${told} (rule web) [upstream-certificate]`, label);
    }
    const record = await gateway.findRecord(
      ({ kind, phase, destination }) => kind === 'request' && phase === 'closed' && destination.host === host,
    );
    t.match(record, {
      ended: 'upstream-certificate',
      evidence: [{ kind: 'upstream-certificate', detail: `${host}:443: ${told}` }],
    });
  }
  t.same(lab.origins.requestsTo('expired.example.com'), []);
});

t.test('clients of two jobs that refuse the leaf make a proposal: record, metric, log', async (t) => {
  const wrong = ['--cacert', join(lab.directory, 'lab-ca.pem'), 'https://allowed.example.com/'];
  const proposals = async () =>
    /^sallyport_pass_through_proposals_total\{cause="client-distrust"\} (\d+)$/m.exec(
      (await gateway.operator('/metrics')).body,
    )?.[1] ?? '0';
  t.equal((await lab.curl(wrong, 0)).code, 60);
  t.equal((await lab.curl(wrong, 0)).code, 60);
  const refused = await gateway.findRecord(({ ended }) => ended === 'client-rejected-certificate');
  t.same(refused?.evidence, []);
  t.equal(await proposals(), '0');
  const python = `import urllib.request; urllib.request.urlopen('https://allowed.example.com/')`;
  const env = { SSL_CERT_FILE: join(lab.directory, 'lab-ca.pem') };
  t.match((await lab.run(['python3', '-c', python], { runner: 1, env })).stderr, 'CERTIFICATE_VERIFY_FAILED');
  const proposed = await gateway.findRecord(({ evidence }) =>
    evidence.some(({ kind }) => kind === 'pass-through-proposed'),
  );
  t.match(proposed, { decision: { verdict: 'allow' }, job: { repository: 'acme/app1' } });
  t.match(gateway.log(), /"host":"allowed\.example\.com","port":443,"cause":"client-distrust"/);
  for (let waits = 0; waits < 40 && (await proposals()) === '0'; waits++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  t.equal(await proposals(), '1');
  t.match((await lab.curl(['https://allowed.example.com/'], 1)).code, 0, 'nothing was opened or shut');
});

t.test('an authority of one host is trusted there and nowhere else', async (t) => {
  const upstreams = [{ host: 'untrusted.example.com', authorities: [strangerFile] }];
  const extraAuthorities = [join(lab.directory, 'lab-ca.pem')];
  await lab.startGateway(policy, { jobs, config: { tls: { extraAuthorities, upstreams } } });
  const status = async (host: string) =>
    (await lab.curl(['-o', '/dev/null', '-w', '%{http_code}', `https://${host}/`])).stdout;
  t.equal(await status('untrusted.example.com'), '200');
  t.equal(await status('expired.example.com'), '502');
  t.equal(await status('allowed.example.com'), '200');
});
