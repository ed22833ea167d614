// Follows the runners' pods of a cluster, and the objects that say which job they were given. What the API server cannot
// be asked about for a while is nobody's again.

import type { LiveEntry } from '../live-table.ts';
import type { JobSource } from '../job-source.ts';
import { ApiRefusal, type KubernetesApi } from './api-client.ts';
import { RunnerPods, type RunnerPodsOptions } from './runner-pods.ts';
import { ResourceWatch } from './watch-resource.ts';

export interface ClusterWatchOptions extends RunnerPodsOptions {
  readonly api: KubernetesApi;
  /** Names of namespaces; null: all of them. */
  readonly namespaces: readonly string[] | null;
  readonly labelSelector: string | null;
  /** Whether EphemeralRunners are looked at (actions-runner-controller). */
  readonly hasRunners: boolean;
  readonly onChange: () => void;
  /** What cannot be watched and why, once for each change; null: it is watched again. */
  readonly onProblem: (what: string, problem: Error | null) => void;
  readonly graceMs?: number;
  readonly retryMs?: { readonly first: number; readonly most: number };
}

/** A cut watch is usually back at once; addresses are given to other pods within seconds. */
const usualGraceMs = 10_000;
/** Entries are renewed so often (they hold longer), though nothing happens. */
const renewMs = 45_000;

type Kind = 'pods' | 'runners';

export class ClusterWatch implements JobSource {
  readonly #options: ClusterWatchOptions;
  readonly #pods: RunnerPods;
  readonly #watches: ResourceWatch[] = [];
  readonly #graces = new Map<ResourceWatch, NodeJS.Timeout>();
  /** What cannot be watched, and why as it was told last. */
  readonly #ill = new Map<string, string>();
  #renewal: NodeJS.Timeout | null = null;

  constructor(options: ClusterWatchOptions) {
    this.#options = options;
    this.#pods = new RunnerPods(options);
  }

  start(): void {
    const { namespaces, hasRunners } = this.#options;
    for (const namespace of namespaces ?? [null]) {
      this.#follow(namespace, 'pods');
      if (hasRunners) this.#follow(namespace, 'runners');
    }
    this.#renewal = setInterval(() => this.#options.onChange(), renewMs).unref();
  }

  stop(): void {
    if (this.#renewal !== null) clearInterval(this.#renewal);
    for (const timer of this.#graces.values()) clearTimeout(timer);
    for (const watch of this.#watches) watch.stop();
  }

  entries(nowMs = Date.now()): readonly LiveEntry[] {
    return this.#pods.entries(nowMs);
  }

  // A pod is its UID: no two of them are ever one address's.
  conflicts(): readonly string[] {
    return [];
  }

  /** Pods of runners that are known. */
  get size(): number {
    return this.#pods.size;
  }

  #follow(namespace: string | null, kind: Kind): void {
    const { api, labelSelector, onChange, retryMs } = this.#options;
    const pods = this.#pods;
    const [place, isPods] = [namespace ?? '*', kind === 'pods'];
    const watch = new ResourceWatch({
      api,
      wanted: { path: pathOf(namespace, kind), labelSelector: isPods ? labelSelector : null },
      onList: (items) => {
        if (isPods) pods.replacePods(place, items);
        else pods.replaceRunners(place, items);
        onChange();
      },
      onEvent: ({ type, object }) => {
        if (isPods) pods.podEvent(place, type, object);
        else pods.runnerEvent(place, type, object);
        onChange();
      },
      onState: (problem) => this.#note(watch, place, kind, problem),
      ...(retryMs === undefined ? {} : { retryMs }),
    });
    this.#watches.push(watch);
    void watch.run();
  }

  #note(watch: ResourceWatch, place: string, kind: Kind, problem: Error | null): void {
    const what = `${kind === 'pods' ? 'pods' : 'ephemeralrunners'} of ${place}`;
    const grace = this.#graces.get(watch);
    if (problem === null) {
      clearTimeout(grace);
      this.#graces.delete(watch);
      if (this.#ill.delete(what)) this.#options.onProblem(what, null);
      return;
    }
    const give = (): void => {
      this.#tell(what, problem);
      this.#forget(watch, place, kind);
    };
    // A connection that ends is usually back at once; what may not be read now was perhaps never to be.
    if (problem instanceof ApiRefusal || this.#ill.has(what)) {
      clearTimeout(grace);
      give();
    } else if (grace === undefined)
      this.#graces.set(watch, setTimeout(give, this.#options.graceMs ?? usualGraceMs).unref());
  }

  #tell(what: string, error: Error): void {
    const { message } = error;
    if (this.#ill.get(what) === message) return;
    this.#ill.set(what, message);
    this.#options.onProblem(what, error);
  }

  #forget(watch: ResourceWatch, place: string, kind: Kind): void {
    watch.forget();
    if (kind === 'pods') this.#pods.dropPods(place);
    else this.#pods.replaceRunners(place, []);
    this.#options.onChange();
  }
}

function pathOf(namespace: string | null, kind: Kind): string {
  const inside = namespace === null ? '' : `/namespaces/${namespace}`;
  return kind === 'pods'
    ? `/api/v1${inside}/pods`
    : `/apis/actions.github.com/v1alpha1${inside}/ephemeralrunners`;
}
