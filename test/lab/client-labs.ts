// Real clients twice: behind the gateway, and in a lab without one (the control: what client and server come to by
// themselves). Each client has a host that is open to it and one that is not, and afterwards the servers' own logs,
// the records and both runs are compared.

import { spawnSync } from 'node:child_process';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Test } from 'tap';
import { hasProgram } from '../../netns/install-programs.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { openControlLab } from './expect.ts';
import { waitUntil } from './gateway.ts';
import { Lab, type Outcome } from './lab.ts';
import { ModernServer, type ModernServerOptions, type Served } from './modern-server.ts';

/** Anything that knows what it served to a host. */
export interface ServedTo {
  servedTo(host: string): readonly Served[];
}

/** A lab with a server that every client's hosts lead to. */
export interface ClientLab {
  readonly lab: Lab;
  readonly server: ModernServer;
}

const [address4, address6] = ['93.184.216.81', '2606:2800:220:1::81'];
export const openHost = (name: string): string => `${name}.example.com`;
export const shutHost = (name: string): string => `${name}.example.net`;

async function startServer(lab: Lab, names: readonly string[], answer: ModernServerOptions['answer']) {
  const { internet } = lab.topology;
  runIpBatch(internet, [`addr add ${address4}/32 dev lo`, `addr add ${address6}/128 dev lo nodad`]);
  for (const host of names.flatMap((name) => [openHost(name), shutHost(name)]))
    lab.origins.names.set(host, { a: [address4], aaaa: [address6] });
  const { authority } = lab.origins;
  const options = { namespace: internet, addresses: [address4, address6], authority };
  const server = new ModernServer(answer === undefined ? options : { ...options, answer });
  await server.start();
  return server;
}

/** Both labs with these clients' hosts; rules are `NAME` and `no-NAME`, `extra` is YAML that joins them. */
export class ClientLabs {
  readonly gated: ClientLab;
  readonly control: ClientLab;

  private constructor(gated: ClientLab, control: ClientLab) {
    this.gated = gated;
    this.control = control;
  }

  /** `answerIn` gives what a lab's server answers by itself. @throws SallyportError */
  static async open(
    names: readonly string[],
    extra = '',
    answerIn: (lab: Lab) => ModernServerOptions['answer'] = () => undefined,
  ): Promise<ClientLabs> {
    const [gated, control] = await Promise.all([Lab.open(), openControlLab()]);
    const rules = names.map(
      (name) =>
        `  - {id: ${name}, host: ${openHost(name)}, methods: any, websocket: true}\n` +
        `  - {id: no-${name}, host: ${shutHost(name)}, action: block}\n`,
    );
    const labs = await Promise.all(
      [gated, control].map(async (lab) => ({ lab, server: await startServer(lab, names, answerIn(lab)) })),
    );
    await gated.startGateway(`version: 1\nmode: block\nhttp:\n${rules.join('')}${extra}`);
    return new ClientLabs(labs[0]!, labs[1]!);
  }

  async close(): Promise<void> {
    for (const { lab, server } of [this.gated, this.control]) {
      server.close();
      await lab.close();
    }
  }

  /** The same command in both. */
  async run(
    command: readonly string[] | ((lab: Lab) => readonly string[]),
    env: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly gated: Outcome; readonly control: Outcome }> {
    const [gated, control] = await Promise.all(
      [this.gated, this.control].map(({ lab }) => {
        const words = typeof command === 'function' ? command(lab) : command;
        return lab.run(words, { env: { GIT_TERMINAL_PROMPT: '0', ...env }, timeoutMs: 60_000 });
      }),
    );
    return { gated: gated!, control: control! };
  }

  /**
   * After a client has ended: both servers saw the same requests with the same protocol, nothing reached the server of
   * the blocked host, and every record equals what the server saw.
   */
  async compare(
    t: Test,
    name: string,
    version: '1.1' | '2',
    serversOf: readonly [ServedTo, ServedTo] = [this.gated.server, this.control.server],
  ): Promise<void> {
    const [here, there] = serversOf.map((server) => server.servedTo(openHost(name)));
    t.same(
      here!.map(toLine).toSorted(),
      there!.map(toLine).toSorted(),
      'the server sees what it sees without us',
    );
    t.same([...new Set(there!.map((request) => request.version))], [version], `over HTTP/${version}`);
    t.equal(serversOf[0].servedTo(shutHost(name)).length, 0, 'nothing reached the blocked host');
    t.ok(serversOf[1].servedTo(shutHost(name)).length > 0, 'without us something does');
    await this.#compareRecords(t, name, here!);
  }

  async #compareRecords(t: Test, name: string, served: readonly Served[]): Promise<void> {
    const every = await this.closedRequests(openHost(name), served.length);
    const closed = every.filter(({ decision }) => decision.verdict === 'allow');
    const found = closed.map((record) => ({ line: recordLine(record), record }));
    const wanted = served.map((request) => ({ line: servedLine(request, name), request }));
    const order = (a: { line: string }, b: { line: string }) =>
      a.line < b.line ? -1 : a.line > b.line ? 1 : 0;
    found.sort((a, b) => order(a, b) || a.record.bytes!.received - b.record.bytes!.received);
    wanted.sort((a, b) => order(a, b) || a.request.answered - b.request.answered);
    const isSame = t.same(
      found.map(({ line }) => line),
      wanted.map(({ line }) => line),
      'records tell method, host, path, protocol, status and rule as the server saw them',
    );
    if (!isSame) return;
    const wrong = wanted.flatMap(({ line, request }, at) => {
      const { sent, received } = found[at]!.record.bytes!;
      const isRight = isCount(sent, request, 'request') && isCount(received, request, 'answer');
      return isRight ? [] : [{ line, request, sent, received }];
    });
    t.same(wrong, [], 'and its bytes');
    const blocked = await this.closedRequests(shutHost(name), 1);
    const reasons = new Set(blocked.map((record) => `${record.decision.verdict} ${record.decision.rule}`));
    t.same([...reasons], [`block no-${name}`], 'blocked requests are recorded with their rule');
  }

  /** Closed records of requests to this host, once there are as many. */
  async closedRequests(host: string, count: number): Promise<FlowRecord[]> {
    let found: FlowRecord[] = [];
    const isRequest = ({ kind, phase, destination }: FlowRecord): boolean =>
      kind === 'request' && phase === 'closed' && destination.host === host;
    for (const deadline = Date.now() + 5000; Date.now() < deadline;) {
      found = (await this.gated.lab.gateway.records()).filter(isRequest);
      if (found.length >= count) break;
      await waitUntil(() => false, 50);
    }
    return found;
  }
}

const toLine = ({ method, target, version, status }: Served): string =>
  `${method} ${target} ${version} ${status}`;

function servedLine({ method, host, target, version, status }: Served, rule: string) {
  return `${method} ${host}${target.split('?')[0]} ${version} ${status} ${rule}`;
}

function recordLine({ http, destination, decision }: FlowRecord): string {
  return `${http?.method} ${destination.host}${http?.path} ${http?.version} ${http?.status} ${decision.rule}`;
}

/**
 * Whether this is the count of a request's or answer's bytes: head and body to the byte where the server knows its
 * heads; else the body and at most two kilobytes of header block, and sixteen bytes of framing for each 1,000.
 */
function isCount(bytes: number, served: Served, side: 'request' | 'answer'): boolean {
  const body = side === 'request' ? served.received : served.answered;
  if (served.heads !== null) return bytes === body + served.heads[side];
  return bytes > body && bytes <= body + 2048 + body / 60;
}

/** Why a client cannot be tried, or false; a program by its name, a Python module with `py:` in front. */
export function without(...needed: readonly string[]): string | false {
  const isHere = (name: string): boolean =>
    name.startsWith('py:')
      ? spawnSync(python, ['-c', `import ${name.slice(3)}`], { stdio: 'ignore' }).status === 0
      : hasProgram(name);
  const missing = needed.filter((name) => !isHere(name));
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

/** The system's Python: its modules are Debian's packages. */
export const python = '/usr/bin/python3';

/** The first line that a program says of itself, for the log. */
export function versionOf(...command: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: 'utf8' });
  return `client ${`${stdout ?? ''}${stderr ?? ''}`.trim().split('\n')[0]}`;
}
