// Attribution source 2: which job runs at a pod's addresses. A pod is its UID: another pod with the address is another job
// at once, and one that has ended, or that the watch does not vouch for any more, is nobody's.

import type { Job, Platform } from '../../flow/job.ts';
import type { JobMessage } from '../../flow/job-message.ts';
import type { LiveEntry } from '../live-table.ts';
import { textAt } from '../read-object.ts';
import { readPod, type GitlabPod, type RunnerPod } from './read-pod.ts';
import { readRunner, type EphemeralRunner } from './read-runner.ts';

export interface RunnerPodsOptions {
  /** True for a server whose jobs are believed. */
  readonly isBelieved: (platform: Platform, server: string) => boolean;
  /** What the platform said of a job, if it was heard: a runner that starts its jobs in pods is told it. */
  readonly jobOf: (server: string, jobId: string) => JobMessage | null;
}

/** More are not kept: those beyond are nobody's. */
const maxPods = 16_384;
/** How long an entry holds without another word from the watch. */
const holdMs = 120_000;

/** What is known of pods and runners, by the place (a namespace, or all) that was listed. */
export class RunnerPods {
  readonly #options: RunnerPodsOptions;
  readonly #pods = new Map<string, Map<string, RunnerPod>>();
  readonly #runners = new Map<string, Map<string, EphemeralRunner>>();
  /** By UID of a pod: which of its addresses was seen on it when, as a running number. */
  readonly #seen = new Map<string, Map<string, number>>();
  #count = 0;

  constructor(options: RunnerPodsOptions) {
    this.#options = options;
  }

  /** The pods of a place, in place of those that were known there. */
  replacePods(place: string, objects: readonly unknown[]): void {
    const pods = objects.map(readPod).filter((pod) => pod !== null);
    const listed = new Set(pods.map(({ uid }) => uid));
    for (const uid of this.#pods.get(place)?.keys() ?? []) if (!listed.has(uid)) this.#seen.delete(uid);
    this.#pods.delete(place);
    // A list has no order: of two that nobody has seen before, the one that was started last has the address.
    for (const pod of pods.toSorted((a, b) => a.startedMs - b.startedMs)) this.#keepPod(place, pod);
  }

  replaceRunners(place: string, objects: readonly unknown[]): void {
    this.#runners.delete(place);
    for (const object of objects) this.#setRunner(place, object);
  }

  podEvent(place: string, type: string, object: unknown): void {
    if (type !== 'DELETED') {
      const pod = readPod(object);
      if (pod !== null) this.#keepPod(place, pod);
      return;
    }
    const uid = textAt(object, 'metadata', 'uid') ?? '';
    this.#pods.get(place)?.delete(uid);
    this.#seen.delete(uid);
  }

  runnerEvent(place: string, type: string, object: unknown): void {
    if (type === 'DELETED') this.#runners.get(place)?.delete(textAt(object, 'metadata', 'uid') ?? '');
    else this.#setRunner(place, object);
  }

  /** Nothing is known of the place any more: its watch has been away for too long. */
  dropPods(place: string): void {
    for (const uid of this.#pods.get(place)?.keys() ?? []) this.#seen.delete(uid);
    this.#pods.delete(place);
  }

  /** Pods that are known. */
  get size(): number {
    return this.#seen.size;
  }

  /** Who runs where. */
  entries(nowMs: number): readonly LiveEntry[] {
    const runners = new Map([...this.#runners.values()].flatMap((known) => [...known]));
    const entries: LiveEntry[] = [];
    for (const [address, pod] of this.#holders()) {
      const { of } = pod;
      const said = of.platform === 'gitlab' ? this.#ofGitlab(of) : this.#ofGithub(pod, runners.get(of.owner));
      if (said === null) continue;
      entries.push({
        address,
        agent: null,
        source: 'kubernetes',
        sinceMs: Math.max(0, pod.startedMs),
        untilMs: nowMs + holdMs,
        machine: `pod ${pod.uid}`.slice(0, 256),
        ...said,
      });
    }
    return entries;
  }

  /**
   * Of pods with one address the one on which it was seen last, whatever else is said of the others afterwards: that they
   * are gone may be heard later than who has their address now.
   */
  #holders(): ReadonlyMap<string, RunnerPod> {
    const holders = new Map<string, RunnerPod>();
    const seenAt = (pod: RunnerPod, address: string): number => this.#seen.get(pod.uid)?.get(address) ?? -1;
    for (const pod of [...this.#pods.values()].flatMap((pods) => [...pods.values()])) {
      for (const address of pod.isOver ? [] : pod.addresses) {
        const known = holders.get(address);
        if (known === undefined || seenAt(pod, address) > seenAt(known, address)) holders.set(address, pod);
      }
    }
    return holders;
  }

  #ofGitlab(pod: GitlabPod): Pick<LiveEntry, 'message' | 'certainty'> | null {
    const { server, jobId, project, projectId, name } = pod;
    if (pod.isOverwritten || !this.#options.isBelieved('gitlab', server)) return null;
    const heard = this.#options.jobOf(server, jobId);
    if (heard !== null) {
      const isIt = heard.job.repository?.toLowerCase() === project.toLowerCase();
      return isIt ? { message: heard, certainty: 'certain' } : null;
    }
    const job: Job = {
      ...nothing,
      platform: 'gitlab',
      server,
      repository: project,
      repositoryId: projectId,
      name,
    };
    const message = { ...emptyMessage, job, jobId, sha: pod.sha };
    return { message, certainty: pod.isLabelled ? 'certain' : 'likely' };
  }

  #ofGithub(
    pod: RunnerPod,
    runner: EphemeralRunner | undefined,
  ): Pick<LiveEntry, 'message' | 'certainty'> | null {
    if (runner === undefined || runner.job === null) return null;
    // Its pod has its name; whoever may make pods could name it as an owner all the same.
    if (runner.name !== pod.name || runner.namespace !== pod.namespace) return null;
    const { server, job: given } = runner;
    if (!this.#options.isBelieved('github', server)) return null;
    const { repository, runId, jobId } = given;
    const heard = jobId === null ? null : this.#options.jobOf(server, jobId);
    if (heard !== null && heard.job.repository?.toLowerCase() === repository.toLowerCase())
      return { message: heard, certainty: 'certain' };
    const job: Job = { ...nothing, platform: 'github', server, repository, runId };
    return { message: { ...emptyMessage, job, jobId: jobId ?? '' }, certainty: 'certain' };
  }

  #keepPod(place: string, pod: RunnerPod): void {
    const seen = this.#seen.get(pod.uid) ?? new Map<string, number>();
    if (!this.#seen.has(pod.uid) && this.#seen.size >= maxPods) return;
    for (const address of seen.keys()) if (!pod.addresses.includes(address)) seen.delete(address);
    for (const address of pod.addresses) if (!seen.has(address)) seen.set(address, this.#count++);
    this.#seen.set(pod.uid, seen);
    const known = this.#pods.get(place) ?? new Map<string, RunnerPod>();
    this.#pods.set(place, known.set(pod.uid, pod));
  }

  #setRunner(place: string, object: unknown): void {
    const runner = readRunner(object);
    if (runner === null) return;
    const known = this.#runners.get(place) ?? new Map<string, EphemeralRunner>();
    if (known.has(runner.uid) || known.size < maxPods)
      this.#runners.set(place, known.set(runner.uid, runner));
  }
}

const nothing = {
  repositoryId: null,
  workflow: null,
  calledWorkflow: null,
  ref: null,
  event: null,
  environment: null,
  name: null,
  runId: null,
  runnerGroup: null,
  actor: null,
  fork: null,
  protected: null,
  private: null,
} as const;

const emptyMessage = {
  planId: null,
  runAttempt: null,
  stage: null,
  sha: null,
  headRef: null,
  baseRef: null,
  matrix: null,
  granted: null,
  hasIdentity: false,
  uses: [],
  steps: [],
  tokens: { own: null, runtime: null },
  leaseMs: null,
} as const;
