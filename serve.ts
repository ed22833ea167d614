// `serve`, and the way other commands start a gateway: as a process of its own with a generated configuration,
// ready when it has written `ready.json` into its state directory.

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, closeSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readConfig } from './config.ts';
import { exitCodes, formatProblem, SallyportError } from './flow/errors.ts';
import { openLog } from './flow/program-log.ts';
import { requireReadable, startInReach } from './netns/reachable.ts';
import { requireOwnState } from './store/state-directory.ts';

/** Where `serve` and `rules` look when no --config is given. */
export const defaultConfigPath = '/etc/sallyport/sallyport.yaml';

const upgradeLimitMs = 80_000;

const usage = `usage: sallyport serve [--config FILE] [--state DIR] [--until-input-closes]

Runs the gateway in the foreground. FILE is sallyport.yaml (default /etc/sallyport/sallyport.yaml).
--state overrides the directory for authority, records and statistics that FILE names.
SIGHUP reads the policy again, SIGTERM drains and stops. With --until-input-closes it also stops, its rules left in
place, when standard input ends: the program that started it is then gone.
`;

interface Output {
  readonly stdout: NodeJS.WritableStream;
}

/** `sallyport serve`: resolves with the exit code when the gateway has stopped. */
export async function runServe(args: readonly string[], io: Output): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      state: { type: 'string' },
      'until-input-closes': { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  // Control and workers read what is written here as other users, whatever the caller's mask.
  process.umask(0o022);
  const oddities: string[] = [];
  const read = readConfig(values.config ?? defaultConfigPath, (odd) => oddities.push(formatProblem(odd)));
  const config = values.state === undefined ? read : { ...read, state: resolve(values.state) };
  requireReadable(config.policy, 'the policy');
  const named = [
    ...config.tls.extraAuthorities,
    ...config.tls.upstreams.flatMap(({ authorities }) => authorities),
  ];
  for (const path of named) requireReadable(path, 'the authority');
  const script = join(import.meta.dirname, import.meta.filename.endsWith('.js') ? 'main.js' : 'main.ts');
  startInReach({ script, state: config.state }, (moved) => ['serve', ...args, '--state', moved]);
  const [{ confineProgram }, { programRights }] = await Promise.all([
    import('./kernel/harden.ts'),
    import('./kernel/iptables-tables.ts'),
  ]);
  confineProgram(config.kernel.backend === 'iptables' ? programRights : []);
  // Once: what came before began anew there.
  const log = openLog('keeper', 'warn');
  for (const oddity of oddities) log.warn(oddity);
  const { runKeeper } = await import('./keeper.ts');
  return runKeeper(config, packageVersion(), { untilInputCloses: values['until-input-closes'] === true });
}

/** Version of the installed package. */
export function packageVersion(): string {
  for (const folder of [import.meta.dirname, join(import.meta.dirname, '..')]) {
    const file = join(folder, 'package.json');
    if (!existsSync(file)) continue;
    // package.json of this package is the only one beside the program.
    return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  return 'unknown';
}

export interface StartedGateway {
  readonly stateDir: string;
  /** Address and port of the operator’s listener. */
  readonly operator: string;
  readonly pid: number;
  /** How it ended by itself, as a signal or an exit code; null while it runs. */
  ended(): string | null;
  /** Cuts a runner off for `durationMs`; 0 lifts it. @throws SallyportError kernel */
  quarantine(runner: string, durationMs: number): Promise<void>;
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Command to put in front, for example `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  readonly readyLimitMs?: number;
}

/** Puts configuration and log of a gateway into its state directory. @throws SallyportError config-invalid */
function openState(config: { readonly state: string } & object) {
  requireOwnState(config.state, [0, Number(process.env['SUDO_UID'] ?? 0)]);
  mkdirSync(config.state, { recursive: true, mode: 0o755 });
  const [file, ready] = [join(config.state, 'sallyport.json'), join(config.state, 'ready.json')];
  writeFileSync(file, JSON.stringify(config, null, 2), { mode: 0o600 });
  rmSync(ready, { force: true });
  return { file, ready, log: openSync(join(config.state, 'gateway.log'), 'a', 0o600) };
}

function serveArguments(file: string): string[] {
  const program = import.meta.filename.endsWith('.js') ? 'main.js' : 'main.ts';
  const main = join(dirname(import.meta.filename), program);
  return ['--disable-warning=ExperimentalWarning', main, 'serve', '--config', file, '--until-input-closes'];
}

/**
 * Starts `serve` as a child with this configuration (an object in the shape of sallyport.yaml) and resolves when it
 * serves. Its log goes to `gateway.log` in the state directory. @throws SallyportError internal with the log’s end
 */
export async function startGateway(
  config: { readonly state: string } & object,
  options: StartOptions = {},
): Promise<StartedGateway> {
  const stateDir = config.state;
  const { file, ready, log } = openState(config);
  const [command, ...args] = [...(options.prefix ?? []), process.execPath, ...serveArguments(file)];
  // A process group of its own: a terminal's Ctrl-C is for the job; the gateway is stopped afterwards.
  // Nothing of the caller's environment (NODE_OPTIONS, secrets of the job) reaches the gateway.
  const env = { PATH: process.env['PATH'] ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
  const child = spawn(command!, args, { stdio: ['pipe', log, log], detached: true, env });
  child.stdin?.on('error', () => {});
  closeSync(log);
  let ended: string | null = null;
  child.on('error', (error) => (ended = error.message));
  child.on('exit', (code, signal) => (ended = signal ?? `exit code ${code}`));
  const deadline = Date.now() + (options.readyLimitMs ?? 40_000);
  while (!existsSync(ready)) {
    if (ended !== null || Date.now() > deadline) {
      child.kill('SIGKILL');
      const tail = readFileSync(join(stateDir, 'gateway.log'), 'utf8').slice(-2000);
      const what = `the gateway did not start (${ended ?? 'no answer in time'}):\n${tail}`;
      throw new SallyportError(child.exitCode === exitCodes.unavailable ? 'kernel' : 'internal', what);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  // The file is ours: keeper.ts writes it in this shape.
  const { operator, pid } = JSON.parse(readFileSync(ready, 'utf8')) as { operator: string; pid: number };
  const stop = async (): Promise<void> => {
    if (ended !== null) return;
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
    await new Promise<void>((resolve) => {
      if (ended !== null) resolve();
      else child.once('exit', () => resolve());
    });
    clearTimeout(timer);
  };
  const quarantine = async (runner: string, durationMs: number): Promise<void> => {
    await postAction(join(stateDir, 'operator.sock'), '/v1/quarantine', {
      runner,
      seconds: Math.ceil(durationMs / 1000),
      reason: 'asked for by the program that started the gateway',
    });
  };
  return { stateDir, operator, pid, quarantine, ended: () => ended, stop };
}

const upgradeUsage = `usage: sallyport upgrade [--config FILE] [--state DIR] [--reason TEXT]

Has the gateway that runs with FILE (sallyport.yaml; default /etc/sallyport/sallyport.yaml) start workers and control of
the program as it now lies on disk, on the same sockets. The old workers take nothing new and drain, for
limits.drainSeconds at most. The keeper itself stays: docs/operations.md says when a restart is needed.
Exit codes: 0 the new workers serve, 70 they do not (the old ones go on), 69 no gateway answers.
`;

/** `sallyport upgrade`: resolves with the exit code when the new workers serve. */
export async function runUpgrade(args: readonly string[], io: Output): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      config: { type: 'string' },
      state: { type: 'string' },
      reason: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) {
    io.stdout.write(upgradeUsage);
    return exitCodes.ok;
  }
  const state = values.state ?? readConfig(values.config ?? defaultConfigPath).state;
  const reason = values.reason ?? 'sallyport upgrade';
  await postAction(join(resolve(state), 'operator.sock'), '/v1/upgrade', { reason }, upgradeLimitMs);
  io.stdout.write('new workers serve; the old ones drain\n');
  return exitCodes.ok;
}

/** Asks the gateway that runs with a configuration, or in a state directory. @throws SallyportError usage, kernel */
export async function askGateway(
  { config, state }: { readonly config?: string; readonly state?: string },
  path: string,
  body: object,
): Promise<unknown> {
  const directory = state ?? readConfig(config ?? defaultConfigPath).state;
  return JSON.parse(await postAction(join(resolve(directory), 'operator.sock'), path, body));
}

/** Sends one of the operator's actions to a gateway of this machine; answers the text of its answer. @throws SallyportError usage, kernel, internal */
export async function postAction(
  socketPath: string,
  path: string,
  body: object,
  limitMs = 10_000,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = request({
    socketPath,
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    timeout: limitMs,
  });
  sent.on('response', resolve);
  sent.on('error', (error) =>
    reject(new SallyportError('kernel', `no gateway answers at ${socketPath}: ${error.message}`, error)),
  );
  sent.on('timeout', () => sent.destroy(new Error('no answer in time')));
  sent.end(JSON.stringify(body));
  const response = await promise;
  const text = Buffer.concat(await Array.fromAsync(response)).toString();
  // 409: what was asked for was tried and did not come about.
  const code = response.statusCode === 409 ? 'internal' : response.statusCode === 422 ? 'usage' : 'kernel';
  if (response.statusCode !== 200)
    throw new SallyportError(code, `the gateway refused: ${text.slice(0, 500)}`);
  return text;
}
