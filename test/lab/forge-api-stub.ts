// The REST APIs of GitHub and GitLab as far as they speak of a job: who runs where since when. Built from their published
// documentation, over TLS; answers are objects that a test changes.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { TestAuthority } from '../../netns/authority.ts';

export interface StubJob {
  readonly runner: string;
  readonly status?: string;
  readonly startedMs: number;
  readonly name?: string;
}

export interface StubRun {
  readonly repository: string;
  readonly jobs: StubJob[];
  readonly branch?: string;
  readonly sha?: string;
  readonly event?: string;
  readonly attempt?: number;
  readonly head?: string | null;
}

export class ForgeApiStub {
  readonly authority = new TestAuthority('forges');
  readonly runs = new Map<string, StubRun>();
  /** By `OWNER/NAME heads/main` or `OWNER/NAME tags/v1`: its commit. */
  readonly refs = new Map<string, string>();
  readonly gitlabJobs = new Map<string, Record<string, unknown>>();
  readonly asked: string[] = [];
  /** In place of an answer. */
  fails: ((response: ServerResponse) => void) | null = null;
  readonly #server: Server;

  constructor() {
    const { certificate, key } = this.authority.issue(['api.github.com', 'gitlab.com', 'gitlab.example']);
    this.#server = createServer({ cert: certificate, key }, (request, response) =>
      this.answer(request, response),
    );
  }

  static async start(): Promise<ForgeApiStub> {
    const stub = new ForgeApiStub();
    stub.#server.listen(0, '127.0.0.1');
    await once(stub.#server, 'listening');
    return stub;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** A verified connection, whatever port is asked for. */
  readonly connect = async (host: string): Promise<TLSSocket> => {
    // It listens on TCP.
    const { port } = this.#server.address() as AddressInfo;
    const socket = connectTls({ host: '127.0.0.1', port, servername: host, ca: this.authority.certificate });
    await once(socket, 'secureConnect');
    return socket;
  };

  /** Answers one request; a server of the test's own may ask it, too. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'https://api.example');
    this.asked.push(`${request.headers.host} ${request.url}`);
    if (this.fails !== null) return this.fails(response);
    if (request.headers.authorization !== 'Bearer operators-own')
      return void response.writeHead(401).end('{}');
    const found = url.pathname.startsWith('/api/v4/') ? this.#gitlab(url) : this.#github(url, request);
    if (found === null) return void response.writeHead(404).end('{"message":"Not Found"}');
    response.end(typeof found === 'string' ? found : JSON.stringify(found));
  }

  #gitlab(url: URL): object | null {
    return this.gitlabJobs.get(url.pathname.replace('/api/v4', '')) ?? null;
  }

  #github(url: URL, { headers }: IncomingMessage): object | string | null {
    const commit = /^\/repos\/([^/]+\/[^/]+)\/commits\/((?:heads|tags)\/.+)$/.exec(url.pathname);
    if (commit !== null && headers.accept === 'application/vnd.github.sha')
      return this.refs.get(`${commit[1]} ${decodeURIComponent(commit[2]!)}`) ?? null;
    const parts = /^\/repos\/([^/]+\/[^/]+)\/actions\/runs\/(\d+)(\/attempts\/(\d+)\/jobs)?$/.exec(
      url.pathname,
    );
    const run = this.runs.get(parts?.[2] ?? '');
    if (parts === null || run === undefined || run.repository.toLowerCase() !== parts[1]!.toLowerCase())
      return null;
    if (parts[3] === undefined) return runObject(Number(parts[2]), run);
    if (Number(parts[4]) !== (run.attempt ?? 1)) return null;
    return { total_count: run.jobs.length, jobs: run.jobs.map(jobObject) };
  }
}

function runObject(id: number, run: StubRun): object {
  const { repository, branch = 'main', sha = '1'.repeat(40), event = 'push', head = repository } = run;
  return {
    id,
    name: 'Release',
    head_branch: branch,
    head_sha: sha,
    path: '.github/workflows/release.yml@main',
    run_attempt: run.attempt ?? 1,
    event,
    status: 'in_progress',
    conclusion: null,
    actor: { login: 'octocat', id: 1 },
    triggering_actor: { login: 'hubot' },
    repository: { id: 4711, full_name: repository, private: true },
    head_repository: head === null ? null : { id: 4712, full_name: head },
  };
}

function jobObject(job: StubJob): object {
  const { runner, status = 'in_progress', startedMs, name = 'ship (linux)' } = job;
  return {
    id: 88,
    name,
    status,
    conclusion: status === 'completed' ? 'success' : null,
    started_at: new Date(startedMs).toISOString().replace(/\.\d+/, ''),
    runner_id: 5,
    runner_name: runner,
    runner_group_id: 1,
    runner_group_name: 'Default',
    labels: ['self-hosted'],
  };
}
