// A proxy on loopback over fake ports, with servers behind it: what the proxy tests share.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import type { Interpreter, Understanding } from '../../flow/asked-request.ts';
import type { Held, HoldLimits } from '../../flow/held.ts';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Test } from 'tap';
import type { Cidr } from '../../flow/address.ts';
import { parseCidr } from '../../flow/address.ts';
import type { Decision } from '../../flow/decision.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import { unattributed } from '../../flow/job.ts';
import type { Attribution } from '../../flow/job.ts';
import { noMeter } from '../../flow/ports.ts';
import type { Reason } from '../../flow/reason.ts';
import { checkAddress } from '../../policy/check-address.ts';
import type { HostDecision, RequestDecision } from '../../policy/decide.ts';
import type { HostQuery, ProxyPorts, RequestQuery } from '../../proxy/options.ts';
import { createProxy } from '../../proxy/listener.ts';
import type { Proxy } from '../../proxy/listener.ts';

/** The private address on which the tests' servers listen. */
export const serverAddress = '10.99.0.1';

/** Moves this thread into a network namespace of its own: loopback may not be dialled, so an address is made. */
export function enterNamespace(): void {
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
  const unshare = koffi.load('libc.so.6').func('int unshare(int)') as (flags: number) => number;
  if (unshare(0x4000_0000) !== 0)
    throw new Error('these tests need root: a network namespace could not be made');
  execFileSync('ip', ['link', 'set', 'lo', 'up']);
  execFileSync('ip', ['addr', 'add', `${serverAddress}/32`, 'dev', 'lo']);
}

const ranges: readonly Cidr[] = [parseCidr('10.0.0.0/8')!];
export const open: Decision = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: 'r1',
  scope: null,
  reason: 'rule',
};
export const shut: Decision = {
  verdict: 'block',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'no-rule',
};

export const asHost = (
  decision: Decision,
  treatment: 'intercept' | 'pass-through' = 'intercept',
): HostDecision => ({
  ...decision,
  treatment,
  addresses: ranges,
});
export const asRequest = (decision: Decision, more: Partial<RequestDecision> = {}): RequestDecision => ({
  ...decision,
  addresses: ranges,
  websocket: false,
  maxUploadBytes: null,
  follow: false,
  ...more,
});

/** Says nothing of a request but that it waits for its body, and what that means. */
export function holdsBodies(
  limitsOf: (path: string) => HoldLimits | null,
  meaningOf: (body: Held) => Understanding = () => nothingMeant,
): Interpreter {
  return {
    understand: ({ path }) => {
      const limits = limitsOf(path);
      return limits === null ? null : { ...nothingMeant, hold: { ...limits, withBody: meaningOf } };
    },
  };
}
const nothingMeant: Understanding = { operation: null, evidence: [] };

export interface Authority {
  readonly ca: string;
  contextFor(name: string): SecureContext;
  /** Key and certificate, PEM. */
  filesFor(name: string): { key: string; cert: string };
}

/** A throw-away authority and leaves by openssl. */
export function makeAuthority(): Authority {
  const directory = mkdtempSync(join(tmpdir(), 'proxy-test-'));
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  run(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    '-days',
    '2',
    '-subj',
    '/CN=test',
  );
  const contexts = new Map<string, SecureContext>();
  const make = (name: string) => {
    run(
      'req',
      '-x509',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      'l.key',
      '-out',
      'l.pem',
      '-days',
      '2',
      '-subj',
      '/CN=leaf',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-addext',
      `subjectAltName=${/^[\d.]+$/.test(name) ? 'IP' : 'DNS'}:${name}`,
    );
    return {
      key: readFileSync(join(directory, 'l.key'), 'utf8'),
      cert: readFileSync(join(directory, 'l.pem'), 'utf8'),
    };
  };
  const ca = readFileSync(join(directory, 'ca.pem'), 'utf8');
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return {
    ca,
    filesFor: make,
    contextFor: (name) => {
      const known = contexts.get(name) ?? createSecureContext(make(name));
      contexts.set(name, known);
      return known;
    },
  };
}

/** A certificate that signs itself. */
export function selfSigned(name: string): { key: string; certificate: string } {
  const directory = mkdtempSync(join(tmpdir(), 'proxy-test-'));
  const make = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=self -keyout k -out c`;
  const args = [...make.split(' '), '-addext', `subjectAltName=DNS:${name}`];
  execFileSync('openssl', args, { cwd: directory, stdio: 'pipe' });
  const read = (file: string) => readFileSync(join(directory, file), 'utf8');
  const files = { key: read('k'), certificate: read('c') };
  rmSync(directory, { recursive: true });
  return files;
}

/** Attribution to a job that differs from others by its name. */
export const jobNamed = (name: string): Attribution => ({
  job: {
    platform: 'github',
    server: 'github.com',
    repository: 'acme/app',
    repositoryId: null,
    workflow: 'ci.yml',
    calledWorkflow: null,
    ref: 'refs/heads/main',
    event: 'push',
    environment: null,
    name,
    runId: '1',
    runnerGroup: null,
    actor: null,
    fork: false,
    protected: null,
    private: null,
  },
  source: 'declared',
  certainty: 'certain',
  conflict: false,
});

/** Listens where names lead until the test ends; resolves with the port. */
export async function listenOn(test: Pick<Test, 'teardown'>, server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, serverAddress, resolve));
  test.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

export interface Rig {
  readonly proxy: Proxy;
  readonly port: number;
  readonly explicitPort: number;
  readonly records: FlowRecord[];
  readonly errors: unknown[];
  readonly resolved: string[];
  host(query: HostQuery): HostDecision;
  request(query: RequestQuery): RequestDecision;
  dial(address: string, allowed: readonly Cidr[]): Reason | null;
  revision: string;
  /** Where names and literal addresses lead: servers on loopback by name. */
  original: { address: string; port: number } | null;
  closed(kind: FlowRecord['kind']): FlowRecord[];
  /** Waits until the condition holds. */
  until(condition: () => boolean, limitMs?: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts it; every name resolves to the one address, and connections arrive as if aimed at `port`. */
export async function makeRig(
  authority: Authority,
  port: number,
  ports: Partial<ProxyPorts> = {},
): Promise<Rig> {
  const records: FlowRecord[] = [];
  const errors: unknown[] = [];
  const rig = {
    records,
    errors,
    resolved: [] as string[],
    revision: 'r0',
    host: (_query: HostQuery) => asHost(open),
    request: (_query: RequestQuery) => asRequest(open),
    dial: checkAddress as Rig['dial'],
    original: { address: '203.0.113.9', port } as { address: string; port: number } | null,
  };
  const proxy = createProxy({
    // A client of these tests does not end its side first: waiting for it would only cost time.
    limits: { lingerMs: 50 },
    decider: () => ({
      revision: rig.revision,
      host: (_who, query) => rig.host(query),
      request: (_who, query) => rig.request(query),
      name: () => ({ ...open, rule: null }),
      dial: (_who, address, _port, allowed) => rig.dial(address, allowed),
    }),
    attribution: { attribute: () => unattributed },
    resolver: {
      resolve: async (host) => {
        rig.resolved.push(host);
        return [serverAddress];
      },
    },
    leafIssuer: authority,
    recorder: {
      opened: (record) => void records.push(record),
      closed: (record) => void records.push(record),
    },
    meter: noMeter,
    originalDestination: () => rig.original,
    dns: { accept: (socket) => void socket.destroy() },
    identity: { gateway: 'g', fleet: 'f' },
    isOwnAddress: (text) => text === '192.0.2.77',
    ownPorts: new Set([65_001]),
    extraAuthorities: [authority.ca],
    onInternalError: (error) => void errors.push(error),
    ...ports,
  });
  const listen = async (accept: (socket: Socket) => void) => {
    const server = createServer({ noDelay: true, allowHalfOpen: true }, accept);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return server;
  };
  const servers = [await listen(proxy.accept), await listen(proxy.acceptExplicit)];
  const portOf = (index: number) => (servers[index]!.address() as AddressInfo).port;
  return Object.assign(rig, {
    proxy,
    port: portOf(0),
    explicitPort: portOf(1),
    closed: (kind: FlowRecord['kind']) =>
      records.filter((record) => record.kind === kind && record.phase === 'closed'),
    until: async (condition: () => boolean, limitMs = 5_000) => {
      const end = Date.now() + limitMs;
      while (!condition()) {
        if (Date.now() > end) throw new Error('the condition did not come true in time');
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    close: async () => {
      for (const server of servers) server.close();
      await proxy.drain();
    },
  });
}

/** Sends text on a plain connection and collects the answer until it ends or matches. */
export async function talk(port: number, text: string | Buffer, until?: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  return collect(socket, text, until);
}

export async function collect(socket: Socket, text: string | Buffer, until?: RegExp): Promise<string> {
  socket.on('error', () => {});
  socket.write(text);
  let answer = '';
  return new Promise((resolve) => {
    const finish = () => {
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (bytes: Buffer) => {
      answer += bytes.toString('latin1');
      if (until?.test(answer) === true) finish();
    });
    socket.on('end', finish);
    socket.on('close', finish);
  });
}

/** A TLS client that trusts the authority. */
export async function openTls(port: number, servername: string, ca: string): Promise<TLSSocket> {
  // Without a server name the leaf is for the address that the client aimed at, which is not loopback.
  const aimed = servername === '' ? { checkServerIdentity: () => undefined } : {};
  const options = { port, host: '127.0.0.1', servername, ca, ALPNProtocols: ['http/1.1'], ...aimed };
  const socket = connectTls(options);
  socket.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  return socket;
}
