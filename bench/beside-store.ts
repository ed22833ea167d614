// What a runner notices of the store: the slowest hundredth of its requests and questions through a whole gateway while
// control takes in a backlog, while a dashboard asks again and again, and while the store is away, by the slowest
// hundredth at rest, in rounds that alternate. Control and its store get no less of the machine than the worker. Ours alone.

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { insidePrefix } from '../netns/gateway-port.ts';
import { dialTcp } from '../netns/socket.ts';
import { segmentName } from '../store/segment-name.ts';
import { calmPolicy, prefer, startCalm, startCalmOrigin, timesOver } from '../test/lab/fairness.ts';
import { Lab } from '../test/lab/lab.ts';
import type { MixedTimes } from '../test/lab/mixed-load.ts';
import { findPostgres, PostgresServer } from '../test/lab/postgres-server.ts';
import { aimedAt, median, single } from './measure.ts';
import type { Figure, Progress } from './measure.ts';
import { flowsOfDay, openedOf } from './store-flows.ts';

export interface BesideStoreOptions {
  readonly rounds: number;
  /** The short form measures none of it: to fill a store and to start two gateways takes too long. */
  readonly isQuick: boolean;
  /** Flows that the dashboard asks over. */
  readonly flows: number;
}

type State = 'rest' | 'ingest' | 'asking' | 'away';
type Times = Record<State, MixedTimes[]>;

const [control, worker] = [64_801, 64_802]; // users of a gateway, and control's group, unless told
const kinds = { kept: 'kept connections', fresh: 'new connections', dnsUdp: 'DNS' } as const;
const mostTimes = 1.5;
const windowMs = 3_000;
const dayMs = 86_400_000;
/** Two records each: more than one core takes in while it is measured. */
const flowsOfBacklog = 100_000;
const flowsOfSegment = 10_000;
const clients = 3;

/** One figure for each state of the store: the worst of the three ways of asking. @throws Error when a state was none */
export async function measureBesideStore(options: BesideStoreOptions, progress: Progress): Promise<Figure[]> {
  if (options.isQuick) return [];
  const [own, away] = [new Place(), new AwayPlace()];
  const times: Times = { rest: [], ingest: [], asking: [], away: [] };
  try {
    await own.start(options.flows, (line) => progress(`beside the store, ${line}`));
    const hasAway = await away.start();
    if (!hasAway) progress('beside the store, no PostgreSQL is installed that could be away');
    for (let round = 0; round < options.rounds; round++) {
      progress(`beside the store, round ${round + 1} of ${options.rounds}`);
      times.rest.push(await own.measure());
      times.ingest.push(await own.measureIngest(round));
      times.asking.push(await own.measureAsking((line) => progress(`beside the store, ${line}`)));
      if (hasAway) times.away.push(await away.measure());
    }
  } finally {
    await own.close();
    await away.close();
  }
  return figuresOf(times, options.flows);
}

function figuresOf({ rest, ingest, asking, away }: Times, flows: number): Figure[] {
  const many = flows.toLocaleString('en-US');
  return [
    figureOf('a backlog that goes into the store', rest, ingest),
    figureOf(`${clients} who ask again and again over ${many} flows`, rest, asking),
    ...(away.length === 0 ? [] : [figureOf('a store that is away', rest, away)]),
  ];
}

function figureOf(state: string, rest: readonly MixedTimes[], beside: readonly MixedTimes[]): Figure {
  const all = Object.entries(kinds).map(([kind, name]) => {
    const [calm, slow] = [slowest(rest, kind), slowest(beside, kind)];
    return { times: slow / calm, text: `${name} ${slow.toFixed(1)} of ${calm.toFixed(1)} ms` };
  });
  const times = Math.max(...all.map((one) => one.times));
  const what = `99th percentile of one runner beside ${state} (${all.map((one) => one.text).join(', ')})`;
  return aimedAt(single(what, 'x', times, { rest, beside }), `at most ${mostTimes}x`, times <= mostTimes);
}

const slowest = (rounds: readonly MixedTimes[], kind: string) =>
  median(rounds.map((times) => times[kind]?.p99Ms ?? Number.POSITIVE_INFINITY));

/** A lab with a whole gateway, whose store is filled before it starts. */
class Place {
  #lab: Lab | null = null;
  #origin: ChildProcess | null = null;

  get lab(): Lab {
    if (this.#lab === null) throw new Error('start comes first');
    return this.#lab;
  }

  async start(flows: number, progress: Progress): Promise<void> {
    await this.open();
    const folder = join(this.lab.directory, 'filled');
    mkdirSync(folder, { mode: 0o700 });
    await fill(folder, flows, progress);
    await this.serve({ kind: 'embedded', folder, maxBytes: 64 * 1024 ** 3 });
    await this.#until(({ backlogBytes, isUp }) => isUp && backlogBytes < 1_000_000, 'the store to open');
  }

  async open(): Promise<void> {
    this.#lab = await Lab.open();
    this.#origin = await startCalmOrigin(this.#lab);
  }

  async serve(store: object): Promise<void> {
    const gateway = await this.lab.startGateway(calmPolicy, { config: { store } });
    for (const pid of [process.pid, gateway.pid]) prefer(pid);
  }

  /** Times of a runner whose load begins anew, beside what `act` starts and ends once that load has settled. */
  async measure(act: () => Promise<() => Promise<void>> = async () => async () => {}): Promise<MixedTimes> {
    const load = await startCalm(this.lab, 0);
    try {
      await sleep(1_500);
      const end = await act();
      const times = await timesOver(load, windowMs);
      await end();
      return times;
    } finally {
      await load.kill();
    }
  }

  async measureIngest(round: number): Promise<MixedTimes> {
    const backlog = writeBacklog(this.lab, round);
    const times = await this.measure(async () => {
      const segments = join(this.lab.gateway.stateDirectory, 'segments');
      for (const name of backlog.names) renameSync(join(backlog.folder, name), join(segments, name));
      const before = await this.figures();
      return async () => {
        const after = await this.figures();
        // Or the window was one that is partly at rest.
        const [came, left] = [before.backlogBytes - after.backlogBytes, after.backlogBytes];
        if (came < 1_000_000 || left < 1_000_000)
          throw new Error(`while it was measured ${came} bytes of the backlog came in, ${left} were left`);
      };
    });
    await this.#until(({ backlogBytes }) => backlogBytes < 1_000_000, 'the backlog to come in');
    for (const name of backlog.names) rmSync(join(this.lab.gateway.stateDirectory, 'segments', name));
    return times;
  }

  async measureAsking(progress: Progress): Promise<MixedTimes> {
    // How often one may ask is limited: each has all of it at every round.
    const tokens = Array.from({ length: clients }, () => createToken(this.lab));
    return this.measure(async () => {
      const over = new AbortController();
      const asking = Promise.all(tokens.map((token, at) => askUntil(over.signal, this.lab, token, at)));
      // Told when the window ends, whenever it fails.
      asking.catch(() => {});
      return async () => {
        over.abort();
        const counts = await asking;
        progress(`${clients} who asked had ${counts.map((count) => count.answers).join(', ')} answers`);
        if (counts.some(({ answers }) => answers === 0)) throw new Error('somebody asked and had no answer');
        if (counts.some(({ refusals }) => refusals > 0)) progress('and were asked to come more slowly');
      };
    });
  }

  /** What the gateway says of its store. */
  async figures() {
    const { body } = await this.lab.gateway.operator('/metrics');
    const valueOf = (name: string) =>
      Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(body)?.[1] ?? Number.NaN);
    return {
      isUp: valueOf('sallyport_store_up') === 1,
      backlogBytes: valueOf('sallyport_store_backlog_bytes'),
    };
  }

  async close(): Promise<void> {
    this.#origin?.kill('SIGKILL');
    await this.#lab?.close();
  }

  async #until(test: (now: Awaited<ReturnType<Place['figures']>>) => boolean, what: string): Promise<void> {
    const deadline = performance.now() + 120_000;
    while (!test(await this.figures())) {
      if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
      await sleep(250);
    }
  }
}

/** Another gateway, whose PostgreSQL has stopped. */
class AwayPlace {
  readonly #place = new Place();
  #server: PostgresServer | null = null;

  /** False where PostgreSQL is not installed. */
  async start(): Promise<boolean> {
    const bin = findPostgres();
    if (bin === null) return false;
    await this.#place.open();
    const server = new PostgresServer(bin);
    this.#server = server;
    // Its folder is for its own user alone; the socket in it is for control.
    chownSync(server.host, -1, control);
    chmodSync(server.host, 0o750);
    chmodSync(dirname(server.host), 0o755);
    const url = `postgres://sallyport@/postgres?host=${server.host}`;
    await this.#place.serve({ kind: 'postgres', postgres: { url } });
    if (!(await this.#isUpWithin(20_000, true))) throw new Error('the store in PostgreSQL did not open');
    server.stop();
    if (!(await this.#isUpWithin(20_000, false)))
      throw new Error('the store does not notice that it is away');
    return true;
  }

  async measure(): Promise<MixedTimes> {
    const times = await this.#place.measure();
    if ((await this.#place.figures()).isUp) throw new Error('the store that is to be away is there');
    return times;
  }

  async close(): Promise<void> {
    await this.#place.close();
    // What has stopped cannot be stopped.
    this.#server?.start();
    this.#server?.close();
  }

  async #isUpWithin(ms: number, isUp: boolean): Promise<boolean> {
    for (const end = performance.now() + ms; performance.now() < end; await sleep(250))
      if ((await this.#place.figures()).isUp === isUp) return true;
    return false;
  }
}

const node = [process.execPath, '--disable-warning=ExperimentalWarning'];

async function fill(folder: string, flows: number, progress: Progress): Promise<void> {
  const program = join(import.meta.dirname, 'fill-store.ts');
  const child = spawn(node[0]!, [...node.slice(1), program, folder, `${flows}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.on('data', (chunk: Buffer) => progress(`filling, ${String(chunk).trim()}`));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`fill-store.ts ended with ${code}`);
  chownSync(folder, control, control);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
    chownSync(join(folder, name), control, control);
}

function createToken(lab: Lab): string {
  const args = ['token', 'create', '--role', 'viewer', '--label', 'bench', '--expires', '1d'];
  const program = [process.execPath, join(import.meta.dirname, '../main.ts'), ...args];
  const all = [...insidePrefix(lab.gatewayNamespace), ...program, '--state', lab.gateway.stateDirectory];
  const { status, stdout, stderr } = spawnSync(all[0]!, all.slice(1), { encoding: 'utf8' });
  if (status !== 0) throw new Error(`token create: ${stderr}`);
  return stdout.trim();
}

/** Segments as another worker would have left them yesterday, beside the gateway's own. */
function writeBacklog(
  lab: Lab,
  round: number,
): { readonly folder: string; readonly names: readonly string[] } {
  const folder = mkdtempSync(join(lab.directory, 'backlog-'));
  const startMs = Math.floor(Date.now() / dayMs) * dayMs - dayMs;
  const names: string[] = [];
  for (let from = 0; from < flowsOfBacklog; from += flowsOfSegment) {
    const closed = flowsOfDay(startMs, flowsOfBacklog, from, flowsOfSegment);
    const lines = closed.flatMap((record) => [JSON.stringify(openedOf(record)), JSON.stringify(record)]);
    const name = segmentName('backlog', startMs + round, names.length + 1);
    const path = join(folder, name);
    writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o640 });
    chownSync(path, worker, control);
    names.push(name);
  }
  return { folder, names };
}

/** What the pages ask, in turns, and a search that no index answers. */
function questionAt(serial: number): string {
  const from = new Date(Date.now() - 30 * dayMs).toISOString();
  const all = [
    '/v1/flows?limit=100',
    `/v1/destinations?limit=100&from=${from}`,
    `/v1/flows?limit=100&path=${encodeURIComponent(`kages/${(serial * 13) % 5_000}`)}`,
  ];
  return all[serial % all.length]!;
}

/** Asks one question after the other; counts answers, and those that bade it wait. @throws Error on any other */
async function askUntil(over: AbortSignal, lab: Lab, token: string, from: number) {
  let [answers, refusals] = [0, 0];
  for (let serial = from; !over.aborted; serial++) {
    const status = await statusOf(lab, questionAt(serial), token);
    if (status === 200) answers++;
    else if (status === 429) refusals++;
    else throw new Error(`${questionAt(serial)} was answered with ${status}`);
    if (status === 429) await sleep(100);
  }
  return { answers, refusals };
}

async function statusOf(lab: Lab, path: string, token: string): Promise<number> {
  const socket = dialTcp(lab.gatewayNamespace, '127.0.0.1', 9_440);
  socket.setTimeout(30_000, () => socket.destroy(new Error(`${path} was not answered`)));
  const head = [`GET ${path} HTTP/1.0`, 'host: 127.0.0.1:9440', `authorization: Bearer ${token}`];
  socket.write(`${head.join('\r\n')}\r\n\r\n`);
  let status = 0;
  for await (const chunk of socket) status ||= Number(String(chunk).split(' ')[1]);
  return status;
}
