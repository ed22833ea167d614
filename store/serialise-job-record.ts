// A job record as one JSON line, redacted on the way: names of steps and refs are texts that a workflow's author chose.
// A line stays far below what readers take, whatever a job is made of.

import type { JobEvent, JobRecord } from '../flow/job-record.ts';
import { redactJob, redactName, redactPath, redactStep, redactText } from '../flow/redact.ts';

/** How every line of a job begins, and no line of a flow does. */
export const jobLineStart = '{"kind":"job",';

const maxListed = 500;
const maxValues = 100;
const maxTextLength = 1024;
/** In units of at most three bytes: a writer gives up what it has buffered at 1 MiB, and readers take no longer line. */
const maxLineLength = 262_144;

/** One line of JSON with its line end. Where lists of a job would make it too long they are left out. */
export function serialiseJobRecord(record: JobRecord): string {
  const line = lineOf(record, redactEvent(record.event));
  return line.length <= maxLineLength ? line : lineOf(record, redactEvent(withoutLists(record.event)));
}

function withoutLists(event: JobEvent): JobEvent {
  if (event.what === 'steps') return { ...event, steps: [] };
  return event.what === 'assigned' ? { ...event, matrix: null, granted: null, uses: [], steps: [] } : event;
}

function lineOf(record: JobRecord, event: JobEvent): string {
  const { kind, v, id, time, gateway, fleet, runner, source } = record;
  const line = {
    kind,
    v,
    id,
    time,
    gateway,
    fleet,
    runner,
    jobId: redactPath(record.jobId),
    source,
    agent: orNull(record.agent, redactName),
    event,
  };
  return `${JSON.stringify(line)}\n`;
}

function redactEvent(event: JobEvent): JobEvent {
  switch (event.what) {
    case 'assigned':
      return {
        what: event.what,
        job: redactJob(event.job),
        runAttempt: orNull(event.runAttempt, redactName),
        stage: orNull(event.stage, redactText),
        sha: orNull(event.sha, redactName),
        headRef: orNull(event.headRef, redactPath),
        baseRef: orNull(event.baseRef, redactPath),
        matrix: event.matrix && redactValues(event.matrix),
        granted: event.granted && redactValues(event.granted),
        hasIdentity: event.hasIdentity,
        uses: event.uses.slice(0, maxListed).map((text) => redactPath(cut(text))),
        steps: event.steps
          .slice(0, maxListed)
          .map(({ id, name }) => ({ id: redactName(cut(id)), name: nameOfStep(name) })),
      };
    case 'renewed':
      return { what: event.what, untilMs: event.untilMs };
    case 'steps':
      return {
        what: event.what,
        steps: event.steps.slice(0, maxListed).map(({ id, name, number, state, startedMs, endedMs }) => {
          const told = { number, state, startedMs, endedMs };
          return { id: redactName(cut(id)), name: nameOfStep(name), ...told };
        }),
      };
    case 'ended':
      return { what: event.what, conclusion: orNull(event.conclusion, redactName) };
    case 'conflict':
      return { what: event.what, detail: redactText(cut(event.detail)) };
  }
}

const nameOfStep = (name: string): string => redactStep({ number: null, name }).name;

const cut = (text: string): string => (text.length > maxTextLength ? text.slice(0, maxTextLength) : text);

const orNull = (text: string | null, redact: (text: string) => string): string | null =>
  text === null ? null : redact(cut(text));

function redactValues<T>(values: Readonly<Record<string, T>>): Record<string, T> {
  const redacted = Object.entries(values)
    .slice(0, maxValues)
    // A text in place of a text: the type stays.
    .map(([key, value]) => [
      redactName(cut(key)),
      typeof value === 'string' ? (redactText(cut(value)) as T) : value,
    ]);
  // Built of entries of the same types.
  return Object.fromEntries(redacted) as Record<string, T>;
}
