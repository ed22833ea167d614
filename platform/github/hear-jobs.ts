// What a runner and its service tell each other of jobs: who asks for them, which one is handed out, that it goes on, its
// steps, its end. Believed only with the service's own answer, which the path takes from verified servers alone.

import type {
  AnswerHead,
  AnswerMeaning,
  AnswerReader,
  AskedRequest,
  Understanding,
} from '../../flow/asked-request.ts';
import type { Held, HoldLimits } from '../../flow/held.ts';
import type { HashToken } from '../../flow/job-message.ts';
import type { JobNews, StepState, StepUpdate } from '../../flow/job-news.ts';
import { entriesOf, pick, textOf, wholeDocument, wordOf, type JsonSpan } from '../../flow/json-spans.ts';
import {
  agentOf,
  isLegacy,
  readEvent,
  readPoll,
  readRenewal,
  readSession,
  readTimeline,
} from './hear-legacy.ts';
import { readJobMessage } from './read-job-message.ts';
import { queryValuesWithoutCase } from './split-path.ts';

/** Job messages have no bound of their own: 20 to 70 KB are usual, matrices and events make more. */
const messageLimits: HoldLimits = { maxBytes: 8 * 1_048_576, maxDecodedBytes: 16 * 1_048_576, maxRatio: 50 };
const callLimits: HoldLimits = { maxBytes: 1_048_576, maxDecodedBytes: 4 * 1_048_576, maxRatio: 50 };
const maxIdBytes = 64;
const maxNameBytes = 1024;
const maxSteps = 1_000;
/** The service says ten minutes. */
const leaseMs = 600_000;

/** Adds to what a call means what is heard of jobs in it; a call by any other name stays what it was. */
export function hearJobs(
  meaning: Understanding,
  name: string,
  request: AskedRequest,
  { server, hash, now }: { readonly server: string; readonly hash: HashToken; readonly now: () => number },
): Understanding {
  const agent = agentOf(request);
  if (isLegacy(request.path)) {
    const older = hearOlder(meaning, name, request, { server, now });
    if (older !== null) return older;
  }
  switch (name) {
    case 'runner/poll':
      if (request.method !== 'GET') return meaning;
      return heard(
        meaning,
        onPoll({ server, agent, isBusy: isBusy(request) }, (body) => readPoll(body, server, agent, hash)),
      );
    case 'runner/session':
      if (request.method === 'POST') return withSession(meaning, server, agent);
      if (request.method !== 'DELETE') return meaning;
      return heard(
        meaning,
        onHead([200, 204], () => ({ kind: 'left', server, agent })),
      );
    case 'runner/acquire-job':
      return heard(meaning, acquired(server, agent, hash));
    case 'runner/renew-job':
      return withCall(meaning, server, (job) =>
        onBody(callLimits, [200], (body) => {
          const until = Date.parse(textOf(body, field(body, 'lockedUntil'), maxIdBytes) ?? '');
          return { kind: 'renewed', ...job, untilMs: Number.isNaN(until) ? now() + leaseMs : until };
        }),
      );
    case 'runner/complete-job':
      return withCall(meaning, server, (job, body) =>
        onHead([200, 202, 204], () => ({
          kind: 'ended',
          ...job,
          conclusion: textOf(body, field(body, 'conclusion'), maxIdBytes),
        })),
      );
    case 'job/steps':
      return withCall(meaning, server, (job, body) => {
        const steps = readSteps(body);
        return onHead([200], () => ({ kind: 'steps', ...job, steps }));
      });
    default:
      return meaning;
  }
}

/** The message that a runner fetches; what is none is a job that nobody can name. */
function acquired(server: string, agent: string, hash: HashToken): AnswerReader {
  const unread: JobNews = { kind: 'unread', server, agent, cause: 'unreadable' };
  const read = (body: Buffer): JobNews => {
    const message = readJobMessage(body, server, hash);
    return message === null ? unread : { kind: 'assigned', message, agent, runsHere: true };
  };
  return onBody(messageLimits, [200], read, unread);
}

/** Calls that only the older service has, or has in another form; null for those that are the same. */
function hearOlder(
  meaning: Understanding,
  name: string,
  request: AskedRequest,
  { server, now }: { readonly server: string; readonly now: () => number },
): Understanding | null {
  switch (name) {
    case 'runner/session':
      if (request.method !== 'POST') return null;
      return withBody(meaning, (asked) =>
        onBody(callLimits, [200, 201], (answer) => readSession(asked, answer, server)),
      );
    case 'runner/renew-job':
      return withRenewal(meaning, request, server, now);
    case 'job/events':
      return withBody(meaning, (body) => {
        const ended = readEvent(body, server);
        return ended === null ? null : onHead([200, 202, 204], () => ended);
      });
    case 'job/steps':
      return withBody(meaning, (body) => {
        const told = readTimeline(body, server);
        return told === null ? null : onHead([200], () => ({ kind: 'steps', ...told }));
      });
    default:
      return null;
  }
}

const field = (body: Buffer, name: string): JsonSpan | null =>
  pick(body, wholeDocument(body), name)[name] ?? null;

const heard = (meaning: Understanding, answer: AnswerReader): Understanding => ({ ...meaning, answer });

/** The same for calls of the older service; a body that tells nothing leaves the call what it was. */
function withBody(meaning: Understanding, reader: (body: Buffer) => AnswerReader | null): Understanding {
  const decide = (held: Held): Understanding => {
    const answer = held.kind === 'opaque' ? null : reader(held.body);
    return answer === null ? meaning : heard(meaning, answer);
  };
  return { ...meaning, hold: { ...callLimits, withBody: decide } };
}

/** A change of a job's request: what it asks for stands in it, and whose it is in the answer. */
function withRenewal(
  meaning: Understanding,
  request: AskedRequest,
  server: string,
  now: () => number,
): Understanding {
  if (request.method !== 'PATCH' && request.method !== 'DELETE') return meaning;
  const reader = (asked: Buffer | null): AnswerReader => ({
    limits: callLimits,
    wantsBody: ({ status }) => status === 200,
    read: ({ status }, held) => {
      if (status !== 200 && status !== 202 && status !== 204) return nothing;
      const answer = held?.kind === 'whole' ? held.body : null;
      return tell(readRenewal(request, asked, answer, { server, untilMs: now() + leaseMs }));
    },
  });
  return request.hasBody ? withBody(meaning, reader) : heard(meaning, reader(null));
}

/** The body of a session says which registration it is of. */
function withSession(meaning: Understanding, server: string, agent: string): Understanding {
  const withBody = (held: Held): Understanding => {
    const asked = held.kind === 'whole' ? held.body : Buffer.alloc(0);
    const runner = wordOf(asked, pick(asked, field(asked, 'agent'), 'id').id);
    return heard(
      meaning,
      onHead([200, 201], () => ({ kind: 'began', server, agent, runner })),
    );
  };
  return { ...meaning, hold: { ...callLimits, withBody } };
}

/** Holds the request: its body names the job that the answer is about. A body that cannot be read tells nothing. */
function withCall(
  meaning: Understanding,
  server: string,
  reader: (job: { server: string; jobId: string }, body: Buffer) => AnswerReader,
): Understanding {
  const withBody = (held: Held): Understanding => {
    if (held.kind === 'opaque') return meaning;
    const { body } = held;
    const names = pick(
      body,
      wholeDocument(body),
      'jobId',
      'workflow_job_run_backend_id',
      'workflowJobRunBackendId',
    );
    const jobId = textOf(
      body,
      names.jobId ?? names.workflow_job_run_backend_id ?? names.workflowJobRunBackendId,
      maxIdBytes,
    );
    return jobId === null ? meaning : heard(meaning, reader({ server, jobId }, body));
  };
  return { ...meaning, hold: { ...callLimits, withBody } };
}

const nothing: AnswerMeaning = { grants: [], accepted: null, evidence: [] };

const tell = (news: JobNews | null): AnswerMeaning =>
  news === null ? nothing : { ...nothing, news: [news] };

function onHead(statuses: readonly number[], news: () => JobNews): AnswerReader {
  return {
    limits: callLimits,
    wantsBody: () => false,
    read: (head: AnswerHead) => (statuses.includes(head.status) ? tell(news()) : nothing),
  };
}

/** A program with a job asks for no other one; it leaves the question behind when it ends, to be answered much later. */
function isBusy(request: AskedRequest): boolean {
  const [status] = queryValuesWithoutCase(request.query, 'status') ?? [];
  return status?.toLowerCase() === 'busy';
}

/** The answer to a poll: 202, and whatever is no message, says only that the program asks. */
function onPoll(
  { server, agent, isBusy }: { readonly server: string; readonly agent: string; readonly isBusy: boolean },
  news: (body: Buffer) => readonly JobNews[],
): AnswerReader {
  return {
    limits: messageLimits,
    wantsBody: ({ status }) => status === 200,
    read: ({ status }, held) => {
      if (status !== 200 && status !== 202 && status !== 204) return nothing;
      if (held?.kind !== 'whole') return isBusy ? nothing : tell({ kind: 'polled', server, agent });
      try {
        return { ...nothing, news: news(held.body).filter(({ kind }) => !isBusy || kind !== 'polled') };
      } finally {
        held.body.fill(0);
      }
    },
  };
}

function onBody(
  limits: HoldLimits,
  statuses: readonly number[],
  news: (body: Buffer) => JobNews | null,
  ofOpaque: JobNews | null = null,
): AnswerReader {
  return {
    limits,
    wantsBody: ({ status }) => statuses.includes(status),
    read: (head, held) => {
      if (!statuses.includes(head.status)) return nothing;
      if (held?.kind !== 'whole') return tell(ofOpaque);
      try {
        return tell(news(held.body));
      } finally {
        // Secrets were in it; what was read of it are texts of their own.
        held.body.fill(0);
      }
    },
  };
}

const states: Readonly<Record<string, StepState>> = { '3': 'running', '5': 'pending' };
const conclusions: Readonly<Record<string, StepState>> = {
  '2': 'succeeded',
  '3': 'failed',
  '4': 'cancelled',
  '7': 'skipped',
};

/** `WorkflowStepsUpdate`: snake or camel case, numbers or their names. */
function readSteps(body: Buffer): readonly StepUpdate[] {
  const list = field(body, 'steps');
  if (list === null) return [];
  const steps: StepUpdate[] = [];
  for (const entry of entriesOf(body, list)) {
    if (steps.length >= maxSteps) break;
    const found = pick(
      body,
      entry,
      ...(['external_id', 'externalId', 'name', 'number', 'status', 'conclusion'] as const),
      ...(['started_at', 'startedAt', 'completed_at', 'completedAt'] as const),
    );
    const id = textOf(body, found.external_id ?? found.externalId, maxIdBytes);
    if (id === null) continue;
    const number = Number(wordOf(body, found.number) ?? Number.NaN);
    const time = (span: JsonSpan | null | undefined): number | null => {
      const ms = Date.parse(textOf(body, span, maxIdBytes) ?? '');
      return Number.isNaN(ms) ? null : ms;
    };
    const status = wordOf(body, found.status) ?? '';
    const ended = status === '6' ? conclusions[wordOf(body, found.conclusion) ?? ''] : undefined;
    steps.push({
      id,
      name: textOf(body, found.name, maxNameBytes) ?? id,
      number: Number.isSafeInteger(number) ? number : null,
      state: ended ?? states[status] ?? 'unknown',
      startedMs: time(found.started_at ?? found.startedAt),
      endedMs: time(found.completed_at ?? found.completedAt),
    });
  }
  return steps;
}
