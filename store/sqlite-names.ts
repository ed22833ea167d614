// Texts that recur (hosts, rules, repositories, runners) as the numbers that stand for them in flows. Each is written once
// and remembered; the memory is bounded, the table is what counts.

import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { LRUCache } from 'lru-cache';
import type { Job } from '../flow/job.ts';
import type { JobIds } from './number-flow.ts';
import type { Subject } from './subject.ts';

const remembered = 100_000;

export class SqliteNames {
  readonly #database: DatabaseSync;
  readonly #known = new LRUCache<string, number>({ max: remembered });
  readonly #jobs = new LRUCache<string, JobIds>({ max: 10_000 });
  readonly #statements = new Map<string, StatementSync>();

  constructor(database: DatabaseSync) {
    this.#database = database;
  }

  /** After a transaction was undone: what it added is not there. */
  forget(): void {
    this.#known.clear();
    this.#jobs.clear();
  }

  host(name: string): number {
    return this.#id(
      `host ${name}`,
      'insert into host (name) values (?)',
      'select id from host where name = ?',
      [name],
    );
  }

  word(text: string): number {
    return this.#id(
      `word ${text}`,
      'insert into word (text) values (?)',
      'select id from word where text = ?',
      [text],
    );
  }

  gateway(fleet: string, name: string, ms: number): number {
    return this.#place('gateway', 'name', fleet, name, ms);
  }

  runner(fleet: string, address: string, ms: number): number {
    return this.#place('runner', 'address', fleet, address, ms);
  }

  /** A job that is met for the first time begins with this record. */
  job(key: string, job: Job, subject: Subject): JobIds {
    const known = this.#jobs.get(key);
    if (known !== undefined) return known;
    const repository = this.#repository(job);
    const definition = this.#definition(repository, job);
    const ids = { repository, definition, job: this.#jobRow(key, job, subject, definition, repository) };
    this.#jobs.set(key, ids);
    return ids;
  }

  /** Forgets what was guessed of a job: a record says it now. */
  forgetJob(key: string): void {
    this.#jobs.delete(key);
  }

  #place(
    table: 'gateway' | 'runner',
    column: 'name' | 'address',
    fleet: string,
    text: string,
    ms: number,
  ): number {
    return this.#id(
      `${table} ${fleet} ${text}`,
      `insert into ${table} (fleet, ${column}, first_ms, last_ms) values (?, ?, ?, ?)`,
      `select id from ${table} where fleet = ? and ${column} = ?`,
      [fleet, text],
      [ms, ms],
    );
  }

  #repository(job: Job): number {
    const shown = job.repository ?? '';
    const path = shown.toLowerCase();
    return this.#id(
      `repository ${job.server} ${path}`,
      'insert into repository (server, path, platform, shown, platform_id) values (?, ?, ?, ?, ?)',
      'select id from repository where server = ? and path = ?',
      [job.server, path],
      [job.platform, shown, job.repositoryId],
    );
  }

  #definition(repository: number, job: Job): number {
    const [workflow, name] = [job.workflow ?? '', job.name ?? ''];
    return this.#id(
      `definition ${repository} ${JSON.stringify([workflow, name])}`,
      'insert into definition (repository_id, workflow, name) values (?, ?, ?)',
      'select id from definition where repository_id = ? and workflow = ? and name = ?',
      [repository, workflow, name],
    );
  }

  #jobRow(
    key: string,
    job: Job,
    { source, certainty, fleet, gateway, runner, atMs }: Subject,
    definition: number,
    repository: number,
  ): number {
    const flag = (value: boolean | null): number | null => (value === null ? null : Number(value));
    return this.#id(
      `job ${key}`,
      `insert into job (key, definition_id, repository_id, run_id, ref, event, environment, actor, called_workflow,
        runner_group, is_fork, is_protected, is_private, source, certainty, gateway_id, runner_id, started_ms, last_ms)
        values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      'select id from job where key = ?',
      [key],
      [
        definition,
        repository,
        job.runId,
        job.ref,
        job.event,
        job.environment,
        job.actor,
        job.calledWorkflow,
        job.runnerGroup,
        flag(job.fork),
        flag(job.protected),
        flag(job.private),
        source,
        certainty,
        this.gateway(fleet, gateway, atMs),
        this.runner(fleet, runner, atMs),
        atMs,
        atMs,
      ],
    );
  }

  /** The number of a row, written when nobody has yet; `by` find it, `rest` are its other columns. */
  #id(
    name: string,
    insert: string,
    select: string,
    by: readonly (string | number)[],
    rest: readonly (string | number | null)[] = [],
  ): number {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const found = this.#prepare(select).get(...by);
    const id = found === undefined ? this.#prepare(insert).run(...by, ...rest).lastInsertRowid : found['id'];
    this.#known.set(name, Number(id));
    return Number(id);
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql) ?? this.#database.prepare(sql);
    this.#statements.set(sql, known);
    return known;
  }
}
