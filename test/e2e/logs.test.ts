// Logs of steps on their way to their platforms, by curl and Python: the tokens in them are found, told as evidence and
// kept nowhere, and the platform gets what it was sent.

import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { listenTcp } from '../../netns/socket.ts';
import { WebServer } from '../../netns/web-server.ts';
import { findOnDisk } from '../lab/ci/find-on-disk.ts';
import { githubMessage } from '../lab/job-messages.ts';
import { Lab } from '../lab/lab.ts';
import { acceptWebSocket } from '../lab/web-socket-echo.ts';

const [address, storage] = ['93.184.216.82', '93.184.216.83'];
const results = 'results-receiver.actions.githubusercontent.com';
const blobs = 'productionresultssa9.blob.core.windows.net';
const modern = 'productionresultssa10.blob.core.windows.net';
const ghes = 'ghes.corp.example';
const lab = await Lab.open({ runners: 3 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`, `addr add ${storage}/32 dev lo`]);
for (const host of [results, blobs, ghes, 'own.example', 'gitlab.com'])
  lab.origins.names.set(host, { a: [address] });
lab.origins.names.set(modern, { a: [storage] });

// Made up, and put together here so that nobody takes them for a leak.
const canary = 'Qz7Kw2Lm5nPq8rSt1vYb4Xc9Df3Gh6Jk0Mn2';
const token = `ghp_${canary}`;
const step = 'a1000000-0000-4000-8000-000000000001';
const logPath = `/actions-results/1/workflow-job-run-2/logs/steps/step-logs-${step}.txt`;

/** Bodies as they arrived, by host and path. */
const stored = new Map<string, string>();
async function store(request: AsyncIterable<Buffer>, at: string): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  stored.set(at, `${stored.get(at) ?? ''}${Buffer.concat(parts).toString('latin1')}`);
}

const service = '/_services/pipelines/aBc/_apis/distributedtask';
const ownToken = `ghs_${canary.split('').toReversed().join('')}`;
/** GitHub Enterprise Server: a job for the second poll, an encrypted one for the third. */
function answerOlder(target: string, response: ServerResponse): void {
  const job = githubMessage({ github: { server_url: `https://${ghes}` }, token: ownToken });
  const body = JSON.stringify({ ...job, requestId: 4_711 });
  const turn = /lastMessageId=(\d)/.exec(target)?.[1];
  if (target.endsWith('/sessions')) response.end('{"sessionId":"s-1"}');
  else if (target.includes('/jobrequests/')) response.end(JSON.stringify({ requestId: 4_711 }));
  else if (turn === '1')
    response.end(JSON.stringify({ messageId: 1, messageType: 'PipelineAgentJobRequest', body }));
  else if (turn === '2')
    response.end(
      JSON.stringify({ messageId: 2, messageType: 'PipelineAgentJobRequest', iv: 'AAEC', body: 'c2Vj' }),
    );
  else response.writeHead(202).end();
}

const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [],
  https: [443],
  authority: lab.origins.authority,
  upgrade: (request: IncomingMessage, socket, head) => void acceptWebSocket(request, socket, head),
  answer: (request, response, { host, target }) => {
    const [path = ''] = target.split('?');
    if (host === ghes) return void request.resume().on('end', () => answerOlder(target, response));
    const call = /twirp\/.*\/(\w+)$/.exec(path)?.[1];
    void store(request, `${host}${path}`).finally(() => {
      const where = path.includes('Job') ? modern : blobs;
      if (call !== undefined)
        response.end(
          JSON.stringify({
            logs_url: `https://${where}${where === modern ? '/actions-results/1/job.txt' : logPath}?sp=cw&sig=x`,
            blob_storage_type: 'BLOB_STORAGE_TYPE_AZURE',
            soft_size_limit: '1048576',
          }),
        );
      else response.writeHead(host === 'gitlab.com' ? 202 : 201).end();
    });
  },
});
await server.start();
const { certificate, key } = lab.origins.authority.issue([modern]);
const http2 = createSecureServer({ cert: certificate, key }, (request, response) => {
  void store(request, `${modern}${request.url.split('?')[0]}`).finally(() => response.writeHead(201).end());
});
http2.listen({ fd: listenTcp(lab.topology.internet, storage, 443) });
await once(http2, 'listening');
const job = { server: 'github.com', ref: 'refs/heads/main', event: 'push' } as const;
await lab.startGateway(
  `version: 1
mode: block
presets: [github-runner, gitlab-runner]
github: [{id: older, repo: "**", server: ghes.corp.example, access: write, operations: [runner/session, runner/poll, runner/renew-job, log/upload], anyRef: the service of runners}]
scopes:
  - id: watched
    match: {repo: acme/watched}
    mode: audit
  - id: older
    match: {server: ghes.corp.example, repo: acme/widget}
    http: [{id: own, host: own.example}]
`,
  {
    config: { servers: [{ platform: 'github', server: ghes }] },
    jobs: ['acme/app', 'acme/watched'].map((repository, index) => ({
      ...job,
      repository,
      addresses: [lab.runner(index).v4, lab.runner(index).v6],
    })),
  },
);
t.teardown(async () => {
  server.close();
  http2.close();
  await lab.close();
});
t.setTimeout(120_000);

const run = async (script: string, runner = 0): Promise<string> => {
  const { stdout, stderr } = await lab.run(['sh', '-c', script], { runner, timeoutMs: 60_000 });
  return stdout + stderr;
};
const receiver = `https://${results}/twirp/github.actions.results.api.v1.Receiver`;
const ask = (name: string): string =>
  `curl -s -o /dev/null -H 'content-type: application/json' -d '{"workflow_run_backend_id":"1","workflow_job_run_backend_id":"2","step_backend_id":"${step}"}' ${receiver}/${name}`;
const file = (name: string, content: string | Buffer): string => {
  const path = join(lab.directory, name);
  writeFileSync(path, content, { mode: 0o644 });
  return path;
};
const secretsOf = (record: FlowRecord | null): string[] =>
  (record?.evidence ?? []).filter(({ kind }) => kind === 'secret-in-log').map(({ detail }) => detail);
/** The closed record of the request that was the `count`th of its kind to this host. */
async function closed(host: string, method: string, count = 1): Promise<FlowRecord | null> {
  const all = async () =>
    (await lab.gateway.records()).filter(
      ({ phase, kind, destination, http }) =>
        phase === 'closed' && kind === 'request' && destination.host === host && http?.method === method,
    );
  for (let tries = 0; tries < 60 && (await all()).length < count; tries++) await sleep(50);
  return (await all())[count - 1] ?? null;
}
const noise = Array.from(
  { length: 2_000 },
  (_, at) => `2026-11-25T01:02:03.${at * 7_919}Z npm warn deprecated something@${at % 7}.${at % 11}.3\n`,
).join('');

t.test('a blob that was handed out for the log of a step', async (t) => {
  const log = `${noise}token: ${token}\n${noise}`;
  const path = file('step.txt', log);
  const url = `https://${blobs}${logPath}?sp=cw&sig=x`;
  t.equal(
    await run(
      `${ask('GetStepLogsSignedBlobURL')}; curl -s -o /dev/null -w '%{http_code}' -T ${path} -H 'x-ms-blob-type: BlockBlob' '${url}'`,
    ),
    '201',
  );
  t.equal(stored.get(`${blobs}${logPath}`), log, 'it arrived as it was sent');
  t.same(secretsOf(await closed(blobs, 'PUT')), [
    `a token of GitHub (ghp_…) in the log at byte ${noise.length + 7}, step ${step}`,
  ]);
  await run(`curl -s -o /dev/null -X PUT -d 'nothing of ghp_ in it: ***' '${url}&comp=appendblock'`);
  t.same(secretsOf(await closed(blobs, 'PUT', 2)), [], 'control');
});

t.test('the same over HTTP/2, in pieces, chunked and compressed', async (t) => {
  const packed = file('job.txt.gz', gzipSync(`${noise}glpat-${canary.slice(0, 20)}\n`));
  const url = `https://${modern}/actions-results/1/job.txt?sp=cw&sig=x`;
  const put = (more: string): string =>
    `curl -s --http2 -o /dev/null -w '%{http_code} %{http_version}\\n' ${more} '${url}'`;
  t.equal(
    await run(
      `${ask('GetJobLogsSignedBlobURL')}; ${put(`-X PUT --data-binary 'first ${token.slice(0, 20)}'`)}; ${put(`-X PUT --data-binary '${token.slice(20)} second'`)}; ${put(`-T - -H 'content-encoding: gzip' < ${packed}`)}`,
    ),
    '201 2\n201 2\n201 2\n',
  );
  await closed(modern, 'PUT', 3);
  const found = (await lab.gateway.records())
    .filter(
      ({ phase, kind, destination }) =>
        phase === 'closed' && kind === 'request' && destination.host === modern,
    )
    .map(secretsOf);
  t.same(found, [
    [],
    ['a token of GitHub (ghp_…) in the log at byte 6'],
    [`a token of GitLab (glpat-…) in the log at byte ${noise.length + 53}`],
  ]);
});

t.test('a job that is only watched, and one that no policy lets there', async (t) => {
  const path = file('watched.txt', `x ${token}\n`);
  const url = `https://${blobs}${logPath}?sp=cw&sig=x`;
  t.equal(await run(`curl -s -o /dev/null -w '%{http_code}' -T ${path} '${url}'`, 1), '201');
  t.same(secretsOf(await closed(blobs, 'PUT', 3)), [], 'nobody said that this is a log');
  t.equal(
    await run(
      `${ask('GetStepLogsSignedBlobURL')}; curl -s -o /dev/null -w '%{http_code}' -T ${path} '${url}'`,
      1,
    ),
    '201',
  );
  t.same(secretsOf(await closed(blobs, 'PUT', 4)), [
    `a token of GitHub (ghp_…) in the log at byte 2, step ${step}`,
  ]);
});

t.test(
  'lines on the WebSocket',
  { skip: existsSync('/usr/lib/python3/dist-packages/websockets') ? false : 'no python3-websockets' },
  async (t) => {
    const lines = [
      `a line of \u001b[36;1m${token}\u001b[0m`,
      'x'.repeat(3_000),
      `npm_${canary} "stepId":"no"`,
    ];
    const message = file(
      'lines.json',
      JSON.stringify({ count: 3, value: lines, stepId: step, startLine: 1 }),
    );
    t.match(
      await run(
        `/usr/bin/python3 ${join(import.meta.dirname, '../lab/clients/send_log.py')} wss://${results}/_ws/ingest.sock < ${message}`,
      ),
      /sent True/,
    );
    const record = await closed(results, 'GET');
    t.equal(record?.http?.webSocket?.sent.text.messages, 1);
    t.same(secretsOf(record), [
      `a token of GitHub (ghp_…) in the log at byte 43, step ${step}`,
      `a token of npm (npm_…) in the log at byte 3098, step ${step}`,
    ]);
  },
);

t.test('the trace of a job of GitLab', async (t) => {
  const patch = (range: string, body: string): string =>
    `curl -s -o /dev/null -w '%{http_code}\\n' -X PATCH -H 'JOB-TOKEN: x' -H 'content-type: text/plain' -H 'content-range: ${range}' --data-binary '${body}' https://gitlab.com/api/v4/jobs/7/trace?debug_trace=false`;
  const [first, second] = [`0123456789 ${token.slice(0, 9)}`, `${token.slice(9)}\n`];
  t.equal(
    await run(`${patch('0-19', first)}; ${patch('20-51', second)}; ${patch('52-55', 'more')}`),
    '202\n202\n202\n',
  );
  t.same(secretsOf(await closed('gitlab.com', 'PATCH', 2)), [
    'a token of GitHub (ghp_…) in the log at byte 11',
  ]);
});

t.test('a job of GitHub Enterprise Server, by the answer to its poll', async (t) => {
  const call = (method: string, path: string, more = ''): string =>
    `curl -s -o /dev/null -w '%{http_code}\\n' -X ${method} ${more} 'https://${ghes}${service}${path}'`;
  const poll = (last: number): string => call('GET', `/pools/1/messages?sessionId=s-1&lastMessageId=${last}`);
  const reach = `curl -s -o /dev/null -w '%{http_code}\\n' https://own.example/`;
  const begin = call('POST', '/pools/1/sessions', `-d '{"agent":{"id":12}}'`);
  t.equal(await run(begin, 2), '200\n');
  t.equal(await run(`${poll(0)}; ${reach}; ${poll(1)}; ${reach}`, 2), '202\n403\n200\n201\n');
  t.match(
    await lab.gateway.findRecord(
      ({ destination, http }) => destination.host === 'own.example' && http?.status === 201,
    ),
    {
      job: { server: ghes, repository: 'acme/widget' },
      attribution: { source: 'job-message', certainty: 'certain' },
    },
  );
  const feed = call(
    'POST',
    '/hubs/actions/plans/p/timelines/t/records/step-7/feed',
    `-d '{"count":1,"value":["${ownToken}"]}'`,
  );
  t.equal(await run(feed, 2), '202\n');
  t.same(secretsOf(await closed(ghes, 'POST', 2)), [
    'the job’s own token, a token of GitHub (ghs_…) in the log at byte 21, step step-7',
  ]);
  const renew = call('PATCH', '/pools/1/jobrequests/4711?lockToken=0', `-d '{"requestId":4711}'`);
  t.equal(
    await run(`${renew}; ${reach}; ${poll(2)}; ${reach}`, 2),
    '200\n201\n200\n403\n',
    'the next one is encrypted',
  );
  t.match(
    lab.gateway.log(),
    /a job was handed out that cannot be read: messages of this runner are encrypted/,
  );
});

t.test('nothing of it is kept', async (t) => {
  await lab.gateway.stop();
  const forms = [canary, canary.slice(0, 20), canary.slice(8), ownToken.slice(4)].flatMap((text) => [
    Buffer.from(text),
    Buffer.from(text, 'utf16le'),
    Buffer.from(Buffer.from(text).toString('base64').slice(0, 20)),
  ]);
  t.same(findOnDisk(lab.gateway.stateDirectory, forms), []);
  const { stateDirectory } = lab.gateway;
  t.ok(
    findOnDisk(stateDirectory, [Buffer.from('secret-in-log')]).length > 0,
    'control: the evidence is there',
  );
});
