import { spawnSync } from 'node:child_process';

import t from 'tap';

import { MetricsSum, createMeter } from '../../api/metrics.ts';
import { metrics } from '../../flow/meter.ts';

const flow = { kind: 'request', protocol: 'https', verdict: 'block', enforced: 'true', reason: 'no-rule' };
const valueOf = (text: string, series: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(`${series} `))
      ?.split(' ')
      .at(-1),
  );
const flows =
  'sallyport_flows_total{kind="request",protocol="https",verdict="block",enforced="true",reason="no-rule"}';

/** A worker that has counted so many flows, holds so many connections, and timed one decision. */
async function worker(flowCount: number, connections: number) {
  const meter = createMeter();
  meter.count('sallyport_flows_total', flow, flowCount);
  meter.gauge('sallyport_open_connections', connections);
  meter.gauge('sallyport_policy_info', 1, { revision: '0123456789ab', mode: 'block' });
  meter.observe('sallyport_decision_seconds', 0.000003);
  // As it comes back from the worker's file.
  return JSON.parse(JSON.stringify(await meter.snapshot())) as unknown;
}

t.test('workers add up, and a replaced worker takes its connections along but not its counts', async (t) => {
  const sum = new MetricsSum();
  const own = createMeter();
  own.gauge('sallyport_build_info', 1, { version: '0.1.0', node: 'v24' });
  sum.update('worker-0', 'worker-0-1', await worker(5, 3));
  sum.update('worker-1', 'worker-1-1', await worker(7, 4));
  let text = await sum.text(await own.snapshot());
  t.equal(valueOf(text, flows), 12);
  t.equal(valueOf(text, 'sallyport_open_connections'), 7);
  t.equal(valueOf(text, 'sallyport_policy_info{revision="0123456789ab",mode="block"}'), 1);
  t.equal(valueOf(text, 'sallyport_decision_seconds_bucket{le="0.000005"}'), 2);
  t.equal(valueOf(text, 'sallyport_decision_seconds_bucket{le="0.000002"}'), 0);
  t.equal(valueOf(text, 'sallyport_decision_seconds_count'), 2);
  t.equal(valueOf(text, 'sallyport_build_info{version="0.1.0",node="v24"}'), 1);

  sum.update('worker-0', 'worker-0-1', await worker(6, 2));
  for (let restart = 2; restart < 500; restart++)
    sum.update('worker-0', `worker-0-${restart}`, await worker(1, 1));
  text = await sum.text(await own.snapshot());
  t.equal(valueOf(text, flows), 6 + 498 + 7);
  t.equal(valueOf(text, 'sallyport_open_connections'), 5);
  t.equal(valueOf(text, 'sallyport_decision_seconds_count'), 500);
});

t.test('a worker that lies adds no name, label or series of its own and breaks nothing', async (t) => {
  const sum = new MetricsSum();
  const own = await createMeter().snapshot();
  const series = (labels: unknown, value: unknown = 1) => [
    {
      name: 'sallyport_flows_total',
      type: 'gauge',
      help: 'x',
      aggregator: 'average',
      values: [{ value, labels }],
    },
  ];
  const lies: unknown[] = [
    null,
    'text',
    [null, 7, { name: 'sallyport_flows_total' }],
    [
      {
        name: 'evil_total',
        type: 'counter',
        help: 'x',
        aggregator: 'sum',
        values: [{ value: 1, labels: {} }],
      },
    ],
    series({ host: 'secret.example' }),
    series({ ...flow, reason: 'x'.repeat(200) }),
    series({ ...flow, reason: 7 }),
    series(null),
    series(flow, 'many'),
    series(flow, -5),
    [
      {
        name: 'sallyport_decision_seconds',
        values: [{ value: 1, labels: { le: 0.3 }, metricName: 'sallyport_decision_seconds_bucket' }],
      },
    ],
    [{ name: 'sallyport_decision_seconds', values: [{ value: 1, labels: {}, metricName: 'evil' }] }],
    [
      {
        name: 'sallyport_dns_cache_total',
        values: Array.from({ length: 20_000 }, (_, i) => ({ value: 1, labels: { result: `r${i}` } })),
      },
    ],
  ];
  for (const [index, lie] of lies.entries()) sum.update(`worker-${index}`, `instance-${index}`, lie);
  sum.update('worker-x', 'x', await worker(5, 0));
  const text = await sum.text(own);
  t.notMatch(text, /evil|secret\.example|xxxx|le="0.3"/);
  t.equal(valueOf(text, flows), 5);
  t.match(text, /# TYPE sallyport_flows_total counter/);
  t.equal(text.match(/^sallyport_dns_cache_total\{/gm)?.length, 5000);
});

const missing = spawnSync('promtool', ['--version']).error ? 'promtool is not installed' : false;
t.test('promtool accepts every metric of the table', { skip: missing }, async (t) => {
  const meter = createMeter();
  for (const [name, spec] of Object.entries(metrics)) {
    const labels = Object.fromEntries(spec.labels.map((label) => [label, 'a"b\\c']));
    // The names are those of the table.
    const known = name as keyof typeof metrics;
    if (spec.kind === 'counter') meter.count(known, labels);
    else if (spec.kind === 'gauge') meter.gauge(known, 1, labels);
    else meter.observe(known, 0.01, labels);
  }
  const text = await new MetricsSum().text(await meter.snapshot());
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: text,
    encoding: 'utf8',
  });
  t.equal(status, 0, `${stdout}${stderr}`);
  for (const name of Object.keys(metrics)) t.match(text, `# HELP ${name} `);
});
