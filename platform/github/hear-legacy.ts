// The same in the older form that GitHub Enterprise Server speaks (actions/runner 2.336.0: MessageListener,
// TaskAgentHttpClient, JobServer): jobs come in the answer to the poll, unless their message is encrypted.

import { LRUCache } from 'lru-cache';
import type { AskedRequest } from '../../flow/asked-request.ts';
import type { HashToken } from '../../flow/job-message.ts';
import type { JobName, JobNews, StepState, StepUpdate } from '../../flow/job-news.ts';
import {
  entriesOf,
  pick,
  textBytesOf,
  textOf,
  wholeDocument,
  wordOf,
  type JsonSpan,
} from '../../flow/json-spans.ts';
import { readJobMessage } from './read-job-message.ts';
import { queryValuesWithoutCase } from './split-path.ts';

const maxIdBytes = 64;
const maxNameBytes = 1024;
const maxSteps = 1_000;
const maxMessageBytes = 8 * 1_048_576;
const maxRequests = 8_192;

/** Which job a request for one stands for: renewals name the request alone. */
const requests = new LRUCache<string, string>({ max: maxRequests });

/** True for a path of the older service. */
export const isLegacy = (path: string): boolean =>
  /(?:^|\/)_apis\/distributedtask\/|\/plans\/[^/]+\/(?:timelines|jobs|events)\b/i.test(path);

/** The program that asks: in the older form by the id that its polls carry, else by the one of all its calls. */
export function agentOf(request: AskedRequest): string {
  const [sessionId] = queryValuesWithoutCase(request.query, 'sessionid') ?? [];
  const inPath = /\/sessions\/([^/]{1,64})$/i.exec(request.path)?.[1];
  const named = isLegacy(request.path) ? (sessionId ?? inPath) : undefined;
  return (named ?? request.header('x-actions-session') ?? 'unnamed').slice(0, maxIdBytes);
}

/** A program begins to ask: by the id that the answer gives it, under which its polls come. */
export function readSession(asked: Buffer, answer: Buffer, server: string): JobNews | null {
  const agent = textIn(answer, 'sessionId');
  const registered = pick(asked, wholeDocument(asked), 'agent').agent;
  const runner = wordOf(asked, pick(asked, registered ?? null, 'id').id);
  return agent === null ? null : { kind: 'began', server, agent, runner };
}

/** The answer to a poll: a job, word that there is none, or that the runner is to ask elsewhere. */
export function readPoll(body: Buffer, server: string, agent: string, hash: HashToken): JobNews[] {
  const polled: JobNews = { kind: 'polled', server, agent };
  const root = pick(body, wholeDocument(body), 'messageType', 'iv', 'body');
  switch (textOf(body, root.messageType, maxIdBytes)?.toLowerCase()) {
    case 'pipelineagentjobrequest':
      return [polled, readAssignment(body, root, { server, agent, hash })];
    case 'brokermigration':
      // From now on it asks the broker, where it has another name.
      return [{ kind: 'left', server, agent }];
    case 'runnerjobrequest':
      return isFetchedElsewhere(body, root.body) ? [polled, unread(server, agent, 'unreadable')] : [polled];
    default:
      return [polled];
  }
}

const unread = (server: string, agent: string, cause: 'encrypted' | 'unreadable'): JobNews => ({
  kind: 'unread',
  server,
  agent,
  cause,
});

function readAssignment(
  bytes: Buffer,
  { iv, body }: { readonly iv?: JsonSpan | null; readonly body?: JsonSpan | null },
  { server, agent, hash }: { readonly server: string; readonly agent: string; readonly hash: HashToken },
): JobNews {
  const isPlain = iv === undefined || iv === null || ['null', ''].includes(wordOrText(bytes, iv));
  if (!isPlain) return unread(server, agent, 'encrypted');
  const text = textBytesOf(bytes, body, maxMessageBytes);
  if (text === null) return unread(server, agent, 'unreadable');
  try {
    const message = readJobMessage(text, server, hash);
    if (message === null) return unread(server, agent, 'unreadable');
    const id = wordOf(text, pick(text, wholeDocument(text), 'requestId').requestId);
    if (id !== null && id !== '0') requests.set(`${server} ${id}`, message.jobId);
    return { kind: 'assigned', message, agent, runsHere: true };
  } finally {
    text.fill(0);
  }
}

/** Anything but a text or a word counts as said. */
const wordOrText = (bytes: Buffer, span: JsonSpan): string =>
  wordOf(bytes, span) ?? textOf(bytes, span, maxIdBytes) ?? 'said';

/** No run service is named: the runner fetches the message from the older service, by a path that is not known. */
function isFetchedElsewhere(bytes: Buffer, span: JsonSpan | null | undefined): boolean {
  const text = textBytesOf(bytes, span, maxMessageBytes);
  if (text === null) return false;
  const named = pick(text, wholeDocument(text), 'runServiceUrl', 'run_service_url');
  const url = textOf(text, named.run_service_url ?? named.runServiceUrl);
  text.fill(0);
  return url === '';
}

/** What the answer to a change of a job's request says: that it goes on, or with what it ended. */
export function readRenewal(
  request: AskedRequest,
  asked: Buffer | null,
  answer: Buffer | null,
  { server, untilMs }: { readonly server: string; readonly untilMs: number },
): JobNews | null {
  const jobId = jobOfRequest(request, answer, server);
  if (jobId === null) return null;
  const conclusion = conclusionOf(request, asked);
  if (conclusion !== undefined) return { kind: 'ended', server, jobId, conclusion };
  const until = answer === null ? Number.NaN : Date.parse(textIn(answer, 'lockedUntil') ?? '');
  return { kind: 'renewed', server, jobId, untilMs: Number.isNaN(until) ? untilMs : until };
}

function jobOfRequest(request: AskedRequest, answer: Buffer | null, server: string): string | null {
  const id = /\/jobrequests\/(\d{1,20})$/i.exec(request.path)?.[1];
  const told = answer === null ? null : textIn(answer, 'jobId');
  return told ?? (id === undefined ? null : (requests.get(`${server} ${id}`) ?? null));
}

/** Undefined where the request asks for more time. */
function conclusionOf(request: AskedRequest, asked: Buffer | null): string | null | undefined {
  if (request.method === 'DELETE')
    return queryValuesWithoutCase(request.query, 'result')?.[0]?.slice(0, 64) ?? null;
  if (asked === null) return undefined;
  const { result, finishTime } = pick(asked, wholeDocument(asked), 'result', 'finishTime');
  const said = resultOf(asked, result);
  return said ?? (textOf(asked, finishTime, maxIdBytes) === null ? undefined : null);
}

const results = ['succeeded', 'succeededWithIssues', 'failed', 'canceled', 'skipped', 'abandoned'];

/** A result by its name or number; null where nothing is said. */
function resultOf(bytes: Buffer, span: JsonSpan | null | undefined): string | null {
  const text = textOf(bytes, span, maxIdBytes);
  if (text !== null) return text;
  const word = wordOf(bytes, span);
  return word === null || word === 'null' ? null : (results[Number(word)] ?? null);
}

const textIn = (bytes: Buffer, name: string): string | null =>
  textOf(bytes, pick(bytes, wholeDocument(bytes), name)[name], maxIdBytes);

/** An event of the plan: the end of a job, or null. */
export function readEvent(body: Buffer, server: string): JobNews | null {
  const { name, jobId, result } = pick(body, wholeDocument(body), 'name', 'jobId', 'result');
  const id = textOf(body, jobId, maxIdBytes);
  const event = textOf(body, name, maxIdBytes)?.toLowerCase() ?? 'jobcompleted';
  if (id === null || event !== 'jobcompleted') return null;
  return { kind: 'ended', server, jobId: id, conclusion: resultOf(body, result) };
}

const states: Readonly<Record<string, StepState>> = {
  pending: 'pending',
  inprogress: 'running',
  '0': 'pending',
  '1': 'running',
};
const ends: Readonly<Record<string, StepState>> = {
  succeeded: 'succeeded',
  succeededwithissues: 'succeeded',
  failed: 'failed',
  canceled: 'cancelled',
  skipped: 'skipped',
  abandoned: 'cancelled',
};

/** Records of a timeline: the steps of the job that most of them name as their parent; null where none is one's. */
export function readTimeline(
  body: Buffer,
  server: string,
): (JobName & { readonly steps: readonly StepUpdate[] }) | null {
  const list = pick(body, wholeDocument(body), 'value').value;
  if (list === null || list === undefined) return null;
  let jobId: string | null = null;
  const steps: StepUpdate[] = [];
  for (const entry of entriesOf(body, list)) {
    if (steps.length >= maxSteps) break;
    const found = pick(
      body,
      entry,
      ...(['id', 'parentId', 'name', 'order', 'state', 'result'] as const),
      ...(['startTime', 'finishTime'] as const),
    );
    const [id, parent] = [textOf(body, found.id, maxIdBytes), textOf(body, found.parentId, maxIdBytes)];
    jobId ??= parent;
    if (id === null || parent === null || parent !== jobId) continue;
    const order = Number(wordOf(body, found.order) ?? Number.NaN);
    steps.push({
      id,
      name: textOf(body, found.name, maxNameBytes) ?? id,
      number: Number.isSafeInteger(order) ? order : null,
      state: stateOf(body, found.state, found.result),
      startedMs: timeOf(body, found.startTime),
      endedMs: timeOf(body, found.finishTime),
    });
  }
  return jobId === null ? null : { server, jobId, steps };
}

function stateOf(
  bytes: Buffer,
  state: JsonSpan | null | undefined,
  result: JsonSpan | null | undefined,
): StepState {
  const said = (textOf(bytes, state, maxIdBytes) ?? wordOf(bytes, state) ?? '').toLowerCase();
  if (said !== 'completed' && said !== '2') return states[said] ?? 'unknown';
  return ends[resultOf(bytes, result)?.toLowerCase() ?? ''] ?? 'unknown';
}

function timeOf(bytes: Buffer, span: JsonSpan | null | undefined): number | null {
  const ms = Date.parse(textOf(bytes, span, maxIdBytes) ?? '');
  return Number.isNaN(ms) ? null : ms;
}
