// A policy as `explain` asks it: what applies, and what requests mean on the servers that the questions speak of.

import type { Attribution, Job } from '../flow/job.ts';
import type { Policy } from './compile.ts';
import { explainQuestion, type Explanation, type Meanings, type Question } from './explain.ts';
import { loadPolicy, type PolicyBundle } from './load.ts';
import type { UnderstandingPort } from './understanding-port.ts';

const maxServers = 64;
// What stands for the job's own token in a question; in Basic credentials also where they are not encoded.
const jobTokens = ['${GITHUB_TOKEN}', '${CI_JOB_TOKEN}'] as const;
const namesJobToken = (text: string | null): boolean =>
  text !== null && jobTokens.some((token) => text.includes(token));

export class Explainer {
  readonly #bundle: PolicyBundle;
  readonly #understanding: UnderstandingPort | undefined;
  /** A job of each server that was asked about. */
  readonly #jobs = new Map<string, Job>();
  #policy: Policy;
  #meanings: Meanings | undefined;

  /** @throws InvalidInputError */
  constructor(bundle: PolicyBundle, understanding?: UnderstandingPort) {
    this.#bundle = bundle;
    this.#understanding = understanding;
    this.#policy = this.#load();
  }

  /** True when it is said what requests mean. */
  get understands(): boolean {
    return this.#understanding !== undefined;
  }

  explain(attribution: Attribution, question: Question): Explanation {
    const { job } = attribution;
    if (job !== null && this.#understanding !== undefined && !this.#jobs.has(job.server)) {
      if (this.#jobs.size < maxServers) {
        this.#jobs.set(job.server, job);
        this.#policy = this.#load();
      }
    }
    return explainQuestion(this.#policy, attribution, question, this.#meanings);
  }

  // The servers of jobs are known to rules and to who understands requests alike.
  #load(): Policy {
    const understanding = this.#understanding;
    if (understanding === undefined) return loadPolicy(this.#bundle).policy;
    const { policy } = loadPolicy(this.#bundle, { servers: understanding.serversOf(this.#jobs.values()) });
    this.#meanings = {
      interpreter: understanding.interpreter(policy.servers),
      credential: (header) =>
        namesJobToken(header('authorization')) ? 'job' : understanding.credential(header, namesJobToken),
    };
    return policy;
  }
}
