// What a GitLab runner and its server tell each other of jobs: which one is handed out, that it goes on, its end. A
// project's job token stands in these calls and is never read.

import type { AnswerMeaning, AnswerReader, Understanding } from '../../flow/asked-request.ts';
import type { Held, HoldLimits } from '../../flow/held.ts';
import type { HashToken } from '../../flow/job-message.ts';
import type { JobNews } from '../../flow/job-news.ts';
import { pick, textOf, wholeDocument } from '../../flow/json-spans.ts';
import { readGitlabJob } from './read-job.ts';

const messageLimits: HoldLimits = { maxBytes: 8 * 1_048_576, maxDecodedBytes: 16 * 1_048_576, maxRatio: 50 };
const callLimits: HoldLimits = { maxBytes: 262_144, maxDecodedBytes: 1_048_576, maxRatio: 50 };
/** A runner says something of a job each 30 seconds at least, and tries again for a few minutes. */
const leaseMs = 300_000;
/** Executors whose jobs run on the machine that asks for them; of all others it is only the manager. */
const localExecutors = new Set(['shell', 'docker', 'docker-windows']);
const ends = new Set(['success', 'failed', 'canceled']);

export interface HearOptions {
  readonly server: string;
  readonly hash: HashToken;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Adds to what a call means what is heard of jobs in it; `jobId` is the number in the path, where there is one. */
export function hearGitlabJobs(
  meaning: Understanding,
  name: string,
  jobId: string | null,
  options: HearOptions,
): Understanding {
  if (name === 'runner/request-job') return requested(meaning, options);
  // Jobs then come over gRPC in a WebSocket, which nobody reads (FF_USE_JOB_ROUTER).
  if (name === 'runner/discover-router') return { ...meaning, answer: routed(options.server) };
  if (jobId === null) return meaning;
  const job = { server: options.server, jobId };
  const goesOn = (status: number, jobStatus: string | null): JobNews | null =>
    // A refusal says only that this token is not the job's: anybody on the runner may ask with another one.
    status >= 200 && status < 300 && /^(?:canceled|failed)$/.test(jobStatus ?? '')
      ? { kind: 'ended', ...job, conclusion: jobStatus }
      : status >= 200 && status < 300
        ? { kind: 'renewed', ...job, untilMs: options.now() + leaseMs }
        : null;
  if (name === 'runner/append-trace') return { ...meaning, answer: onHead(goesOn) };
  if (name !== 'runner/update-job') return meaning;
  const withBody = (held: Held): Understanding => {
    const state = held.kind === 'whole' ? textIn(held.body, 'state') : null;
    return {
      ...meaning,
      answer: onHead((status, jobStatus) =>
        // 202: taken, and not all of it yet.
        state !== null && ends.has(state) && status === 200
          ? { kind: 'ended', ...job, conclusion: state }
          : goesOn(status, jobStatus),
      ),
    };
  };
  return { ...meaning, hold: { ...callLimits, withBody } };
}

function requested(meaning: Understanding, { server, hash }: HearOptions): Understanding {
  const withBody = (held: Held): Understanding => {
    const asked = held.kind === 'whole' ? held.body : Buffer.alloc(0);
    const root = pick(asked, wholeDocument(asked), 'info', 'system_id');
    const info = pick(asked, root.info ?? null, 'executor');
    const executor = textOf(asked, info.executor, 64);
    const agent = textOf(asked, root.system_id, 256) ?? 'unnamed';
    return { ...meaning, answer: assignment(server, hash, agent, localExecutors.has(executor ?? '')) };
  };
  return { ...meaning, hold: { ...callLimits, withBody } };
}

function assignment(server: string, hash: HashToken, agent: string, runsHere: boolean): AnswerReader {
  return {
    limits: messageLimits,
    wantsBody: ({ status }) => status === 201,
    read: ({ status }, held) => {
      if (status === 204) return tell({ kind: 'polled', server, agent });
      const unread: JobNews = { kind: 'unread', server, agent, cause: 'unreadable' };
      if (status !== 201) return nothing;
      if (held?.kind !== 'whole') return tell(unread);
      try {
        const message = readGitlabJob(held.body, server, hash);
        return tell(message === null ? unread : { kind: 'assigned', message, agent, runsHere });
      } finally {
        // Secrets were in it; what was read of it are texts of their own.
        held.body.fill(0);
      }
    },
  };
}

const routed = (server: string): AnswerReader => ({
  limits: callLimits,
  wantsBody: ({ status }) => status === 200,
  read: (_head, held) => {
    const url = held?.kind === 'whole' ? textIn(held.body, 'server_url') : null;
    return tell(url === null ? null : { kind: 'unread', server, agent: 'job-router', cause: 'job-router' });
  },
});

const textIn = (body: Buffer, name: string): string | null =>
  textOf(body, pick(body, wholeDocument(body), name)[name], 1024);

const nothing: AnswerMeaning = { grants: [], accepted: null, evidence: [] };

const tell = (news: JobNews | null): AnswerMeaning =>
  news === null ? nothing : { ...nothing, news: [news] };

function onHead(news: (status: number, jobStatus: string | null) => JobNews | null): AnswerReader {
  return {
    limits: callLimits,
    wantsBody: () => false,
    read: (head) => tell(news(head.status, head.header('job-status'))),
  };
}
