// Reads who a job is out of the message that hands it to a runner (AgentJobRequestMessage of actions/runner 2.336.0).
// Only named fields are decoded; everything else, secrets among it, stays the bytes that it was.

import type { Job } from '../../flow/job.ts';
import type { HashToken, JobMessage, JobStep } from '../../flow/job-message.ts';
import {
  entriesOf,
  flagOf,
  pick,
  textOf,
  wholeDocument,
  wordOf,
  type JsonSpan,
} from '../../flow/json-spans.ts';

type Span = JsonSpan | null | undefined;

const maxTextBytes = 1024;
const maxTokenBytes = 16_384;
const maxSteps = 1_000;
const maxMatrixKeys = 64;
/** `0001-01-01T00:00:00` stands for none. */
const firstRealMs = Date.UTC(2000, 0, 1);

/**
 * The job of a message that came from `server` (a canonical host); null when the bytes are no such message, name another
 * server, or say one of the fields twice: nothing is believed of it then.
 */
export function readJobMessage(bytes: Buffer, server: string, hash: HashToken): JobMessage | null {
  const root = pick(
    bytes,
    wholeDocument(bytes),
    ...(['messageType', 'jobId', 'plan', 'lockedUntil', 'contextData', 'variables'] as const),
    ...(['resources', 'actionsEnvironment', 'steps'] as const),
  );
  const text = (span: Span): string | null => contextText(bytes, span);
  const contexts = pick(bytes, root.contextData ?? null, 'github', 'job', 'matrix');
  const github = pickContext(bytes, contexts.github, ...githubKeys);
  const jobId = text(root.jobId);
  const repository = text(github.repository);
  if (jobId === null || repository === null || hostOf(text(github.server_url)) !== server) return null;
  if (!/^[\w.-]{1,100}\/[\w.-]{1,100}$/.test(repository)) return null;
  const variables = pick(bytes, root.variables ?? null, ...variableNames);
  const said = (name: (typeof variableNames)[number], max = maxTextBytes) =>
    textOf(bytes, pick(bytes, variables[name] ?? null, 'value').value, max);
  const connection = readConnection(bytes, root.resources);
  const token = said('system.github.token', maxTokenBytes);
  const visibility = text(github.repository_visibility);
  const job: Job = {
    platform: 'github',
    server,
    repository,
    repositoryId: text(github.repository_id),
    workflow: pathOf(text(github.workflow_ref)),
    calledWorkflow: calledWorkflow(bytes, contexts.job, text(github.workflow_ref)),
    ref: fullRef(text(github.ref)),
    event: text(github.event_name),
    environment: text(pick(bytes, root.actionsEnvironment ?? null, 'name').name),
    name: said('system.github.job'),
    runId: text(github.run_id),
    runnerGroup: said('system.runnerGroupName'),
    actor: text(github.actor),
    fork: isFork(bytes, github.event, repository),
    protected: flagOf(bytes, plainForm(bytes, github.ref_protected, '3', 'b')),
    private: visibility === null ? null : visibility !== 'public',
  };
  return {
    job,
    jobId,
    planId: text(pick(bytes, root.plan ?? null, 'planId').planId),
    runAttempt: text(github.run_attempt),
    stage: null,
    sha: text(github.sha),
    headRef: emptyAsNull(text(github.head_ref)),
    baseRef: emptyAsNull(text(github.base_ref)),
    matrix: readMatrix(bytes, contexts.matrix),
    granted: readGranted(said('system.github.token.permissions')),
    hasIdentity: connection.hasIdentity,
    ...readSteps(bytes, root.steps),
    tokens: {
      own: token === null || token === '' ? null : hash(token),
      runtime: connection.token === null ? null : hash(connection.token),
    },
    leaseMs: readTime(text(root.lockedUntil)),
  };
}

const githubKeys = [
  'ref',
  'sha',
  'repository',
  'repository_id',
  'repository_visibility',
  'run_id',
  'run_attempt',
  'actor',
  'workflow_ref',
  'head_ref',
  'base_ref',
  'event_name',
  'server_url',
  'ref_protected',
  'event',
] as const;

const variableNames = [
  'system.github.job',
  'system.github.token',
  'system.github.token.permissions',
  'system.runnerGroupName',
] as const;

/** A dictionary of contexts (`{t: 2, d: [{k, v}]}`): each `v` belongs to the `k` of its own object, and to no other. */
function pickContext<K extends string>(
  bytes: Buffer,
  span: Span,
  ...keys: readonly K[]
): Partial<Record<K, Span>> {
  const found: Partial<Record<K, Span>> = {};
  for (const [name, value] of pairsOf(bytes, span)) {
    const key = keys.find((known) => known === name.toLowerCase());
    if (key !== undefined) found[key] = key in found ? null : value;
  }
  return found;
}

/** A value of a context that is a text, in its short form or its long one (`{t: 0, s}`, or without `t`). */
function contextText(bytes: Buffer, span: Span): string | null {
  return textOf(bytes, plainForm(bytes, span, '0', 's'), maxTextBytes);
}

/** The span itself, or what its long form of this type holds. */
function plainForm(bytes: Buffer, span: Span, type: '0' | '3', key: 's' | 'b'): Span {
  if (span === null || span === undefined || bytes[span.start] !== 123) return span;
  const long = pick(bytes, span, 't', key);
  const said = long.t === undefined ? '0' : wordOf(bytes, long.t);
  return said === type || said === `${type}.0` ? long[key] : null;
}

function* pairsOf(bytes: Buffer, span: Span): Generator<readonly [string, Span]> {
  const entries = pick(bytes, span ?? null, 'd').d;
  if (entries === null || entries === undefined) return;
  for (const entry of entriesOf(bytes, entries)) {
    const { k, v } = pick(bytes, entry, 'k', 'v');
    const name = textOf(bytes, k, maxTextBytes);
    if (name !== null) yield [name, v];
  }
}

/** `owner/repo/path@ref`: the path. */
function pathOf(workflowRef: string | null): string | null {
  return /^[^/]+\/[^/]+\/([^@]+)@/.exec(workflowRef ?? '')?.[1] ?? null;
}

/** The workflow that the job stands in, where another one called it. */
function calledWorkflow(bytes: Buffer, span: Span, caller: string | null): string | null {
  const own = contextText(bytes, pickContext(bytes, span, 'workflow_ref').workflow_ref);
  return own === null || own === caller ? null : own;
}

const fullRef = (ref: string | null): string | null => (ref?.startsWith('refs/') === true ? ref : null);

const emptyAsNull = (text: string | null): string | null => (text === '' ? null : text);

function hostOf(url: string | null): string | null {
  return url !== null && URL.canParse(url) ? new URL(url).host : null;
}

/** The code comes from a repository of somebody else. A head that was deleted was somebody's. */
function isFork(bytes: Buffer, event: Span, repository: string): boolean | null {
  if (event === null || event === undefined) return null;
  const { pull_request: pull, workflow_run: run } = pickContext(bytes, event, 'pull_request', 'workflow_run');
  const head =
    pull === undefined
      ? run === undefined
        ? undefined
        : pickContext(bytes, run, 'head_repository').head_repository
      : pickContext(bytes, pickContext(bytes, pull, 'head').head, 'repo').repo;
  if (pull === undefined && run === undefined) return false;
  const name = contextText(bytes, pickContext(bytes, head, 'full_name').full_name);
  return name === null || name.toLowerCase() !== repository.toLowerCase();
}

function readMatrix(bytes: Buffer, span: Span): JobMessage['matrix'] {
  const found: Record<string, string | number | boolean | null> = Object.create(null) as Record<
    string,
    never
  >;
  let count = 0;
  for (const [name, value] of pairsOf(bytes, span)) {
    const scalar = scalarOf(bytes, value);
    if (scalar === undefined || ++count > maxMatrixKeys) continue;
    found[name] = scalar;
  }
  return count === 0 ? null : found;
}

function scalarOf(bytes: Buffer, span: Span): string | number | boolean | null | undefined {
  const text = textOf(bytes, span, maxTextBytes);
  if (text !== null) return text;
  const word = wordOf(bytes, span);
  if (word !== null) return word === 'null' ? null : word === 'true' || (word !== 'false' && Number(word));
  const typed = pick(bytes, span ?? null, 's', 'b', 'n');
  const inner = typed.s ?? typed.b ?? typed.n;
  return inner === null || inner === undefined || bytes[inner.start] === 123
    ? undefined
    : scalarOf(bytes, inner);
}

/** `{"Contents":"read"}` as workflow keys: `contents`, `id-token`. */
function readGranted(text: string | null): Readonly<Record<string, string>> | null {
  const bytes = Buffer.from(text ?? '');
  const root = wholeDocument(bytes);
  if (root === null) return null;
  const granted: Record<string, string> = Object.create(null) as Record<string, never>;
  for (const entry of entriesOf(bytes, root)) {
    const name = textOf(bytes, entry.key, 64);
    const level = textOf(bytes, entry, 64);
    if (name === null || level === null) continue;
    granted[
      name
        .replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-')
        .replaceAll('_', '-')
        .toLowerCase()
    ] = level;
  }
  return granted;
}

function readConnection(bytes: Buffer, resources: Span): { hasIdentity: boolean; token: string | null } {
  const none = { hasIdentity: false, token: null };
  const { endpoints } = pick(bytes, resources ?? null, 'endpoints');
  if (endpoints === null || endpoints === undefined) return none;
  for (const endpoint of entriesOf(bytes, endpoints)) {
    const { name, authorization, data } = pick(bytes, endpoint, 'name', 'authorization', 'data');
    if (textOf(bytes, name, 64)?.toLowerCase() !== 'systemvssconnection') continue;
    const { parameters } = pick(bytes, authorization ?? null, 'parameters');
    const { accessToken } = pick(bytes, parameters ?? null, 'accessToken');
    const { generateIdTokenUrl } = pick(bytes, data ?? null, 'generateIdTokenUrl');
    return {
      hasIdentity: (textOf(bytes, generateIdTokenUrl) ?? '') !== '',
      token: emptyAsNull(textOf(bytes, accessToken, maxTokenBytes)),
    };
  }
  return none;
}

function readSteps(bytes: Buffer, span: Span): { uses: readonly string[]; steps: readonly JobStep[] } {
  const [uses, steps]: [Set<string>, JobStep[]] = [new Set(), []];
  if (span === null || span === undefined) return { uses: [], steps };
  for (const step of entriesOf(bytes, span)) {
    if (steps.length >= maxSteps) break;
    const { id, name, contextName, displayNameToken, reference } = pick(
      bytes,
      step,
      ...(['id', 'name', 'contextName', 'displayNameToken', 'reference'] as const),
    );
    const stepId = textOf(bytes, id, 64);
    if (stepId === null) continue;
    const shown = pick(bytes, displayNameToken ?? null, 'lit').lit ?? contextName ?? name;
    steps.push({ id: stepId, name: textOf(bytes, shown, maxTextBytes) ?? stepId });
    const used = readReference(bytes, reference);
    if (used !== null) uses.add(used);
  }
  return { uses: [...uses], steps };
}

function readReference(bytes: Buffer, span: Span): string | null {
  const found = pick(bytes, span ?? null, 'name', 'path', 'ref', 'image', 'type');
  const [name, path, ref, image] = [found.name, found.path, found.ref, found.image].map((part) =>
    emptyAsNull(textOf(bytes, part, maxTextBytes)),
  );
  if (typeof image === 'string') return `docker://${image}`;
  if (typeof name === 'string') return `${name}${path ? `/${path}` : ''}@${ref ?? ''}`;
  return path ?? null;
}

function readTime(text: string | null): number | null {
  const ms = Date.parse(text ?? '');
  return ms > firstRealMs ? ms : null;
}
