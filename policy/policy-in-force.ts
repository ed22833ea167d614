// Control's policy: reads the operator's files whenever they change, and puts what is valid in force, first in the
// kernel, then for the workers. What could not be put in force is tried again until it is.

import { formatProblem, InvalidInputError } from '../flow/errors.ts';
import type { Meter } from '../flow/ports.ts';
import {
  FileWatch,
  policyFingerprint,
  readBundleFile,
  readSettledBundle,
  writeBundleFile,
} from './bundle-file.ts';
import type { Policy } from './compile.ts';
import { loadPolicy, type LoadOptions, type PolicyBundle } from './load.ts';

const pollMs = 500;
const leastPlanMs = 100;
const retryMs = { first: 1000, most: 30_000 };

/** What of a log is used here. */
export interface PolicyLog {
  info(fields: object, message: string): void;
  warn(message: string): void;
  error(fields: object, message: string): void;
}

export interface PolicySource {
  readonly path: string;
  /** Where the workers look for the last good bundle. */
  readonly bundleFile: string;
  readonly loadOptions: LoadOptions;
  /** Puts a policy in force in the kernel. Rejected when that cannot be said for certain. */
  readonly plan: (policy: Policy) => Promise<void>;
  /** The same for a policy that is in force, where what the plan stands on besides has changed. */
  readonly planAgain?: (policy: Policy) => Promise<void>;
  readonly log: PolicyLog;
  readonly meter: Meter;
  readonly retryMs?: { readonly first: number; readonly most: number };
}

export class PolicyInForce {
  readonly #source: PolicySource;
  readonly #watch: FileWatch;
  #reading: Promise<void> = Promise.resolve();
  #bundle: PolicyBundle | null = null;
  #policy: Policy | null = null;
  #failure: string | null = null;
  #isSplit = false;
  #retry: NodeJS.Timeout | undefined;
  #delayMs = 0;
  #isPlanDue = false;
  #nextPlanMs = 0;
  #isPlanRefused = false;

  constructor(source: PolicySource) {
    this.#source = source;
    this.#watch = new FileWatch(
      () => policyFingerprint(source.path, this.#bundle),
      pollMs,
      () => void this.read(),
    );
  }

  /** The last good one; null when there was none. */
  get policy(): Policy | null {
    return this.#policy;
  }

  /** Why the gateway is not ready on behalf of policy; null when it is. */
  get problem(): string | null {
    if (this.#policy === null) return 'no valid policy has been loaded';
    return this.#isSplit || this.#isPlanRefused
      ? 'the policy that was read last is not in force everywhere'
      : null;
  }

  /** What is wrong with the files as they were read last, one problem a line; null: nothing. */
  get failure(): string | null {
    return this.#failure;
  }

  /** Resolves when the files as they are now have been read, whatever came of it. */
  read(): Promise<void> {
    // One after the other: an older policy must never be put in force after a newer one.
    this.#reading = this.#reading.then(() => this.#read());
    return this.#reading;
  }

  /** Takes over what an earlier control of this gateway had put in force. */
  adopt(): void {
    try {
      const bundle = readBundleFile(this.#source.bundleFile);
      const { servers } = this.#source.loadOptions;
      if (bundle !== null)
        this.#policy ??= loadPolicy(bundle, servers === undefined ? {} : { servers }).policy;
    } catch (error) {
      this.#source.log.error({ err: error }, 'the policy bundle cannot be read');
    }
  }

  close(): void {
    this.#watch.close();
    clearTimeout(this.#retry);
  }

  /** Who runs where has changed: the kernel is to know, after whatever is under way; many changes at once are one. */
  planAgain(): void {
    if (this.#isPlanDue) return;
    this.#isPlanDue = true;
    const waitMs = Math.max(0, this.#nextPlanMs - performance.now());
    setTimeout(() => (this.#reading = this.#reading.then(() => this.#planAgain())), waitMs).unref();
  }

  // Where the policy itself is not in force yet, the attempt that follows plans with what is known by then.
  async #planAgain(): Promise<void> {
    this.#isPlanDue = false;
    const { planAgain, log, retryMs: times = retryMs } = this.#source;
    if (this.#policy === null || this.#isSplit || planAgain === undefined) return;
    const beganMs = performance.now();
    try {
      await planAgain(this.#policy);
      this.#isPlanRefused = false;
    } catch (error) {
      if (!this.#isPlanRefused) log.error({ err: error }, 'the kernel could not be told who runs where');
      this.#isPlanRefused = true;
      setTimeout(() => this.planAgain(), times.first).unref();
    }
    // A large policy holds the keeper up for a while: workers are to have most of its time.
    const tookMs = performance.now() - beganMs;
    this.#nextPlanMs = performance.now() + Math.max(leastPlanMs, 4 * tookMs);
  }

  // A policy with an error changes nothing: the last good one stays, or nothing passes when there was none.
  async #read(): Promise<void> {
    clearTimeout(this.#retry);
    try {
      const { bundle, fingerprint } = await readSettledBundle(this.#source.path);
      this.#bundle = bundle;
      this.#watch.settle(fingerprint);
      await this.#putInForce(bundle);
      this.#failure = null;
      this.#delayMs = 0;
    } catch (error) {
      this.#report(error);
      await this.#restore(error);
      const { first, most } = this.#source.retryMs ?? retryMs;
      this.#delayMs = Math.min(most, Math.max(first, this.#delayMs * 2));
      this.#retry = setTimeout(() => void this.read(), this.#delayMs).unref();
    }
  }

  async #putInForce(bundle: PolicyBundle): Promise<void> {
    const { bundleFile, loadOptions, log, meter, plan } = this.#source;
    const { policy, warnings } = loadPolicy(bundle, loadOptions);
    this.#isSplit = true;
    // The kernel first: a name that a new rule opens must find its port already redirected or open.
    await plan(policy);
    writeBundleFile(bundleFile, bundle);
    this.#isSplit = false;
    const last = this.#policy;
    this.#policy = policy;
    for (const warning of warnings) log.warn(formatProblem(warning));
    meter.count('sallyport_policy_reloads_total', { result: 'ok' });
    if (last !== null) meter.gauge('sallyport_policy_info', 0, { revision: last.revision, mode: last.mode });
    meter.gauge('sallyport_policy_info', 1, { revision: policy.revision, mode: policy.mode });
    log.info({ revision: policy.revision, mode: policy.mode }, 'policy loaded');
  }

  // What was refused is not tried again: the kernel, which may hold it or half of it, goes back to what workers have.
  async #restore(error: unknown): Promise<void> {
    if (!this.#isSplit || this.#policy === null || !(error instanceof InvalidInputError)) return;
    try {
      await this.#source.plan(this.#policy);
      this.#isSplit = false;
    } catch (cause) {
      this.#source.log.error({ err: cause }, 'the kernel could not be given the last good policy');
    }
  }

  // Told once, however often the same is tried again.
  #report(error: unknown): void {
    const failure = error instanceof Error ? error.message : String(error);
    if (failure === this.#failure) return;
    this.#failure = failure;
    const { log, meter } = this.#source;
    meter.count('sallyport_policy_reloads_total', { result: 'invalid' });
    const kept = this.#policy === null ? 'everything is blocked' : 'the last good one stays in force';
    if (error instanceof InvalidInputError)
      log.error({ problems: error.problems.map(formatProblem) }, `the policy has problems; ${kept}`);
    else log.error({ err: error }, 'the policy could not be put in force everywhere; it is tried again');
  }
}
