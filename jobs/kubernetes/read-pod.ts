// What is taken of a pod: who it is, where it is, whether it still runs, and what its runner wrote on it of the job. Of its
// containers nothing but whether the job was allowed to write over that.

import { formatAddress, parseAddress, unmapAddress } from '../../flow/address.ts';
import { itemsAt, textAt, timeAt, valueAt } from '../read-object.ts';

/** One pod of a runner. */
export interface RunnerPod {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
  /** Canonical, IPv4 and IPv6; none while it has none of its own. */
  readonly addresses: readonly string[];
  /** When it was started, in milliseconds since 1970; before that when it was made. */
  readonly startedMs: number;
  /** Its containers have ended for good. */
  readonly isOver: boolean;
  readonly of: GithubPod | GitlabPod;
}

/** A pod that actions-runner-controller made for an EphemeralRunner. */
export interface GithubPod {
  readonly platform: 'github';
  /** UID of the EphemeralRunner that controls it. */
  readonly owner: string;
}

/** A pod of GitLab's Kubernetes executor (docs.gitlab.com, "Default annotations for job pods"). */
export interface GitlabPod {
  readonly platform: 'gitlab';
  readonly jobId: string;
  /** Host of the job's page. */
  readonly server: string;
  readonly project: string;
  readonly projectId: string | null;
  readonly name: string | null;
  readonly sha: string | null;
  /** The label, which no job can write over, says the same project. */
  readonly isLabelled: boolean;
  /** The job wrote, or may have written, annotations of its own: those of the runner prove nothing. */
  readonly isOverwritten: boolean;
}

const over: ReadonlySet<string> = new Set(['Succeeded', 'Failed']);
const gitlabKeys = {
  job: 'job.runner.gitlab.com/id',
  url: 'job.runner.gitlab.com/url',
  name: 'job.runner.gitlab.com/name',
  sha: 'job.runner.gitlab.com/sha',
  project: 'project.runner.gitlab.com/id',
} as const;
/** Variables by which a job of GitLab asks for annotations (docs.gitlab.com, "Overwrite pod annotations"). */
const overwriting = /^KUBERNETES_POD_ANNOTATIONS_/;
const maxAddresses = 8;

/** The pod, or null: it is no runner's, or has no name and UID. */
export function readPod(object: unknown): RunnerPod | null {
  const [uid, name] = [textAt(object, 'metadata', 'uid'), textAt(object, 'metadata', 'name')];
  const namespace = textAt(object, 'metadata', 'namespace');
  if (uid === null || name === null || namespace === null) return null;
  const of = readGithub(object) ?? readGitlab(object);
  if (of === null) return null;
  const startedMs =
    timeAt(object, 'status', 'startTime') ?? timeAt(object, 'metadata', 'creationTimestamp') ?? 0;
  const isOver = over.has(textAt(object, 'status', 'phase') ?? '');
  return { uid, namespace, name, addresses: readAddresses(object), startedMs, isOver, of };
}

/** A pod in the network of its node has that one's address, which is many pods'. */
function readAddresses(object: unknown): readonly string[] {
  if (valueAt(object, 'spec', 'hostNetwork') === true) return [];
  const hosts = new Set(
    [
      textAt(object, 'status', 'hostIP'),
      ...itemsAt(object, 'status', 'hostIPs').map((it) => textAt(it, 'ip')),
    ].map(canonical),
  );
  const own = [
    textAt(object, 'status', 'podIP'),
    ...itemsAt(object, 'status', 'podIPs').map((it) => textAt(it, 'ip')),
  ];
  const addresses = new Set(own.map(canonical).filter((text) => text !== null));
  return [...addresses].filter((address) => !hosts.has(address)).slice(0, maxAddresses);
}

function canonical(text: string | null): string | null {
  const bytes = text === null ? null : parseAddress(text);
  return bytes === null ? null : formatAddress(unmapAddress(bytes));
}

function readGithub(object: unknown): GithubPod | null {
  if (textAt(object, 'metadata', 'labels', 'actions-ephemeral-runner') !== 'True') return null;
  for (const owner of itemsAt(object, 'metadata', 'ownerReferences')) {
    const uid = textAt(owner, 'uid');
    const isRunner = textAt(owner, 'kind') === 'EphemeralRunner' && valueAt(owner, 'controller') === true;
    if (uid !== null && isRunner) return { platform: 'github', owner: uid };
  }
  return null;
}

function readGitlab(object: unknown): GitlabPod | null {
  const note = (key: keyof typeof gitlabKeys) => textAt(object, 'metadata', 'annotations', gitlabKeys[key]);
  const [jobId, place] = [note('job'), readPage(note('url'))];
  if (jobId === null || place?.jobId !== jobId) return null;
  const projectId = note('project');
  const label = textAt(object, 'metadata', 'labels', gitlabKeys.project);
  return {
    platform: 'gitlab',
    jobId,
    server: place.server,
    project: place.project,
    projectId,
    name: note('name'),
    sha: note('sha'),
    isLabelled: label !== null && label === projectId,
    isOverwritten: (label !== null && label !== projectId) || asksForAnnotations(object),
  };
}

/** `https://HOST/GROUP/PROJECT/-/jobs/ID` */
function readPage(url: string | null): { server: string; project: string; jobId: string } | null {
  if (url === null || !URL.canParse(url)) return null;
  const { protocol, host, pathname, username } = new URL(url);
  const parts = /^\/([\w.-]{1,255}(?:\/[\w.-]{1,255}){1,20})\/-\/jobs\/(\d{1,20})$/.exec(pathname);
  if (parts === null || username !== '' || (protocol !== 'https:' && protocol !== 'http:')) return null;
  return { server: host.toLowerCase(), project: parts[1]!, jobId: parts[2]! };
}

function asksForAnnotations(object: unknown): boolean {
  const containers = [
    ...itemsAt(object, 'spec', 'initContainers'),
    ...itemsAt(object, 'spec', 'containers'),
    ...itemsAt(object, 'spec', 'ephemeralContainers'),
  ];
  const names = containers.flatMap((it) => itemsAt(it, 'env')).map((it) => textAt(it, 'name') ?? '');
  return names.some((name) => overwriting.test(name));
}
