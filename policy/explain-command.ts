// `sallyport explain`: how a policy decides one request, or a file of them, and by which rule.

import { createReadStream } from 'node:fs';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { unattributed, type Attribution } from '../flow/job.ts';
import { reasons } from '../flow/reason.ts';
import type { CommandIo } from './check-command.ts';
import { describeOperation } from './describe-operation.ts';
import type { Explanation, Question } from './explain.ts';
import { Explainer } from './explainer.ts';
import { readPolicyBundle } from './load.ts';
import { readContext } from './read-context.ts';
import { type Line, readLines } from './read-lines.ts';
import type { UnderstandingPort } from './understanding-port.ts';

const help = `usage: sallyport explain POLICY URL [--method M] [--body] [job options] [--json]
       sallyport explain POLICY --batch FILE.jsonl

URL is https://host/path, http://..., wss://..., tcp://host:port, udp://host:port, icmp://address or dns://name.
Job options: --server S --repo R --project P --ref R --workflow W --job J --event E --environment E --actor A
--runner-group G --fork --protected; without any of them the flow belongs to no known job.
A line of a batch: {"id", "method", "url", "headers"?, "body"?, "context"?: {"server_url", "api_url", "repository",
"repository_id", "private", "project", "ref", "workflow", "job", "event", "environment", "actor", "fork",
"protected", ...}}; "-" reads standard input. In a header \${GITHUB_TOKEN} and \${CI_JOB_TOKEN} stand for the job's
own token. A body without a Content-Type counts as JSON where it is JSON, else as a form. An answer says what the
request means (operation, platform, owner, repo, access, needs, ungrantable, sureness, widens; null where nobody knows
the host) and how it is decided (verdict, rule, reason, scope).

Exit codes: 0 allowed (batch: every line was answered), 1 blocked (batch: a line was no question), 2 invalid input.
`;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const options = {
  method: { type: 'string', default: 'GET' },
  body: flag,
  server: text,
  repo: text,
  project: text,
  ref: text,
  workflow: text,
  job: text,
  event: text,
  environment: text,
  actor: text,
  'runner-group': text,
  fork: flag,
  protected: flag,
  batch: text,
  json: flag,
  help: { type: 'boolean', short: 'h' },
} as const;

/**
 * Runs the command; answers its exit code. Without `understanding` only hosts, methods and paths are explained.
 * @throws SallyportError usage, InvalidInputError
 */
export async function explainPolicy(
  args: readonly string[],
  io: CommandIo,
  understanding?: UnderstandingPort,
): Promise<number> {
  const { values, positionals } = readArguments(args);
  if (values.help === true) {
    io.stdout.write(help);
    return exitCodes.ok;
  }
  const [path, url, ...rest] = positionals;
  if (path === undefined || rest.length > 0 || (url === undefined) === (values.batch === undefined)) {
    throw new SallyportError('usage', `POLICY and either URL or --batch are needed\n${help}`);
  }
  const explainer = new Explainer(readPolicyBundle(path), understanding);
  if (values.batch !== undefined) return explainBatch(explainer, values.batch, io);
  const headers = new Map<string, string>();
  const question: Question = { url: url!, method: values.method, hasBody: values.body === true, headers };
  return printOne(explainer.explain(readJob(values), question), question, values.json === true, io);
}

function readArguments(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new SallyportError(
      'usage',
      `${error instanceof Error ? error.message : String(error)}\n${help}`,
      error,
    );
  }
}

function readJob(values: ReturnType<typeof readArguments>['values']): Attribution {
  const {
    repo,
    'runner-group': runnerGroup,
    server,
    project,
    ref,
    workflow,
    job,
    event,
    environment,
    actor,
  } = values;
  const { fork, protected: isProtected } = values;
  const context = {
    repository: repo,
    runnerGroup,
    server,
    project,
    ref,
    workflow,
    job,
    event,
    environment,
    actor,
  };
  const known = { ...context, fork, protected: isProtected };
  return Object.values(known).every((value) => value === undefined) ? unattributed : readContext(known);
}

function printOne(explanation: Explanation, question: Question, isJson: boolean, io: CommandIo): number {
  if (explanation.kind === 'unreadable') throw new SallyportError('usage', explanation.detail);
  const { decision, detail } = explanation;
  if (isJson) {
    const { url, method, hasBody } = question;
    const meaning = describeOperation(explanation.operation);
    io.stdout.write(`${JSON.stringify({ url, method, hasBody, ...decision, detail, ...meaning })}\n`);
  } else {
    const paper = decision.verdict === 'block' && !decision.enforced ? ' (recorded only)' : '';
    const by = decision.rule === null ? '' : ` by rule ${decision.rule}`;
    const inScope = decision.scope === null ? '' : ` of scope ${decision.scope}`;
    io.stdout.write(
      `${decision.verdict}${paper}${by}${inScope}: ${decision.reason}, ${reasons[decision.reason]}\n`,
    );
    if (detail !== null) io.stdout.write(`  ${detail}\n`);
  }
  return decision.verdict === 'allow' ? exitCodes.ok : exitCodes.failed;
}

async function explainBatch(explainer: Explainer, file: string, io: CommandIo): Promise<number> {
  const input = file === '-' ? io.stdin : createReadStream(file);
  const attributions = new Map<string, Attribution>();
  let failures = 0;
  let pending: string[] = [];
  try {
    for await (const line of readLines(input, maxLineBytes)) {
      if (line.text.trim() === '') continue;
      const result = line.isCut ? tooLong(line) : explainLine(explainer, line.text, attributions);
      if ('error' in result) failures++;
      pending.push(JSON.stringify(result));
      if (pending.length >= 512) {
        await write(io, `${pending.join('\n')}\n`);
        pending = [];
      }
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === '') throw error;
    throw new SallyportError('usage', `${file} cannot be read (${code})`, error);
  }
  if (pending.length > 0) await write(io, `${pending.join('\n')}\n`);
  return failures === 0 ? exitCodes.ok : exitCodes.failed;
}

async function write(io: CommandIo, text: string): Promise<void> {
  if (!io.stdout.write(text)) await new Promise<void>((resolve) => io.stdout.once('drain', resolve));
}

type Answer = Readonly<Record<string, unknown>>;

// A token (RFC 9110 §5.6.2).
const methodForm = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;
const maxLineBytes = 64 * 1_048_576;
const tooLong = ({ text }: Line): Answer => ({
  id: leadingId(text),
  error: 'the line is longer than 64 MiB',
});

/** The id of a line that cannot be read, where it begins with it. */
function leadingId(line: string): unknown {
  const id = /^\uFEFF?\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.){0,256}"|-?\d{1,15}(?![\d.eE]))/.exec(
    line.slice(0, 1024),
  )?.[1];
  try {
    return id === undefined ? null : (JSON.parse(id) as unknown);
  } catch {
    return null;
  }
}

/** One line of a batch, answered; what is no question is answered with `error`. */
export function explainLine(
  explainer: Pick<Explainer, 'explain' | 'understands'>,
  line: string,
  attributions: Map<string, Attribution>,
): Answer {
  let data: unknown;
  try {
    // Some editors begin a file with a mark of its byte order.
    data = JSON.parse(line.replace(/^\uFEFF/, ''));
  } catch {
    return { id: leadingId(line), error: 'the line is no JSON' };
  }
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    return { id: null, error: 'the line is no object' };
  const fields = new Map<string, unknown>(Object.entries(data));
  const id = fields.get('id') ?? null;
  const url = fields.get('url');
  const method = fields.get('method') ?? 'GET';
  if (typeof url !== 'string') return { id, error: '"url" must be a text' };
  if (url.length > 65_536) return { id, error: '"url" is longer than 65,536 characters' };
  if (typeof method !== 'string' || !methodForm.test(method))
    return { id, error: '"method" must be a method of HTTP, such as GET' };
  if (!isMappingOrNone(fields.get('context'))) return { id, error: '"context" must be an object' };
  const body = readBody(fields.get('body'));
  const fieldsOfHead = readHeaders(fields.get('headers'));
  if (fieldsOfHead === null) return { id, error: '"headers" must be an object, or a list of pairs' };
  const headers = withType(fieldsOfHead, body);
  const question = { url, method, hasBody: body.length > 0, headers, body };
  const explanation = explainer.explain(findAttribution(fields.get('context'), attributions), question);
  if (explanation.kind === 'unreadable') return { id, error: explanation.detail };
  const { verdict, rule, reason, scope, enforced, mode } = explanation.decision;
  return {
    id,
    ...(explainer.understands ? describeOperation(explanation.operation) : {}),
    verdict,
    rule,
    reason,
    scope,
    enforced,
    mode,
  };
}

function isMappingOrNone(value: unknown): boolean {
  return value === undefined || value === null || (typeof value === 'object' && !Array.isArray(value));
}

/** A text as it is, and any other value as the JSON that a client would send. */
function readBody(body: unknown): Buffer {
  if (body === undefined || body === null) return Buffer.alloc(0);
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

/** The same object for the same context, so that what applies is computed once. */
function findAttribution(context: unknown, attributions: Map<string, Attribution>): Attribution {
  const key = JSON.stringify(context ?? null);
  let attribution = attributions.get(key);
  if (attribution === undefined) {
    attribution = readContext(context);
    if (attributions.size < 4096) attributions.set(key, attribution);
  }
  return attribution;
}

/** By names in lower case, those of one name joined (RFC 9110 §5.3); null for what is neither mapping nor pairs. */
function readHeaders(headers: unknown): ReadonlyMap<string, string> | null {
  const found = new Map<string, string>();
  if (headers === undefined || headers === null) return found;
  if (typeof headers !== 'object') return null;
  const pairs: readonly unknown[] = Array.isArray(headers) ? headers : Object.entries(headers);
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2) return null;
    const [name, value] = pair.map((part: unknown) => (Array.isArray(part) ? part.join(', ') : String(part)));
    const key = name!.toLowerCase();
    const known = found.get(key);
    found.set(key, known === undefined ? value! : `${known}, ${value!}`);
  }
  return found;
}

/** Says of a body what a client says that sends one: curl sends a form, most others JSON. */
function withType(headers: ReadonlyMap<string, string>, body: Buffer): ReadonlyMap<string, string> {
  if (body.length === 0 || headers.has('content-type')) return headers;
  const type = isJson(body) ? 'application/json' : 'application/x-www-form-urlencoded';
  return new Map([...headers, ['content-type', type]]);
}

function isJson(body: Buffer): boolean {
  try {
    JSON.parse(body.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}
