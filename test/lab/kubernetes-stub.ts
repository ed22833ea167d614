// A Kubernetes API server as its documentation describes it ("API Concepts"), as far as lists and watches go: a version for
// every change, lists in pages, watches that stream changes since a version, bookmarks, versions that are forgotten.

import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { TestAuthority } from '../../netns/authority.ts';

type KubeObject = Readonly<Record<string, unknown>> & {
  readonly metadata: Readonly<Record<string, unknown>>;
};

interface Change {
  readonly version: number;
  readonly path: string;
  readonly type: string;
  readonly object: KubeObject;
}

interface OpenWatch {
  readonly path: string;
  readonly response: ServerResponse;
}

export class KubernetesStub {
  readonly authority = new TestAuthority('cluster');
  /** Whoever has not this one is answered 401. */
  token = 'token-1';
  /** What was asked for: path and query. */
  readonly asked: string[] = [];
  /** Paths that are refused, with the status. */
  readonly refused = new Map<string, number>();
  pageItems = 2;
  readonly #server: Server;
  readonly #objects = new Map<string, Map<string, KubeObject>>();
  readonly #changes: Change[] = [];
  readonly #watches = new Set<OpenWatch>();
  #version = 100;
  #forgotten = 0;

  constructor() {
    const { certificate, key } = this.authority.issue(['kubernetes.default.svc']);
    this.#server = createServer({ cert: certificate, key }, (request, response) =>
      this.answer(request, response),
    );
  }

  static async start(): Promise<KubernetesStub> {
    const stub = new KubernetesStub();
    stub.#server.listen(0, '127.0.0.1');
    await once(stub.#server, 'listening');
    return stub;
  }

  get port(): number {
    // It listens on TCP.
    return (this.#server.address() as AddressInfo).port;
  }

  get watches(): number {
    return this.#watches.size;
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Makes or changes an object of a collection, for example `/api/v1/namespaces/ci/pods`. */
  put(path: string, object: KubeObject): void {
    const uid = String(object.metadata['uid']);
    const known = this.#objects.get(path) ?? new Map<string, KubeObject>();
    this.#change(path, known.has(uid) ? 'MODIFIED' : 'ADDED', object, (versioned) =>
      known.set(uid, versioned),
    );
    this.#objects.set(path, known);
  }

  remove(path: string, uid: string): void {
    const object = this.#objects.get(path)?.get(uid);
    if (object === undefined) throw new Error(`there is no ${uid}`);
    this.#change(path, 'DELETED', object, () => this.#objects.get(path)?.delete(uid));
  }

  /** The versions up to now are known no more, and open watches end. */
  forget(): void {
    this.#forgotten = ++this.#version;
    this.cut();
  }

  /** Open watches break in the middle of an event. */
  cut(part = '{"type":"MODIFIED","object":{"metadata":{"uid":"'): void {
    for (const { response } of this.#watches) {
      response.write(part);
      setTimeout(() => response.destroy(), 10);
    }
    this.#watches.clear();
  }

  /** Sends raw bytes on every open watch. */
  say(bytes: string): void {
    for (const { response } of this.#watches) response.write(bytes);
  }

  bookmark(): void {
    const metadata = { resourceVersion: String(++this.#version) };
    this.say(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Pod', metadata } })}\n`);
  }

  #change(path: string, type: string, object: KubeObject, keep: (versioned: KubeObject) => unknown): void {
    const version = ++this.#version;
    const metadata = { ...object.metadata, resourceVersion: String(version) };
    const versioned = { ...object, metadata };
    keep(versioned);
    const change = { version, path, type, object: versioned };
    this.#changes.push(change);
    for (const watch of this.#watches) if (watch.path === path) send(watch.response, change);
  }

  /** Answers one request; a server of the test's own may ask it, too. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    this.asked.push(request.url ?? '');
    const url = new URL(request.url ?? '/', 'https://kubernetes.default.svc');
    const status = this.refused.get(url.pathname) ?? 200;
    if (request.headers.authorization !== `Bearer ${this.token}`) return refuse(response, 401);
    if (status !== 200) return refuse(response, status);
    if (url.searchParams.get('watch') === '1') this.#watch(url, response);
    else this.#list(url, response);
  }

  #list(url: URL, response: ServerResponse): void {
    const all = [...(this.#objects.get(url.pathname)?.values() ?? [])].filter((it) => isSelected(it, url));
    const from = Number(url.searchParams.get('continue') ?? 0);
    const items = all.slice(from, from + this.pageItems);
    const next = from + this.pageItems < all.length ? String(from + this.pageItems) : '';
    const metadata = { resourceVersion: String(this.#version), continue: next };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ kind: 'PodList', apiVersion: 'v1', metadata, items }));
  }

  #watch(url: URL, response: ServerResponse): void {
    const since = Number(url.searchParams.get('resourceVersion'));
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    if (since < this.#forgotten) {
      const object = { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410 };
      return void response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
    }
    response.flushHeaders();
    const watch = { path: url.pathname, response };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    for (const change of this.#changes)
      if (change.path === url.pathname && change.version > since) send(response, change);
  }
}

function send(response: ServerResponse, { type, object }: Change): void {
  const line = `${JSON.stringify({ type, object })}\n`;
  // In two pieces, as a network may carry it.
  response.write(line.slice(0, 40));
  response.write(line.slice(40));
}

function refuse(response: ServerResponse, code: number): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ kind: 'Status', status: 'Failure', code }));
}

function isSelected({ metadata }: KubeObject, url: URL): boolean {
  const selector = url.searchParams.get('labelSelector');
  if (selector === null) return true;
  const [key = '', value] = selector.split('=');
  const labels = (metadata['labels'] ?? {}) as Readonly<Record<string, string>>; // the test's own objects
  return labels[key] === value;
}

export interface PodOptions {
  readonly uid: string;
  readonly name?: string;
  readonly namespace?: string;
  readonly addresses?: readonly string[];
  readonly started?: string;
  readonly phase?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly owner?: { readonly kind: string; readonly uid: string } | null;
  readonly hostNetwork?: boolean;
  readonly env?: readonly string[];
}

/** A pod as the API shows it, with fields that nobody asks for and a secret among its variables. */
export function podObject(options: PodOptions): KubeObject {
  const { uid, name = `pod-${uid}`, namespace = 'ci', addresses = ['10.8.0.1'], owner = null } = options;
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: {
      uid,
      name,
      namespace,
      creationTimestamp: options.started ?? '2026-11-25T01:00:00Z',
      labels: options.labels ?? {},
      annotations: options.annotations ?? {},
      ownerReferences: owner === null ? [] : [{ ...owner, name, controller: true, blockOwnerDeletion: true }],
      managedFields: [{ manager: 'kubelet', fieldsV1: { 'f:status': {} } }],
    },
    spec: {
      hostNetwork: options.hostNetwork ?? false,
      containers: [
        {
          name: 'build',
          env: [
            { name: 'CI_JOB_TOKEN', value: 'glcbt-64_canary-of-a-pod' },
            ...(options.env ?? []).map((variable) => ({ name: variable, value: 'x' })),
          ],
        },
      ],
    },
    status: {
      phase: options.phase ?? 'Running',
      hostIP: '192.0.2.10',
      hostIPs: [{ ip: '192.0.2.10' }],
      podIP: addresses[0],
      podIPs: addresses.map((ip) => ({ ip })),
      startTime: options.started ?? '2026-11-25T01:00:00Z',
    },
  };
}

/** A pod of GitLab's Kubernetes executor. */
export function gitlabPod(
  options: PodOptions & { readonly job: string; readonly project?: string },
): KubeObject {
  const project = options.project ?? 'acme/app';
  return podObject({
    ...options,
    labels: {
      'project.runner.gitlab.com/id': '7',
      'project.runner.gitlab.com/name': 'app',
      'job.runner.gitlab.com/pod': 'runner-x-project-7',
      ...options.labels,
    },
    annotations: {
      'job.runner.gitlab.com/id': options.job,
      'job.runner.gitlab.com/url': `https://gitlab.example/${project}/-/jobs/${options.job}`,
      'job.runner.gitlab.com/name': 'build',
      'job.runner.gitlab.com/ref': 'main',
      'job.runner.gitlab.com/sha': '1'.repeat(40),
      'project.runner.gitlab.com/id': '7',
      ...options.annotations,
    },
  });
}

/** A pod that actions-runner-controller made. */
export function githubPod(options: PodOptions & { readonly runner: string }): KubeObject {
  return podObject({
    ...options,
    labels: {
      'actions-ephemeral-runner': 'True',
      'actions.github.com/scale-set-name': 'linux',
      ...options.labels,
    },
    owner: { kind: 'EphemeralRunner', uid: options.runner },
  });
}

/** An EphemeralRunner; without `repository` it waits for a job. */
export function runnerObject(options: {
  readonly uid: string;
  readonly name: string;
  readonly namespace?: string;
  readonly url?: string;
  readonly repository?: string;
  readonly runId?: number;
  readonly jobId?: string;
}): KubeObject {
  const { uid, name, namespace = 'ci', url = 'https://github.com/acme', repository } = options;
  const job =
    repository === undefined
      ? {}
      : {
          jobRequestId: 0,
          jobId: options.jobId ?? 'e0a94d52-77c1-5b0e-8f3a-000000000001',
          jobRepositoryName: repository,
          jobWorkflowRef: `${repository}/.github/workflows/release.yml@refs/tags/v1`,
          workflowRunId: options.runId ?? 123_456,
          jobDisplayName: 'ship (linux)',
        };
  return {
    kind: 'EphemeralRunner',
    apiVersion: 'actions.github.com/v1alpha1',
    metadata: { uid, name, namespace },
    spec: { githubConfigUrl: url, runnerScaleSetId: 3 },
    status: { ready: true, phase: 'Running', runnerName: name, ...job },
  };
}
