// Who is talking, in a worker: what the operator declared, what is heard on its connections, and what control publishes of
// everybody else, with the file by which this worker tells the others. A change reaches what is open at once.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import type { Attribution } from './flow/job.ts';
import type { JobNews } from './flow/job-news.ts';
import type { JobRecord } from './flow/job-record.ts';
import type { Operation } from './flow/operation.ts';
import type { Meter } from './flow/ports.ts';
import { limitErrors } from './flow/program-log.ts';
import { DeclaredJobs } from './jobs/declared.ts';
import { JobSources } from './jobs/job-sources.ts';
import { PublishedWatch, TableWriter } from './jobs/live-table-file.ts';
import { isOfRunnerProgram } from './jobs/runner-program.ts';
import { isRunnersUse } from './jobs/token-binding.ts';
import { UnreadJobs } from './jobs/unread-jobs.ts';
import type { Hearing } from './platform/hearing.ts';
import { readCredential } from './platform/read-credential.ts';
import { writeStatus, type StateDirectory } from './store/state-directory.ts';

export interface JobsInForceOptions {
  readonly config: Config;
  readonly state: StateDirectory;
  /** Of the process. */
  readonly name: string;
  readonly log: Logger;
  readonly meter: Meter;
  readonly record: (record: JobRecord) => void;
  /** The flows of an address belong to somebody else; what was opened for `ended` is over. */
  readonly onChange: (address: string, ended: readonly Attribution[]) => void;
}

const sweepEveryMs = 1000;

export class JobsInForce {
  readonly declared: DeclaredJobs;
  readonly sources: JobSources;
  readonly hearing: Hearing;
  readonly #table: TableWriter;
  readonly #unread: UnreadJobs;
  readonly #watch: PublishedWatch;

  constructor({ config, state, name, log, meter, record, onChange }: JobsInForceOptions) {
    this.declared = new DeclaredJobs(config.jobs);
    this.#table = new TableWriter({
      collect: () => JSON.stringify(this.sources.table()),
      write: (json) => writeStatus(join(state.jobs, `${name}.json`), json, 0o640),
      onError: limitErrors(log, 'the table of live jobs cannot be written'),
    });
    this.sources = new JobSources({
      declared: this.declared,
      gateway: config.gateway,
      fleet: config.fleet,
      key: readKey(state.jobKeyFile, log),
      record,
      onChange,
      onTable: (what) => this.#table.changed(what),
    });
    this.#unread = new UnreadJobs(meter, (what, text) => log.warn(what, text));
    this.hearing = { hash: () => this.sources.hash, now: Date.now };
    this.#watch = new PublishedWatch({
      path: state.jobsFile,
      onChange: (table) => this.sources.follow(table),
      onError: limitErrors(log, 'the published table of live jobs cannot be read'),
    });
    // Whoever merges the tables learns that the process of this name is another one.
    this.#table.flush();
    setInterval(() => this.sources.sweep(), sweepEveryMs).unref();
  }

  /** What the proxy asks of jobs. */
  ports() {
    const { sources } = this;
    return {
      attribution: sources,
      steps: sources,
      hearJobs: (runner: string, news: readonly JobNews[]) => {
        this.#unread.note(runner, news);
        sources.hear(runner, news);
      },
      isOfRunnerProgram: (
        attribution: Attribution,
        operation: Operation | null,
        handedOutBy: Operation | null,
      ) => isOfRunnerProgram(operation, handedOutBy, sources.phaseOf(attribution)),
      credential: (attribution: Attribution, header: (name: string) => string | null) =>
        readCredential(header, (token) => sources.isOwnToken(attribution, token)),
      meetTokens: (
        runner: string,
        { method, path }: { readonly method: string; readonly path: string },
        tokens: () => readonly string[],
      ) => {
        if (!sources.hasManagers || isRunnersUse(method, path)) return;
        // What changes by it changes after this request, which is judged as what it was.
        for (const token of tokens().slice(0, 4)) setImmediate(() => sources.meet(runner, token));
      },
      runtime: (attribution: Attribution) => sources.runtimeToken(attribution),
    };
  }

  /** Tells the others the last of it. */
  close(): void {
    this.#watch.close();
    this.#table.flush();
  }
}

/** The keeper makes it before any worker starts; without it nothing is heard until control publishes one. */
function readKey(path: string, log: Logger): Uint8Array | null {
  try {
    return readFileSync(path);
  } catch (error) {
    log.warn(
      { err: error },
      'the key of token hashes cannot be read: no job is heard of until control publishes one',
    );
    return null;
  }
}
